"""What runs say of scaling: their points, the fits of their votes, and plots of both."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import orjson

from asyncsearch.files import write_whole_file
from asyncsearch.report.plots import DrawnPlot, draw, saturation_plot, scaling_plot
from asyncsearch.report.scaling_table import scaling_record
from asyncsearch.scaling import FittedCurve, ScalingPoint, fitted_curves, scaling_points
from asyncsearch.sweep import model_of

__all__ = ["Scaling", "can_draw", "read_scaling", "write_scaling"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Scaling:
    """The points of some runs, and the voting curves of those that are samples."""

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

    def draw(self, *, budget: float | None = None) -> Iterator[DrawnPlot]:
        """What there is to draw; needs matplotlib, see `can_draw`."""
        if self.has_curve:
            yield draw(scaling_plot(self.points, budget=budget), name="scaling", title="Error against operations")
        if self.has_fit:
            yield draw(saturation_plot(self.curves), name="saturation", title="Where voting ends")


def can_draw() -> bool:
    """Whether the library is installed that draws plots."""
    return importlib.util.find_spec("matplotlib") is not None


async def read_scaling(runs: Sequence[Path]) -> Scaling:
    """Read what runs say.

    Raises:
        RunDirectoryError: one is none.
        StorageError: one cannot be read, or is damaged.
        GradingError: answers cannot be compared at all.
    """
    points: list[ScalingPoint] = []
    curves: list[FittedCurve] = []
    for run in runs:
        model = model_of(run)
        points += await scaling_points(run, model=model)
        curves += await fitted_curves(run, model=model)
    return Scaling(points=tuple(points), curves=tuple(curves))


def write_scaling(path: Path, scaling: Scaling, *, budget: float | None = None) -> None:
    """Write all of it as JSON, whole or not at all.

    Raises:
        OSError: it cannot be written.
    """
    record = scaling_record(scaling.points, scaling.curves, budget=budget)
    write_whole_file(path, iter([orjson.dumps(record, option=orjson.OPT_INDENT_2), b"\n"]))
