"""What a training is: the files that ``asyncsearch finetune`` reads."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any, TypeVar, get_type_hints

import msgspec

from asyncsearch.errors import ConfigurationError
from asyncsearch.plugins import suggestion
from asyncsearch.yaml_files import read_yaml, write_yaml

__all__ = [
    "Finetuning",
    "Lora",
    "PolicyFinetuning",
    "RewardFinetuning",
    "load_finetuning",
    "save_finetuning",
    "shipped_finetunings",
]

T = TypeVar("T", bound="Finetuning")

_SCHEDULES = ("cosine", "linear", "constant")
_OPTIMIZERS = ("adamw", "muon")
_DTYPES = ("auto", "float32", "bfloat16")
_ATTENTIONS = ("sdpa", "eager", "flash_attention_2")
_HEADS = ("auto", "two-rows", "one-row", "token-labels")
_LOSSES = ("cross-entropy", "squared")


@dataclass(frozen=True, slots=True, kw_only=True)
class Lora:
    """Train matrices of a small ``rank`` beside the model's own (Hu et al., arXiv 2106.09685), merged in the end.

    ``modules`` are the names of the linear layers that get them; all that are inside the model where none is named.
    """

    rank: int = 16
    alpha: int = 32
    dropout: float = 0.0
    modules: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Finetuning:
    """What trainings have in common.

    ``model`` is a directory, a name on the hub or ``bundled:policy``; or there is an ``architecture``, the fields of a
    configuration of transformers, of a model that begins with random weights, and a ``tokenizer``, a directory or a
    vocabulary's size to train one with. ``data`` are files of solutions (`read_training_solutions`).

    ``batch_size`` sequences are one step, over all processes; ``micro_batch_size`` of them go through the model at once
    in each. With ``packing``, a sequence is as many solutions as fit into ``max_length`` tokens, none of which sees
    another. The learning rate rises over ``warmup`` (steps, or below 1 the share of them) and falls to
    ``minimum_learning_rate``. ``weights`` are kept in one type and computed with in ``dtype``: ``auto`` is bfloat16
    where there is a GPU, and float32 elsewhere. They are written in ``saved_dtype``, else in what is computed with.
    """

    data: tuple[str, ...]
    model: str | None = None
    architecture: dict[str, Any] | None = None
    tokenizer: str | int | None = None
    evaluation_data: tuple[str, ...] = ()
    out: str | None = None
    epochs: float | None = None
    steps: int | None = None
    batch_size: int = 128
    micro_batch_size: int = 4
    max_length: int = 1024
    packing: bool = False
    learning_rate: float = 2e-5
    minimum_learning_rate: float = 0.0
    schedule: str = "cosine"
    warmup: float = 0.03
    weight_decay: float = 0.0
    max_gradient_norm: float = 1.0
    optimizer: str = "adamw"
    dtype: str = "auto"
    weights: str = "float32"
    saved_dtype: str = "auto"
    attention: str = "sdpa"
    gradient_checkpointing: bool = False
    lora: Lora | None = None
    seed: int = 0
    log_every: int = 10
    evaluate_every: int | None = None
    save_every: int = 200
    keep_checkpoints: int = 2
    trust_remote_code: bool = False

    def __post_init__(self) -> None:
        if (self.model is None) == (self.architecture is None):
            raise ConfigurationError("name a 'model' to begin with, or give the 'architecture' of one; one of the two")
        if self.architecture is not None and self.tokenizer is None:
            raise ConfigurationError(
                "an 'architecture' needs a 'tokenizer': the directory of one, or a vocabulary's size to train one with"
            )
        if not self.data:
            raise ConfigurationError("'data' names no file")
        if (self.epochs is None) == (self.steps is None):
            raise ConfigurationError("say how long to train: 'epochs' or 'steps', one of the two")
        for name in (
            "epochs",
            "steps",
            "batch_size",
            "micro_batch_size",
            "max_length",
            "learning_rate",
            "log_every",
            "evaluate_every",
            "save_every",
            "keep_checkpoints",
        ):
            value = getattr(self, name)
            if value is not None and not value > 0:
                raise ConfigurationError(f"{name} must be above 0, not {value}")
        for name in ("minimum_learning_rate", "warmup", "weight_decay", "max_gradient_norm"):
            if not getattr(self, name) >= 0:
                raise ConfigurationError(f"{name} must not be below 0, and is {getattr(self, name)}")
        if self.minimum_learning_rate > self.learning_rate:
            raise ConfigurationError("minimum_learning_rate is above learning_rate")
        self._require_one_of("schedule", _SCHEDULES)
        self._require_one_of("optimizer", _OPTIMIZERS)
        self._require_one_of("dtype", _DTYPES)
        self._require_one_of("weights", _DTYPES[1:])
        self._require_one_of("saved_dtype", _DTYPES)
        self._require_one_of("attention", _ATTENTIONS)
        if self.lora is not None and self.optimizer == "muon":
            raise ConfigurationError("optimizer 'muon' is for whole matrices; with lora use 'adamw'")

    def _require_one_of(self, name: str, known: tuple[str, ...]) -> None:
        if getattr(self, name) not in known:
            raise ConfigurationError(
                f"unknown {name} {getattr(self, name)!r}; {suggestion(getattr(self, name), [*known])}"
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyFinetuning(Finetuning):
    """Supervised training of a policy on solutions, with the loss on the solution alone.

    The prompt is that of the policy ``format``; a solution ends in the tokenizer's end of sequence, or in
    ``end_token`` where it has none.
    """

    format: str = "steps"
    end_token: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RewardFinetuning(Finetuning):
    """Training of a reward model on labelled steps, which ``reward_format`` says how to read.

    The ``head`` is ``two-rows``, whose mean is the logit, as the REBASE reference's; ``one-row``; or
    ``token-labels``, the language head's rows of the good and the bad token. ``auto`` is what the format reads, two
    rows where it can read either. The ``loss`` is cross-entropy of the logit, or the squared error of its sigmoid (the
    reference's ``--regression``). Unless ``train_on_every_token``, only the last step of a solution is learned from:
    that makes an outcome reward model.
    """

    reward_format: str
    head: str = "auto"
    loss: str = "cross-entropy"
    train_on_every_token: bool = True

    def __post_init__(self) -> None:
        super(RewardFinetuning, self).__post_init__()  # the short form does not work in a class with slots
        self._require_one_of("head", _HEADS)
        self._require_one_of("loss", _LOSSES)


def shipped_finetunings() -> dict[str, Path]:
    """The trainings that ship, those of the reference and its sources, by name."""
    directory = Path(str(files("asyncsearch.finetune").joinpath("configurations")))
    return {file.stem: file for file in sorted(directory.glob("*.yaml"))}


def load_finetuning(path: Path, kind: type[T], *, overriding: Mapping[str, Any] | None = None) -> T:
    """Read a YAML file of a training, or one that ships by its name; what ``overriding`` says, holds instead.

    Raises:
        ConfigurationError: the file is missing or no such mapping, or has an unknown key or a wrong value; the message
            names the key.
    """
    path = shipped_finetunings().get(str(path), path)
    content = read_yaml(path)
    if not isinstance(content, dict):
        raise ConfigurationError(f"{path}: must be a mapping, with 'model', 'data' and what else there is to say")
    content = {str(key): value for key, value in content.items()} | dict(overriding or {})
    if "epochs" in (overriding or {}):
        content.pop("steps", None)
    if "steps" in (overriding or {}):
        content.pop("epochs", None)
    known = [field.name for field in dataclasses.fields(kind)]
    for key in content:
        if key not in known:
            raise ConfigurationError(f"{path}: unknown key {key!r}; {suggestion(key, known)}")
    for key in ("data", "evaluation_data"):
        if isinstance(content.get(key), str):
            content[key] = [content[key]]
    hints = get_type_hints(kind)
    try:
        values = {key: _converted(key, value, hints[key]) for key, value in content.items()}
        missing = [
            field.name
            for field in dataclasses.fields(kind)
            if field.default is dataclasses.MISSING and field.name not in values
        ]
        if missing:
            raise ConfigurationError(f"has no {' and no '.join(map(repr, missing))}")
        return kind(**values)
    except ConfigurationError as error:
        raise ConfigurationError(f"{path}: {error}") from None


def save_finetuning(path: Path, finetuning: Finetuning) -> None:
    """Write what `load_finetuning` reads: all that is not as it is where nothing is said.

    Raises:
        OSError: it cannot be written.
    """
    content = {
        field.name: msgspec.to_builtins(value)
        for field in dataclasses.fields(finetuning)
        if (value := getattr(finetuning, field.name)) != field.default
    }
    write_yaml(path, content)


def _converted(key: str, value: Any, kind: Any) -> Any:
    if isinstance(value, bool) and kind in (int, float, str, int | None, float | None, str | int | None):
        raise ConfigurationError(f"{key} must be a number or a text, not {value!r}")
    if key == "lora" and isinstance(value, dict):
        known = [field.name for field in dataclasses.fields(Lora)]
        for name in value:
            if name not in known:
                raise ConfigurationError(f"lora has no {name!r}; {suggestion(str(name), known)}")
    try:
        # YAML takes 2e-5 for a text.
        return msgspec.convert(value, type=kind, strict=False)
    except msgspec.ValidationError as error:
        raise ConfigurationError(f"{key}: {error}") from None
