"""Configuration files: what `solve` takes as options, as YAML. The reference's own ``rebase.yaml`` is one."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from asyncsearch.datasets.loading import is_dataset_name
from asyncsearch.datasets.record import check_fields
from asyncsearch.errors import ConfigurationError
from asyncsearch.format import FORMATS, Format, format_from
from asyncsearch.options import SolveOptions
from asyncsearch.plugins import suggestion
from asyncsearch.strategies.registry import known_parameters
from asyncsearch.yaml_files import read_yaml, write_yaml

__all__ = ["Configuration", "default_configuration", "interpret", "load_configuration", "save_configuration"]

_OPTIONS = (
    "seed",
    "vote",
    "aggregation",
    "format",
    "reward_format",
    "grader",
    "policy_parameters",
    "reward_parameters",
)
_SELECT_METHODS = ("softmax", "softmax_with_truncate")
_REWARD_TYPES = {"llemma": "reference-head", "mistral": "math-shepherd"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Configuration:
    """What a file says; None and empty where it says nothing.

    ``parameters`` are the strategy's, or shared by several ``strategies``: each of these is a mapping with its name
    under ``strategy`` and parameters of its own. ``fields`` are what `load_problems` takes; a ``format`` is a name, a
    file, or what a file of one says. ``notes`` name the keys that have no meaning here, one line each.
    """

    dataset: str | None = None
    fields: dict[str, str] | None = None
    strategy: str | None = None
    strategies: tuple[dict[str, Any], ...] | None = None
    parameters: dict[str, Any] = field(default_factory=dict)
    policy: str | None = None
    reward: str | None = None
    format: str | dict[str, Any] | None = None
    reward_format: str | None = None
    vote: str | None = None
    aggregation: str | None = None
    grader: str | None = None
    out: str | None = None
    seed: int | None = None
    limit: int | None = None
    policy_parameters: float | None = None
    reward_parameters: float | None = None
    notes: tuple[str, ...] = ()

    def over(self, other: Configuration) -> Configuration:
        """What this one says, and where it says nothing what ``other`` says."""
        said = {item.name: getattr(self, item.name) for item in dataclasses.fields(self)}
        said = {name: value for name, value in said.items() if value is not None}
        if self.strategy is not None or self.strategies is not None:  # either takes the place of both
            other = replace(other, strategy=None, strategies=None)
        notes = (*other.notes, *self.notes)
        return replace(other, **{**said, "parameters": {**other.parameters, **self.parameters}, "notes": notes})

    def options(self) -> dict[str, Any]:
        """What it says of a run's `SolveOptions`, by their names."""
        said = {name: value for name in _OPTIONS if (value := getattr(self, name)) is not None}
        if isinstance(self.format, dict):
            said["format"] = _inline_format(self.format)
        return said

    def with_absolute_paths(self) -> Configuration:
        """The same in words that mean the same in another working directory; where it is written to is left out."""
        dataset, format = self.dataset, self.format
        return replace(
            self,
            out=None,
            dataset=dataset if dataset is None or is_dataset_name(dataset) else str(Path(dataset).absolute()),
            format=str(Path(format).absolute()) if isinstance(format, str) and format not in FORMATS else format,
            policy=_absolute(self.policy),
            reward=_absolute(self.reward),
        )

    def to_mapping(self) -> dict[str, Any]:
        """What a file has to hold to be read as this; ``notes`` are left out."""
        values = {item.name: getattr(self, item.name) for item in dataclasses.fields(Configuration)}
        del values["notes"]
        parameters = values.pop("parameters")
        content: dict[str, Any] = {name: value for name, value in values.items() if value is not None} | parameters
        if self.strategies is not None:
            content["strategies"] = [*self.strategies]
        return content

    @property
    def named_strategies(self) -> tuple[dict[str, Any], ...]:
        """The strategies that it names, as ``strategies`` are."""
        return self.strategies or (() if self.strategy is None else ({"strategy": self.strategy},))


def default_configuration() -> Configuration:
    """What holds where nothing is said."""
    options = SolveOptions()
    return Configuration(**{name: getattr(options, name) for name in _OPTIONS})


def load_configuration(path: Path) -> Configuration:
    """Read a YAML file.

    Keys are those of `Configuration`, the parameters of any strategy at the top level, and the keys of the
    reference's ``rebase.yaml``: ``select_method``, ``policy_model_type``, ``reward_model_type``,
    ``store_path`` and ``num_threads``. A file with ``select_method`` and no ``strategy`` means REBASE.

    Raises:
        ConfigurationError: the file is missing or no such mapping, or has an unknown key or a wrong value;
            the message names the key, and the nearest one that is known.
    """
    content = read_yaml(path)
    if not isinstance(content, dict):
        raise ConfigurationError(f"{path}: must be a mapping of options to values")
    try:
        return interpret(content)
    except ConfigurationError as error:
        raise ConfigurationError(f"{path}: {error}") from None


