"""Scaling curves as tables for a terminal, and as JSON values."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.table import Table
from rich.text import Text

from asyncsearch.report.numbers import operations
from asyncsearch.scaling import FittedCurve, ScalingPoint, compute_optimal, pareto_frontier

__all__ = ["saturation_table", "scaling_record", "scaling_table"]


def scaling_table(points: Sequence[ScalingPoint], *, budget: float | None = None) -> Table:
    """Every point, the cheapest first; those of the Pareto frontier have a star, the optimum within a budget two."""
    optimal = None if budget is None else _optimal(points, budget)
    frontier = _frontier(points)
    caption = "* on the Pareto frontier" + ("" if budget is None else f", ** the best for {operations(budget)} FLOPs")
    table = Table(
        title="error against operations", title_justify="left", box=SIMPLE_HEAD, pad_edge=False, caption=caption,
        caption_justify="left",
    )  # fmt: skip
    for heading in ("model", "strategy", "vote"):
        table.add_column(heading)
    for heading in ("width", "error", "95 %\ninterval", "policy's FLOPs\na problem", "both models'\na problem", ""):
        table.add_column(heading, justify="right")
    for point in sorted(points, key=lambda point: (point.flops is None, point.flops or 0.0)):
        star = "**" if point is optimal else "*" if any(point is one for one in frontier) else ""
        interval = f"{100 * point.error.low:.0f}-{point.error.high:.0%}"
        table.add_row(
            Text(point.model),
            point.named_strategy,
            point.vote,
            str(point.width),
            f"{point.error.value:.1%}",
            interval,
            operations(point.policy_flops),
            operations(point.flops),
            star,
        )
    return table


def saturation_table(curves: Sequence[FittedCurve]) -> Table:
    """Where each vote ends, and how soon."""
    table = Table(title="where voting ends", title_justify="left", box=SIMPLE_HEAD, pad_edge=False)
    table.add_column("model")
    table.add_column("vote")
    for heading in ("limit", "95 %\ninterval", "rate", "95 %\ninterval", "samples to\nwithin a point", "deviation"):
        table.add_column(heading, justify="right")
    for curve in curves:
        if curve.fit is None:
            continue
        limit, rate = curve.fit.limit, curve.fit.rate
        table.add_row(
            Text(curve.model),
            str(curve.curve.method) + (f" ({curve.variant})" if curve.variant else ""),
            f"{limit.value:.1%}",
            f"{100 * limit.low:.0f}-{limit.high:.0%}",
            f"{rate.value:.2f}" if curve.fit.gain else "-",
            f"{rate.low:.2f}-{rate.high:.2f}" if curve.fit.gain else "-",
            f"{curve.fit.samples_needed:.0f}",
            f"{curve.fit.deviation:.2%}",
        )
    return table


def scaling_record(
    points: Sequence[ScalingPoint], curves: Sequence[FittedCurve], *, budget: float | None = None
) -> dict[str, Any]:
    """The points, which of them are on the frontier, the best within a budget, and the fits."""
    optimal = None if budget is None else _optimal(points, budget)
    return {
        "points": [asdict(point) for point in points],
        "frontier": [asdict(point) for point in _frontier(points)],
        "budget": budget,
        "optimal": None if optimal is None else asdict(optimal),
        "saturation": [
            {
                "model": curve.model,
                "variant": curve.variant,
                "method": asdict(curve.curve.method),
                "samples": curve.curve.samples,
                "accuracy": curve.curve.mean,
                "fit": None if curve.fit is None else asdict(curve.fit),
            }
            for curve in curves
        ],
    }


def _frontier(points: Sequence[ScalingPoint]) -> list[ScalingPoint]:
    known = [point for point in points if point.flops is not None]
    return pareto_frontier(known, cost=_cost, error=_error)


def _optimal(points: Sequence[ScalingPoint], budget: float) -> ScalingPoint | None:
    known = [point for point in points if point.flops is not None]
    return compute_optimal(known, budget, cost=_cost, error=_error)


def _cost(point: ScalingPoint) -> float:
    assert point.flops is not None
    return point.flops


def _error(point: ScalingPoint) -> float:
    return point.error.value
