"""The two trainings, from files of solutions to a model that can be served."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from transformers import PreTrainedTokenizerBase, Trainer

from asyncsearch.errors import ConfigurationError, DatasetError, RunDirectoryError
from asyncsearch.finetune.base_model import load_base, load_tokenizer, padding_token, with_lora
from asyncsearch.finetune.checkpoints import CHECKPOINTS, is_finished, last_whole_checkpoint
from asyncsearch.finetune.configuration import (
    Finetuning,
    PolicyFinetuning,
    RewardFinetuning,
    load_finetuning,
    save_finetuning,
)
from asyncsearch.finetune.heads import head_for
from asyncsearch.finetune.log import TrainingLog
from asyncsearch.finetune.output import merged_weights, write_model
from asyncsearch.finetune.policy_task import PolicyTask
from asyncsearch.finetune.reward_task import RewardTask
from asyncsearch.finetune.rows import arrange
from asyncsearch.finetune.sequences import encode_all
from asyncsearch.finetune.task import Task
from asyncsearch.finetune.trainer import Spectator, Unwatched, make_arguments, make_trainer, train
from asyncsearch.format import Format, format_named
from asyncsearch.json_records import read_json_records
from asyncsearch.rewards import reward_format_named
from asyncsearch.run_directory import unwritable
from asyncsearch.training_data import TrainingSolution, read_training_solution
from runtimes.quiet import quiet_transformers

__all__ = ["FINETUNING_FILE", "Finetuned", "finetune_policy", "finetune_reward"]

FINETUNING_FILE = "finetuning.yaml"
"""What a model's training was, in its directory."""

_TOKENIZER = "tokenizer"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finetuned:
    """What came of a training: ``is_whole`` unless it was broken off, and can be resumed.

    Of ``solutions``, ``too_long`` were left out, and ``unlabelled`` ones without a label. ``rows`` went through the
    model in ``steps`` steps, with so many ``tokens``; ``parameters`` is the model's size in
    training, matrices of low rank included, of which ``trained_parameters`` were trained. ``metrics`` are of the
    evaluation data, none where there are none.
    """

    is_whole: bool
    solutions: int
    too_long: int
    unlabelled: int
    rows: int
    steps: int
    tokens: int
    parameters: int
    trained_parameters: int
    seconds: float
    metrics: dict[str, float]


def finetune_policy(
    finetuning: PolicyFinetuning, out: Path, *, resume: bool = False, spectator: Spectator | None = None
) -> Finetuned:
    """Train a policy on solutions, and write it to ``out`` when it is finished.

    In several processes under accelerate's launcher, each calls this. Whatever ends it early, KeyboardInterrupt for
    one, leaves the last whole checkpoint, from which ``resume`` goes on; a spectator that wants to stop has one made.

    Raises:
        ConfigurationError: the training does not fit the model or its tokenizer, or nothing is left to train on.
        DatasetError: a file of solutions cannot be read; the message counts what is wrong with it.
        ModelError: the model cannot be loaded.
        RunDirectoryError: ``out`` is of another training, or has a model already.
        StorageError: a checkpoint, or the model, cannot be written.
        TrainingError: the training has diverged, or memory is short.
    """
    format = format_named(finetuning.format)
    return _finetune(
        finetuning,
        out,
        format,
        lambda tokenizer, model: PolicyTask(finetuning, format, tokenizer, model=model),
        resume=resume,
        spectator=spectator or Unwatched(),
        labelled=False,
    )


def finetune_reward(
    finetuning: RewardFinetuning, out: Path, *, resume: bool = False, spectator: Spectator | None = None
) -> Finetuned:
    """Train a reward model on labelled steps, and write it to ``out``; otherwise as `finetune_policy`."""
    format = reward_format_named(finetuning.reward_format)
    head_for(finetuning.head, format)  # what does not fit is told before anything is made
    return _finetune(
        finetuning,
        out,
        None,
        lambda tokenizer, model: RewardTask(finetuning, format, tokenizer, model=model),
        resume=resume,
        spectator=spectator or Unwatched(),
        labelled=True,
    )