def save_configuration(path: Path, configuration: Configuration) -> None:
    """Write what `load_configuration` reads.

    Raises:
        OSError: it cannot be written.
    """
    write_yaml(path, configuration.to_mapping())


def _absolute(model: str | None) -> str | None:
    name, colon, address = (model or "").partition(":")
    directory = Path(address if colon else name)
    if model is None or not directory.is_dir() or (colon and name != "local"):
        return model
    return f"local:{directory.absolute()}"


def interpret(content: Mapping[Any, Any]) -> Configuration:
    """The configuration that a file with this content is.

    Raises:
        ConfigurationError: as `load_configuration`.
    """
    content = {str(key): value for key, value in content.items()}
    values: dict[str, Any] = {}
    parameters: dict[str, Any] = {}
    notes: list[str] = []
    parameter_names = known_parameters()
    known_keys = {item.name for item in dataclasses.fields(Configuration)} - {"parameters", "notes"}
    reference_keys = {"select_method", "policy_model_type", "reward_model_type", "store_path", "num_threads"}
    for key, value in content.items():
        if key in parameter_names:
            parameters[key] = value
        elif key in known_keys:
            values[key] = _checked(key, value)
        elif key not in reference_keys:
            known = sorted(parameter_names | known_keys | reference_keys)
            raise ConfigurationError(f"unknown key {key!r}; {suggestion(key, known)}")
    if "num_threads" in content:
        notes.append("num_threads has no meaning here: every problem in flight shares the same batches")
    if "store_path" in content:
        values.setdefault("out", _checked("store_path", content["store_path"]))
    if "policy_model_type" in content:
        values.setdefault("format", _checked("policy_model_type", content["policy_model_type"]))
    if "reward_model_type" in content:
        kind = _checked("reward_model_type", content["reward_model_type"])
        if kind not in _REWARD_TYPES:
            raise ConfigurationError(f"unknown reward_model_type {kind!r}; {suggestion(kind, sorted(_REWARD_TYPES))}")
        values.setdefault("reward_format", _REWARD_TYPES[kind])
    if "select_method" in content:
        method = _checked("select_method", content["select_method"])
        if method not in _SELECT_METHODS:
            raise ConfigurationError(f"unknown select_method {method!r}; {suggestion(method, [*_SELECT_METHODS])}")
        if method == "softmax" and parameters.pop("truncate_ratio", None) is not None:
            notes.append("truncate_ratio has no effect with select_method softmax")
        values.setdefault("strategy", "rebase")
    return Configuration(**values, parameters=parameters, notes=tuple(notes))


def _inline_format(content: dict[str, Any]) -> Format:
    return format_from(content, name=str(content.get("name", "in the configuration")))


def _checked(key: str, value: Any) -> Any:
    if key == "strategies":
        return _checked_strategies(value)
    if key == "fields":
        return _checked_fields(value)
    if key == "format" and isinstance(value, dict):
        _inline_format(value)
        return value
    if key in ("policy_parameters", "reward_parameters") and isinstance(value, str):
        try:  # YAML takes 7e9 for a text
            return float(value)
        except ValueError:
            raise ConfigurationError(f"{key} must be a number, not {value!r}") from None
    wanted: type | tuple[type, ...] = str
    kind = "a text"
    if key in ("seed", "limit"):
        wanted, kind = int, "a whole number"
    elif key in ("policy_parameters", "reward_parameters"):
        wanted, kind = (int, float), "a number"
    if not isinstance(value, wanted) or isinstance(value, bool):
        raise ConfigurationError(f"{key} must be {kind}, not {value!r}")
    if key == "limit" and isinstance(value, int) and value < 1:
        raise ConfigurationError(f"limit must be at least 1, not {value}")
    return value


def _checked_fields(value: Any) -> dict[str, str]:
    if not (isinstance(value, dict) and all(isinstance(name, str) for name in value.values())):
        raise ConfigurationError("fields must be a mapping, as of 'answer' to the name that the dataset has for it")
    check_fields(value)
    return value


def _checked_strategies(value: Any) -> tuple[dict[str, Any], ...]:
    """Names, or mappings of ``strategy`` and its parameters."""
    if isinstance(value, list) and value:
        found = [{"strategy": one} if isinstance(one, str) else one for one in value]
        if all(isinstance(one, dict) and isinstance(one.get("strategy"), str) for one in found):
            return tuple(found)
    raise ConfigurationError("strategies must be a list of names, or of mappings with a name under 'strategy'")
