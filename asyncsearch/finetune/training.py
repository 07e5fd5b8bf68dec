"""The one training loop: transformers' Trainer over sequences whose tokens and labels are known beforehand."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch.utils.data import Dataset
from transformers import PreTrainedModel, Trainer, TrainerCallback, TrainingArguments

__all__ = ["IGNORED", "Example", "TrainingOptions", "train"]

IGNORED = -100
"""The label of a position that carries no loss."""


@dataclass(frozen=True, slots=True)
class Example:
    """One training sequence: token ids, and per position its label or ``IGNORED``.

    Labels are aligned as transformers does it: a position's label is what the position before it should predict.
    """

    tokens: tuple[int, ...]
    labels: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingOptions:
    """How long and how fast to train: AdamW with a linear warm-up and a cosine decay to zero."""

    steps: int
    batch_size: int = 128
    learning_rate: float = 2e-3
    warmup_steps: int = 200
    weight_decay: float = 0.05
    seed: int = 0
    bf16: bool = True
    logging_steps: int = 100


class _Examples(Dataset[dict[str, Any]]):
    def __init__(self, examples: Sequence[Example]) -> None:
        self.examples = examples

    def __len__(self) -> int:
        return len(self.examples)

    def __getitem__(self, index: int) -> dict[str, Any]:
        example = self.examples[index]
        return {"input_ids": example.tokens, "labels": example.labels, "length": len(example.tokens)}


@dataclass(frozen=True, slots=True)
class _Collator:
    pad_token_id: int

    def __call__(self, rows: list[dict[str, Any]]) -> dict[str, torch.Tensor]:
        longest = max(len(row["input_ids"]) for row in rows)
        longest += -longest % 16  # few shapes, so that the CPU kernels built for them are used again
        tokens = torch.full((len(rows), longest), self.pad_token_id)
        labels = torch.full((len(rows), longest), IGNORED)
        for index, row in enumerate(rows):
            tokens[index, : len(row["input_ids"])] = torch.tensor(row["input_ids"])
            labels[index, : len(row["labels"])] = torch.tensor(row["labels"])
        # Padding on the right needs no attention mask in a causal model.
        return {"input_ids": tokens, "labels": labels}


def train(
    model: PreTrainedModel,
    examples: Sequence[Example],
    *,
    options: TrainingOptions,
    output: Path,
    pad_token_id: int,
    callbacks: Sequence[TrainerCallback] = (),
) -> list[dict[str, float]]:
    """Train ``model`` in place and return the log: one record per ``logging_steps`` with loss and rate."""
    arguments = TrainingArguments(
        output_dir=str(output),
        max_steps=options.steps,
        per_device_train_batch_size=options.batch_size,
        learning_rate=options.learning_rate,
        warmup_steps=options.warmup_steps,
        lr_scheduler_type="cosine",
        weight_decay=options.weight_decay,
        adam_beta2=0.98,
        bf16=options.bf16,
        use_cpu=not torch.cuda.is_available(),
        seed=options.seed,
        logging_steps=options.logging_steps,
        train_sampling_strategy="group_by_length",
        length_column_name="length",
        remove_unused_columns=False,
        save_strategy="no",
        report_to=[],
    )
    trainer = Trainer(
        model=model,
        args=arguments,
        train_dataset=_Examples(examples),
        data_collator=_Collator(pad_token_id),
        callbacks=list(callbacks),
    )
    trainer.train()
    return list(trainer.state.log_history)