@quiet_transformers()
def _finetune(
    finetuning: Finetuning,
    out: Path,
    format: Format | None,
    make_task: Callable[[PreTrainedTokenizerBase, str], Task],
    *,
    resume: bool,
    spectator: Spectator,
    labelled: bool,
) -> Finetuned:
    begun = time.monotonic()
    arguments = make_arguments(finetuning, out)
    with arguments.main_process_first(local=False):
        if arguments.process_index == 0:
            _claim(out, finetuning, resume=resume)
    solutions = _read(finetuning.data, format, labelled=labelled)
    tokenizer = _tokenizer(finetuning, out, solutions, is_main=arguments.process_index == 0)
    name = finetuning.model or "the new model"
    task = make_task(tokenizer, name)
    encoded = encode_all(solutions, task.encode, max_length=finetuning.max_length)
    evaluation = (
        encode_all(
            _read(finetuning.evaluation_data, format, labelled=labelled),
            task.encode_evaluation,
            max_length=finetuning.max_length,
        ).sequences
        if finetuning.evaluation_data
        else ()
    )
    rows = arrange(
        [len(sequence) for sequence in encoded.sequences],
        batch_size=finetuning.batch_size,
        seed=finetuning.seed,
        longest=finetuning.max_length if finetuning.packing else None,
        epochs=finetuning.epochs,
        steps=finetuning.steps,
    )
    model = _model(finetuning, tokenizer, task)
    parameters, trained = (
        sum(
            getattr(parameter, "ds_numel", parameter.numel())
            for parameter in model.parameters()
            if parameter.requires_grad or not only_trained
        )
        for only_trained in (False, True)
    )
    log = TrainingLog(out, spectator, is_main=arguments.process_index == 0)
    trainer = make_trainer(
        model,
        encoded.sequences,
        rows,
        evaluation,
        finetuning=finetuning,
        arguments=arguments,
        learning=task.learning,
        padding=padding_token(tokenizer),
        spectator=log,
    )
    checkpoint = last_whole_checkpoint(out / CHECKPOINTS)
    is_whole = train(trainer, checkpoint=checkpoint)
    metrics = log.last_evaluation
    if is_whole:
        if evaluation and log.last_evaluation_step != trainer.state.global_step:
            trainer.evaluate()
            metrics = log.last_evaluation
        _write(trainer, task, tokenizer, out, finetuning)
    trainer.accelerator.wait_for_everyone()
    return Finetuned(
        is_whole=is_whole,
        solutions=len(solutions),
        too_long=encoded.too_long,
        unlabelled=encoded.unlabelled,
        rows=len(rows),
        steps=trainer.state.global_step,
        tokens=sum(len(encoded.sequences[index]) for row in rows for index in row),
        parameters=parameters,
        trained_parameters=trained,
        seconds=time.monotonic() - begun,
        metrics=metrics,
    )


def _claim(out: Path, finetuning: Finetuning, *, resume: bool) -> None:
    """Make the directory of a training, or make sure that it is this one's.

    Raises:
        RunDirectoryError: it is another's, there is a model already, or it was interrupted and is not to be resumed.
    """
    file = out / FINETUNING_FILE
    described = replace(finetuning, out=None)
    if is_finished(out):
        raise RunDirectoryError(f"{out}: holds a model already; name another directory with --out")
    if file.exists():
        if not resume and last_whole_checkpoint(out / CHECKPOINTS) is not None:
            raise RunDirectoryError(f"{out}: holds a training that is not finished; --resume goes on with it")
        if resume and (before := load_finetuning(file, type(finetuning))) != described:
            names = finetuning.__dataclass_fields__
            name = next(name for name in names if getattr(before, name) != getattr(described, name))
            raise RunDirectoryError(
                f"{out}: holds a training with another {name}: {getattr(before, name)!r}, not "
                f"{getattr(described, name)!r}; name another directory with --out"
            )
    elif out.exists() and any(out.iterdir()):
        raise RunDirectoryError(f"{out}: is not empty, and holds no training; name another directory with --out")
    try:
        out.mkdir(parents=True, exist_ok=True)
        save_finetuning(file, described)
    except OSError as error:
        raise unwritable(out, error) from error


