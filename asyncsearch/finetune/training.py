"""The one training loop: transformers' Trainer over sequences whose tokens and labels are known beforehand."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch.utils.data import Dataset
from transformers import PreTrainedModel, Trainer, TrainingArguments

from asyncsearch.finetune.muon import Muon
from asyncsearch.finetune.sequences import IGNORED

__all__ = ["IGNORED", "Example", "TrainingOptions", "train"]

_BATCHES_SORTED = 50


@dataclass(frozen=True, slots=True)
class Example:
    """One training sequence: token ids, and per position its label or ``IGNORED``.

    Labels are aligned as transformers does it: a position's label is what the position before it should predict.
    """

    tokens: tuple[int, ...]
    labels: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingOptions:
    """How long and how fast to train: with `Muon`, a linear warm-up and a cosine decay to zero."""

    steps: int
    batch_size: int = 32
    learning_rate: float = 2e-3
    warmup_steps: int = 200
    weight_decay: float = 0.05
    seed: int = 0
    logging_steps: int = 100

    @property
    def examples(self) -> int:
        """How many examples it takes to see each once."""
        return self.steps * self.batch_size


class _Examples(Dataset[dict[str, Any]]):
    def __init__(self, examples: Sequence[Example]) -> None:
        self.examples = examples

    def __len__(self) -> int:
        return len(self.examples)

    def __getitem__(self, index: int) -> dict[str, Any]:
        example = self.examples[index]
        return {"input_ids": example.tokens, "labels": example.labels}


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


def _in_batches_of_equal_length(examples: Sequence[Example], options: TrainingOptions) -> list[Example]:
    """Examples in the order of training: batches of about equally long ones, the batches themselves in no order.

    The Trainer's own grouping goes from long to short over and over, which unsettles a small model.
    """
    source = random.Random(options.seed)
    shuffled = source.sample(examples, len(examples))
    ordered: list[Example] = []
    for begin in range(0, len(shuffled), options.batch_size * _BATCHES_SORTED):
        group = shuffled[begin : begin + options.batch_size * _BATCHES_SORTED]
        group.sort(key=lambda example: len(example.tokens))
        batches = [group[at : at + options.batch_size] for at in range(0, len(group), options.batch_size)]
        batches.sort(key=lambda batch: (len(batch) < options.batch_size, source.random()))  # a small one last
        ordered.extend(example for batch in batches for example in batch)
    return ordered


def train(
    model: PreTrainedModel,
    examples: Sequence[Example],
    *,
    options: TrainingOptions,
    output: Path,
    pad_token_id: int,
) -> None:
    """Train ``model`` in place; every ``logging_steps`` the loss is printed."""
    gpu = torch.cuda.is_available()
    optimizer = Muon(model, lr=options.learning_rate, weight_decay=options.weight_decay)
    arguments = TrainingArguments(
        output_dir=str(output),
        max_steps=options.steps,
        per_device_train_batch_size=options.batch_size,
        learning_rate=options.learning_rate,
        warmup_steps=options.warmup_steps,
        lr_scheduler_type="cosine",
        bf16=gpu,  # many CPUs compute it many times slower than float32
        use_cpu=not gpu,
        seed=options.seed,
        logging_steps=options.logging_steps,
        train_sampling_strategy="sequential",
        remove_unused_columns=False,
        save_strategy="no",
        report_to=[],
    )
    trainer = Trainer(
        model=model,
        args=arguments,
        train_dataset=_Examples(_in_batches_of_equal_length(examples, options)),
        data_collator=_Collator(pad_token_id),
        optimizers=(optimizer, None),
    )
    trainer.train()
