"""A model's voting curve with its fit."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from asyncsearch.evaluation import Method
from asyncsearch.replay import recorded_options
from asyncsearch.run_directory import read_config, read_results
from asyncsearch.scaling.saturation import Saturation, fit_saturation
from asyncsearch.scaling.voting_curve import VotingCurve, voting_curve

__all__ = ["FittedCurve", "fitted_curves"]


@dataclass(frozen=True, slots=True, kw_only=True)
class FittedCurve:
    """A voting curve of a model, and its fit, None where there are too few points for one.

    ``variant`` is as in `ScalingPoint`.
    """

    model: str
    variant: str
    curve: VotingCurve
    fit: Saturation | None

    @property
    def name(self) -> str:
        """What it is called in a figure."""
        return f"{self.model}: {self.curve.method}" + (f" ({self.variant})" if self.variant else "")


async def fitted_curves(run: Path, *, model: str, variant: str = "") -> list[FittedCurve]:
    """The curves of a run of samples, under a majority vote and, where they are scored, weighted; else none.

    Raises:
        RunDirectoryError: there is no run.
        StorageError: it cannot be read.
        GradingError: answers cannot be compared at all.
    """
    config = read_config(run)
    if config["strategy"] != "sampling":
        return []
    weighted = [Method("weighted", config["aggregation"])] if config["parameters"]["scored"] else []
    found = []
    async with recorded_options(config).make_grader() as grader:
        for method in [Method("majority", None), *weighted]:
            curve = await voting_curve(read_results(run), grader, method)
            if curve is not None:
                found.append(FittedCurve(model=model, variant=variant, curve=curve, fit=fit_saturation(curve)))
    return found