def _read(files: Sequence[str], format: Format | None, *, labelled: bool) -> list[TrainingSolution]:
    """The solutions of files; all of them are looked at before one that is wrong is told of."""
    solutions: list[TrainingSolution] = []
    wrong: list[str] = []
    records = without_labels = 0
    for file in files:
        for record in read_json_records(Path(file)):
            records += 1
            try:
                solution = read_training_solution(record, format=format)
            except DatasetError as error:
                wrong.append(str(error))
                continue
            solutions.append(solution)
            without_labels += solution.labels is None
    if wrong:
        raise DatasetError(f"{len(wrong):,} of {records:,} records cannot be learned from; the first: {wrong[0]}")
    if labelled and without_labels:
        raise DatasetError(
            f"{', '.join(files)}: {without_labels:,} of {records:,} solutions have no 'labels'; a reward model learns "
            "from one number a step"
        )
    return solutions


def _tokenizer(
    finetuning: Finetuning, out: Path, solutions: Sequence[TrainingSolution], *, is_main: bool
) -> PreTrainedTokenizerBase:
    """The tokenizer; one that is trained is kept, so that a training that is resumed has the same."""
    kept = out / CHECKPOINTS / _TOKENIZER
    if isinstance(finetuning.tokenizer, int):
        if kept.is_dir():
            return load_tokenizer(replace(finetuning, tokenizer=str(kept)), ())
        texts = ("\n".join([solution.problem, *solution.steps]) for solution in solutions)
        tokenizer = load_tokenizer(finetuning, texts)
        if is_main:
            tokenizer.save_pretrained(kept)
        return tokenizer
    return load_tokenizer(finetuning, ())


def _model(finetuning: Finetuning, tokenizer: PreTrainedTokenizerBase, task: Task) -> Any:
    model = load_base(finetuning, tokenizer)
    task.prepare(model)
    longest = getattr(model.config.get_text_config(), "max_position_embeddings", None)
    if longest is not None and longest < finetuning.max_length:
        raise ConfigurationError(f"max_length is {finetuning.max_length}, and the model reads {longest} tokens")
    if finetuning.gradient_checkpointing:
        model.gradient_checkpointing_enable({"use_reentrant": False})
        model.enable_input_require_grads()
    model.config.use_cache = False  # with one, transformers lets the sequences of a packed row see each other
    return model if finetuning.lora is None else with_lora(model, finetuning.lora, new_head=task.new_head)


def _write(trainer: Trainer, task: Task, tokenizer: PreTrainedTokenizerBase, out: Path, finetuning: Finetuning) -> None:
    """Write the finished model, and remove what was kept for the case that the training is interrupted."""
    state = trainer.accelerator.get_state_dict(trainer.model_wrapped)
    if trainer.args.process_index != 0:
        return
    model: Any = trainer.accelerator.unwrap_model(trainer.model_wrapped)
    if finetuning.lora is not None:
        model = model.get_base_model()
        state = merged_weights(state, scaling=finetuning.lora.alpha / finetuning.lora.rank)
    weights = task.finish(model, state)
    model.config.use_cache = True
    computed = "bfloat16" if trainer.args.bf16 or finetuning.weights == "bfloat16" else "float32"
    written = getattr(torch, computed if finetuning.saved_dtype == "auto" else finetuning.saved_dtype)
    try:
        write_model(
            out,
            weights=weights,
            config=model.config,
            tokenizer=tokenizer,
            generation=model.generation_config,
            dtype=written,
        )
        shutil.rmtree(out / CHECKPOINTS, ignore_errors=True)
    except OSError as error:
        raise unwritable(out, error) from error
