"""What a sweep is made of, as a YAML file says it.

    dataset: arithmetic
    widths: [1, 2, 4, 8, 16]
    strategies:
    - sampling
    - rebase
    - {strategy: mcts, widths: [8, 16]}
    models:
      small: {policy: local:SMALL, reward: local:REWARD}
      large: {policy: local:LARGE, reward: local:REWARD}

Beside these it holds whatever a configuration of `asyncsearch solve` does, for all models, or in a model's own mapping
for that one.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from asyncsearch.configuration import Configuration, default_configuration, interpret
from asyncsearch.datasets.bundled import BUNDLED
from asyncsearch.entries import Entry, entries_for
from asyncsearch.errors import ConfigurationError
from asyncsearch.options import SolveOptions
from asyncsearch.run_directory import RUNS_FILE
from asyncsearch.strategies.registry import strategy_named
from asyncsearch.yaml_files import read_yaml, write_yaml

__all__ = ["SWEEP_FILE", "Sweep", "SweepModel", "load_sweep", "save_sweep"]

SWEEP_FILE = "sweep.yaml"
"""What a sweep's directory has its plan in."""

_WIDTHS = (1, 2, 4, 8, 16)
_STRATEGIES = ({"strategy": "sampling"}, {"strategy": "rebase"})
_ONLY_MODEL = "model"
_NAME = re.compile(r"[\w][\w.+-]*")


@dataclass(frozen=True, slots=True, kw_only=True)
class SweepModel:
    """A policy and its reward model, by the name that its runs have in the sweep's directory, and what is run on them.

    A strategy of which a prefix is a run, as `Sampling`, is run at its greatest width alone: it has the others inside.
    """

    name: str
    policy: str
    reward: str
    options: SolveOptions
    entries: tuple[Entry, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Sweep:
    """A plan: what all runs have in ``common``, what each of the ``models`` has of its own, and ``widths``."""

    common: Configuration
    models: Mapping[str, Configuration]
    widths: tuple[int, ...]

    @property
    def dataset(self) -> str:
        """The dataset's name or path.

        Raises:
            ConfigurationError: none is named.
        """
        if self.common.dataset is None:
            raise ConfigurationError("a sweep needs a dataset: a name or a file, under 'dataset'")
        return self.common.dataset

    def runs(self, **limits: Any) -> list[SweepModel]:
        """Each model with what is run on it; ``limits`` are further `SolveOptions`.

        Raises:
            ConfigurationError: a strategy, a parameter or an option is wrong, or a model has no policy.
        """
        return [self._runs_of(name, own, limits) for name, own in self.models.items()]

    def _runs_of(self, name: str, own: Configuration, limits: Mapping[str, Any]) -> SweepModel:
        task = BUNDLED.get(self.dataset)
        chosen = own.over(self.common)
        if task is not None and chosen.policy is None and chosen.reward is None:  # made for each other alone
            chosen = chosen.over(Configuration(policy=task.policy, reward=task.reward, grader=task.grader))
        chosen = chosen.over(default_configuration())
        if chosen.policy is None or chosen.reward is None:
            missing = "policy" if chosen.policy is None else "reward"
            raise ConfigurationError(f"model {name!r}: has no {missing}")
        options = SolveOptions(**chosen.options(), **limits)
        strategies = [*self._at_widths(chosen.named_strategies or _STRATEGIES)]
        return SweepModel(
            name=name,
            policy=chosen.policy,
            reward=chosen.reward,
            options=options,
            entries=tuple(entries_for(strategies, chosen.parameters, options, with_widths=True)),
        )

    def _at_widths(self, strategies: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
        wide = []
        for said in strategies:
            own = {key: value for key, value in said.items() if key != "widths"}
            if "width" in own:
                if "widths" in said:
                    raise ConfigurationError(f"{own['strategy']} has a 'width' and 'widths'; leave one away")
                wide.append(own)
                continue
            widths = _checked_widths(said["widths"]) if "widths" in said else self.widths
            name = str(own["strategy"])
            nested = ":" not in name and strategy_named(name).anytime
            wide += [{**own, "width": width} for width in (widths[-1:] if nested else widths)]
        return wide


def load_sweep(path: Path) -> Sweep:
    """Read a plan.

    Raises:
        ConfigurationError: the file is missing or none; the message says where and what.
    """
    content = read_yaml(path)
    try:
        if not isinstance(content, dict):
            raise ConfigurationError("must be a mapping, with 'dataset', 'models', 'strategies' and 'widths'")
        return _interpret(content)
    except ConfigurationError as error:
        raise ConfigurationError(f"{path}: {error}") from None


def save_sweep(path: Path, sweep: Sweep) -> None:
    """Write what `load_sweep` reads, in words that mean the same in another working directory.

    Raises:
        OSError: it cannot be written.
    """
    models = {name: own.with_absolute_paths().to_mapping() for name, own in sweep.models.items()}
    common = sweep.common.with_absolute_paths().to_mapping()
    write_yaml(path, {**common, "widths": [*sweep.widths], "models": models})


def _interpret(content: Mapping[Any, Any]) -> Sweep:
    if "width" in content:
        raise ConfigurationError("a sweep has several widths: write 'widths', with a list of them")
    rest = {key: value for key, value in content.items() if key not in ("models", "widths")}
    common = interpret(rest)
    if "width" in common.parameters:
        raise ConfigurationError("a sweep has several widths: write 'widths', with a list of them")
    models = content.get("models", {_ONLY_MODEL: {}})
    if not (isinstance(models, dict) and models and all(isinstance(own, dict) for own in models.values())):
        raise ConfigurationError("models must be a mapping of names to what each has of its own, as 'policy'")
    for name in models:
        if not (isinstance(name, str) and _NAME.fullmatch(name) and name not in (SWEEP_FILE, RUNS_FILE)):
            raise ConfigurationError(f"{name!r} cannot be a model's name: its runs are in a directory of that name")
    found: dict[str, Configuration] = {}
    for name, own in models.items():
        found[name] = _own(name, own)
    sweep = Sweep(
        common=replace(common, out=None), models=found, widths=_checked_widths(content.get("widths", [*_WIDTHS]))
    )
    sweep.runs()  # what is wrong with it is wrong now
    return sweep


def _own(name: str, content: Mapping[Any, Any]) -> Configuration:
    try:
        own = interpret(content)
    except ConfigurationError as error:
        raise ConfigurationError(f"model {name!r}: {error}") from None
    if own.dataset is not None:
        raise ConfigurationError(f"model {name!r}: the dataset is all models'")
    return own


def _checked_widths(value: Any) -> tuple[int, ...]:
    widths = value if isinstance(value, list | tuple) else [value]
    if not widths or not all(isinstance(width, int) and not isinstance(width, bool) and width > 0 for width in widths):
        raise ConfigurationError(f"widths must be whole numbers above 0, not {value!r}")
    return tuple(sorted(set(widths)))
