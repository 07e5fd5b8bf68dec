"""What runs say of scaling: their points, the fits of their votes, and plots of both."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Any

import orjson

from asyncsearch.files import write_whole_file
from asyncsearch.report.plots import DrawnPlot, draw, saturation_plot, scaling_plot
from asyncsearch.report.scaling_table import scaling_record
from asyncsearch.run_directory import read_config, read_results
from asyncsearch.scaling import FittedCurve, ScalingPoint, fit_saturation, measure_scaling
from asyncsearch.strategies import Sampling
from asyncsearch.sweep import model_names

__all__ = ["Scaling", "can_draw", "read_scaling", "write_scaling"]


_OF_A_CONFIGURATION = ("seed", "format", "reward", "reward_format", "aggregation")


@dataclass(frozen=True, slots=True, kw_only=True)
class Scaling:
    """What ``runs`` of the same problems say: their points, and the voting curves of those that are samples."""

    runs: tuple[Path, ...]
    points: tuple[ScalingPoint, ...]
    curves: tuple[FittedCurve, ...]

    @property
    def has_curve(self) -> bool:
        """Whether there is more than one point of which the operations are known."""
        return sum(point.flops is not None for point in self.points) > 1

    @property
    def has_fit(self) -> bool:
        """Whether the limit of a vote could be told."""
        return any(curve.fit is not None for curve in self.curves)

    def draw(self, *, budget: float | None = None, suffix: str = "", about: str = "") -> Iterator[DrawnPlot]:
        """What there is to draw, with a ``suffix`` to its files' names, and to its title what it is ``about``.

        Needs matplotlib, see `can_draw`.
        """
        about = f": {about}" if about else ""
        if self.has_curve:
            figure = scaling_plot(self.points, budget=budget)
            yield draw(figure, name=f"scaling{suffix}", title=f"Error against operations{about}")
        if self.has_fit:
            yield draw(saturation_plot(self.curves), name=f"saturation{suffix}", title=f"Where voting ends{about}")


def can_draw() -> bool:
    """Whether the library is installed that draws plots."""
    return importlib.util.find_spec("matplotlib") is not None


async def read_scaling(runs: Sequence[Path], *, fits: bool = True) -> list[Scaling]:
    """Read what runs say, those of the same problems together, without the curves if no ``fits`` are wanted.

    Of runs that differ in their width alone, and of which the wider has the narrower inside, the widest is read that is
    complete: the others would be the same points once more.

    Raises:
        RunDirectoryError: one is none.
        StorageError: one cannot be read, or is damaged.
        GradingError: answers cannot be compared at all.
    """
    runs = _without_narrower(runs)
    configs = [read_config(run) for run in runs]
    models = model_names(runs)
    found: dict[str, list[tuple[Path, str, str]]] = {}
    for run, config, model, variant in zip(runs, configs, models, _variants(configs, models), strict=True):
        found.setdefault(config["problems_digest"], []).append((run, model, variant))
    return [await _read_some(together, fits=fits) for together in found.values()]


def _without_narrower(runs: Sequence[Path]) -> list[Path]:
    """The runs but for samples that a run beside them has inside."""
    alike: dict[bytes | Path, list[tuple[int, Path]]] = {}
    for run in runs:
        config = read_config(run)
        parameters = dict(config["parameters"])
        width = parameters.pop("width")
        is_nested = config["strategy"] == Sampling.name
        key = orjson.dumps({**config, "parameters": parameters}, option=orjson.OPT_SORT_KEYS) if is_nested else run
        alike.setdefault(key, []).append((width, run))
    kept = {group[0][1] if len(group) == 1 else _widest(group) for group in alike.values()}
    return [run for run in runs if run in kept]


def _widest(runs: Sequence[tuple[int, Path]]) -> Path:
    """Of runs with their widths the widest that is complete, or of incomplete ones the widest."""
    return max(runs, key=lambda one: (_is_complete(one[1]), one[0]))[1]


def _is_complete(run: Path) -> bool:
    problems: int = read_config(run)["problems"]
    return sum(1 for _ in read_results(run)) >= problems


async def _read_some(runs: Sequence[tuple[Path, str, str]], *, fits: bool) -> Scaling:
    points: list[ScalingPoint] = []
    curves: list[FittedCurve] = []
    for run, model, variant in runs:
        measured = await measure_scaling(run, model=model, variant=variant)
        points += measured.points
        for curve in measured.curves if fits else ():
            curves.append(FittedCurve(model=model, variant=variant, curve=curve, fit=fit_saturation(curve)))
    return Scaling(runs=tuple(run for run, _, _ in runs), points=tuple(points), curves=tuple(curves))


def _variants(configs: Sequence[Mapping[str, Any]], models: Sequence[str]) -> list[str]:
    """What tells each run from others of the same problems, model, strategy and width; empty where there are none."""
    said = [{**config["parameters"], **{name: config.get(name) for name in _OF_A_CONFIGURATION}} for config in configs]
    for one in said:
        one["format"] = one["format"].get("name")
    kinds = [
        (config["problems_digest"], config["strategy"], model) for config, model in zip(configs, models, strict=True)
    ]
    telling: dict[Any, dict[str, None]] = {kind: {} for kind in kinds}
    for (kind, first), (other, second) in combinations(zip(kinds, said, strict=True), 2):
        if kind == other and first["width"] == second["width"]:
            telling[kind] |= {name: None for name in {**first, **second} if first.get(name) != second.get(name)}
    return [
        ", ".join(f"{name}={one[name]}" for name in telling[kind] if one.get(name) is not None)
        for kind, one in zip(kinds, said, strict=True)
    ]


def write_scaling(path: Path, scaling: Scaling, *, budget: float | None = None) -> None:
    """Write all of it as JSON, whole or not at all.

    Raises:
        OSError: it cannot be written.
    """
    record = scaling_record(scaling.points, scaling.curves, budget=budget)
    write_whole_file(path, iter([orjson.dumps(record, option=orjson.OPT_INDENT_2), b"\n"]))
