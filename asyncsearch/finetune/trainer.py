"""transformers' Trainer, with checkpoints that are whole or not there, and losses of rows."""

from __future__ import annotations

import math
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from safetensors import SafetensorError
from torch import nn
from transformers import (
    EvalPrediction,
    PreTrainedModel,
    Trainer,
    TrainerCallback,
    TrainerControl,
    TrainerState,
    TrainingArguments,
)
from transformers.trainer_callback import PrinterCallback

from asyncsearch.errors import ConfigurationError, StorageError, TrainingError
from asyncsearch.finetune.batches import Batches, RowDataset
from asyncsearch.finetune.checkpoints import CHECKPOINTS, last_whole_checkpoint, mark_whole, remove_old_checkpoints
from asyncsearch.finetune.configuration import Finetuning
from asyncsearch.finetune.muon import Muon
from asyncsearch.finetune.processes import is_launched
from asyncsearch.finetune.rows import Row
from asyncsearch.finetune.sequences import TrainingSequence

__all__ = ["Learning", "Spectator", "Unwatched", "make_arguments", "make_trainer", "train"]

_EVALUATION = "eval_"


class Spectator(Protocol):
    """Is told how a training goes, in its main process."""

    def begin(self, steps: int, done: int) -> None:
        """The training has so many steps, of which so many were done before."""

    def log(self, step: int, values: Mapping[str, float]) -> None:
        """What was measured after a step."""

    def step(self, step: int) -> None:
        """A step is done."""

    def wants_to_stop(self) -> bool:
        """Whether the training is to be broken off after this step, with a checkpoint."""


class Unwatched:
    """A spectator that takes no notice, and lets the training go on."""

    def begin(self, steps: int, done: int) -> None:
        """See `Spectator`."""

    def log(self, step: int, values: Mapping[str, float]) -> None:
        """See `Spectator`."""

    def step(self, step: int) -> None:
        """See `Spectator`."""

    def wants_to_stop(self) -> bool:
        """See `Spectator`."""
        return False


@dataclass(frozen=True, slots=True, kw_only=True)
class Learning:
    """What is learned from a model's outputs.

    ``loss`` takes the model's output, the targets of its rows and how many of them the whole batch has, and is None
    where the model has its own. ``reduce`` makes of logits and targets what ``measure`` has of all evaluation rows
    together: [rows, tokens, ...], filled up with `IGNORED`.
    """

    loss: Callable[..., torch.Tensor] | None
    reduce: Callable[[torch.Tensor, torch.Tensor], torch.Tensor]
    measure: Callable[[np.ndarray[Any, Any], np.ndarray[Any, Any]], dict[str, float]]


class _WholeCheckpoints(Trainer):
    """Marks checkpoints that are written to their end, and removes old ones only then."""

    def __init__(self, *, keep: int, **options: Any) -> None:
        super().__init__(**options)
        self._keep = keep

    def _save_checkpoint(self, model: nn.Module, trial: Any) -> None:
        directory = Path(str(self.args.output_dir))
        checkpoint = directory / f"checkpoint-{self.state.global_step}"
        try:
            super()._save_checkpoint(model, trial)
            self.accelerator.wait_for_everyone()
            if self.args.should_save:
                mark_whole(checkpoint)
                remove_old_checkpoints(directory, keep=self._keep)
        except (OSError, RuntimeError, SafetensorError) as error:  # what torch makes of a full disk is a RuntimeError
            if self.args.should_save:
                shutil.rmtree(checkpoint, ignore_errors=True)
            before = last_whole_checkpoint(directory)
            kept = "none is there yet" if before is None else f"the last whole one is {before.name}"
            reason = " ".join(str(error).split()) or type(error).__name__
            raise StorageError(f"{checkpoint}: cannot be written: {reason}; {kept}") from error


class _Watching(TrainerCallback):
    """Tells a spectator, and ends what goes wrong."""

    def __init__(self, spectator: Spectator, tokens_after: Sequence[int], *, alone: bool) -> None:
        self._spectator = spectator
        self._tokens_after = tokens_after
        self._alone = alone
        self.stopped = False

    def on_train_begin(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        if state.is_world_process_zero:
            self._spectator.begin(state.max_steps, state.global_step)

    def on_step_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        if state.is_world_process_zero:
            self._spectator.step(state.global_step)
        # Processes that hear of it at different steps would wait for each other for ever.
        if self._alone and not self.stopped and self._spectator.wants_to_stop():
            self.stopped = control.should_save = control.should_training_stop = True

    def on_log(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        logs: dict[str, float] | None = None,
        **_: Any,
    ) -> None:
        values = dict(logs or {})
        loss = values.get("loss", 0.0)
        if not math.isfinite(loss):
            raise TrainingError(
                f"the loss is {loss} at step {state.global_step}: the training has diverged; lower learning_rate, or "
                "raise warmup"
            )
        known = {"loss", "grad_norm", "learning_rate"} & values.keys()
        measured = {name: float(values[name]) for name in sorted(known)}
        measured |= {
            name.removeprefix(_EVALUATION): float(value)
            for name, value in values.items()
            if name.startswith(_EVALUATION) and name.removeprefix(_EVALUATION) in _MEASURED
        }
        if measured and state.is_world_process_zero:
            measured["tokens"] = self._tokens_after[min(state.global_step, len(self._tokens_after) - 1)]
            self._spectator.log(state.global_step, measured)


_MEASURED = frozenset(
    {"evaluation_loss", "token_accuracy", "step_auc", "step_accuracy", "calibration_error", "first_error_f1"}
)


def make_arguments(finetuning: Finetuning, out: Path) -> TrainingArguments:
    """The arguments of transformers' Trainer, of the steps at first none; processes meet when they are made.

    Raises:
        ConfigurationError: the batch cannot be divided among the processes.
    """
    cpu = not torch.accelerator.is_available()
    dtype = ("float32" if cpu else "bfloat16") if finetuning.dtype == "auto" else finetuning.dtype
    arguments = TrainingArguments(
        output_dir=str(out / CHECKPOINTS),
        per_device_train_batch_size=1,
        learning_rate=finetuning.learning_rate,
        lr_scheduler_type=_schedule(finetuning),
        lr_scheduler_kwargs={"min_lr": finetuning.minimum_learning_rate} if finetuning.minimum_learning_rate else None,
        weight_decay=finetuning.weight_decay,
        max_grad_norm=finetuning.max_gradient_norm,
        bf16=dtype == "bfloat16" and finetuning.weights == "float32",
        use_cpu=cpu,
        ddp_backend="gloo" if cpu and is_launched() else None,
        seed=finetuning.seed,
        logging_steps=finetuning.log_every,
        logging_first_step=True,
        logging_nan_inf_filter=False,
        save_strategy="steps",
        save_steps=finetuning.save_every,
        eval_strategy="steps" if finetuning.evaluation_data and finetuning.evaluate_every else "no",
        eval_steps=finetuning.evaluate_every,
        train_sampling_strategy="sequential",
        remove_unused_columns=False,
        disable_tqdm=True,
        report_to=[],
        ddp_find_unused_parameters=False,
        label_names=["labels"],
    )
    micro = min(finetuning.micro_batch_size, max(finetuning.batch_size // arguments.world_size, 1))
    if finetuning.batch_size % (micro * arguments.world_size):
        raise ConfigurationError(
            f"batch_size {finetuning.batch_size} cannot be divided among {arguments.world_size} processes with a "
            f"micro_batch_size of {micro}"
        )
    arguments.per_device_train_batch_size = arguments.per_device_eval_batch_size = micro
    arguments.gradient_accumulation_steps = finetuning.batch_size // (micro * arguments.world_size)
    return arguments


def _schedule(finetuning: Finetuning) -> str:
    if finetuning.schedule == "constant":
        return "constant_with_warmup"
    if finetuning.minimum_learning_rate:
        if finetuning.schedule != "cosine":
            raise ConfigurationError("minimum_learning_rate is of the schedule 'cosine'")
        return "cosine_with_min_lr"
    return finetuning.schedule


def make_trainer(
    model: PreTrainedModel,
    sequences: Sequence[TrainingSequence],
    rows: Sequence[Row],
    evaluation: Sequence[TrainingSequence],
    *,
    finetuning: Finetuning,
    arguments: TrainingArguments,
    learning: Learning,
    padding: int,
    spectator: Spectator,
) -> Trainer:
    """A trainer of ``model`` on ``rows`` of ``sequences``."""
    arguments.max_steps = math.ceil(len(rows) / finetuning.batch_size)
    warmup = finetuning.warmup
    arguments.warmup_steps = math.ceil(warmup * arguments.max_steps) if warmup < 1 else int(warmup)
    lengths = [len(sequence) for sequence in sequences]
    of_rows = np.cumsum([0, *(sum(lengths[index] for index in row) for row in rows)])
    after = of_rows[[min(step * finetuning.batch_size, len(rows)) for step in range(arguments.max_steps + 1)]]
    optimizer = None
    if finetuning.optimizer == "muon":
        optimizer = Muon(model, lr=finetuning.learning_rate, weight_decay=finetuning.weight_decay)
    trainer = _WholeCheckpoints(
        keep=finetuning.keep_checkpoints,
        model=model,
        args=arguments,
        train_dataset=RowDataset(sequences, rows),
        eval_dataset=RowDataset(evaluation, [(index,) for index in range(len(evaluation))]) if evaluation else None,
        data_collator=Batches(padding, flat=finetuning.packing and finetuning.attention.startswith("flash")),
        compute_loss_func=learning.loss,
        compute_metrics=lambda found: _measured(found, learning),
        preprocess_logits_for_metrics=learning.reduce,
        optimizers=(optimizer, None),
        callbacks=[_Watching(spectator, after.tolist(), alone=arguments.world_size == 1)],
    )
    trainer.remove_callback(PrinterCallback)
    return trainer


def _measured(found: EvalPrediction, learning: Learning) -> dict[str, float]:
    return learning.measure(np.asarray(found.predictions), np.asarray(found.label_ids))


def train(trainer: Trainer, *, checkpoint: Path | None) -> bool:
    """Train to the end, from a checkpoint on where there is one.

    Returns:
        Whether the end was reached; the spectator may want to stop before, and then there is a checkpoint.

    Raises:
        StorageError: a checkpoint cannot be written.
        TrainingError: the loss is no number any more, or memory is short.
    """
    try:
        trainer.train(resume_from_checkpoint=None if checkpoint is None else str(checkpoint))
    except torch.OutOfMemoryError as error:
        raise TrainingError(
            "out of memory: lower micro_batch_size or max_length, set gradient_checkpointing, or use lora"
        ) from error
    return bool(trainer.state.global_step >= trainer.state.max_steps)
