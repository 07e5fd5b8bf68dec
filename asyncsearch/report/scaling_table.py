"""Scaling curves as tables for a terminal, and as JSON values."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.table import Table
from rich.text import Text

from asyncsearch.report.numbers import operations, whole_percents
from asyncsearch.scaling import FittedCurve, ScalingPoint, compute_optimal, pareto_frontier

__all__ = ["saturation_table", "scaling_record", "scaling_table"]

_MUCH_GIVEN_UP = 0.02
"""Of all tokens that the policy computed. That much is seen in a plot."""


def scaling_table(points: Sequence[ScalingPoint], *, budget: float | None = None) -> Table:
    """Every point, the cheapest first; those of the Pareto frontier have a star, the optimum within a budget two.

    Below it stands what makes points hard to compare: other numbers of problems, and tokens that came to nothing.
    """
    optimal = None if budget is None else _optimal(points, budget)
    frontier = _frontier(points)
    table = Table(
        title="error against operations", title_justify="left", box=SIMPLE_HEAD, pad_edge=False, collapse_padding=True,
        caption="\n".join(_captions(points, budget, optimal)), caption_justify="left",
    )  # fmt: skip
    for heading in ("model", "strategy", "vote"):
        table.add_column(heading)
    for heading in ("width", "error", "95 %\ninterval", "policy's\nFLOPs", "both\nmodels'", ""):
        table.add_column(heading, justify="right", no_wrap=True)
    for point in sorted(points, key=lambda point: (point.flops is None, point.flops or 0.0)):
        star = "**" if point is optimal else "*" if any(point is one for one in frontier) else ""
        interval = whole_percents(point.error.low, point.error.high)
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


def _captions(points: Sequence[ScalingPoint], budget: float | None, optimal: ScalingPoint | None) -> Iterator[str]:
    yield "FLOPs of a problem; * on the Pareto frontier" + (
        "" if optimal is None or budget is None else f", ** the best for {operations(budget)}"
    )
    costs = [point.flops for point in points if point.flops is not None]
    if budget is not None and optimal is None and costs:
        yield f"nothing is as cheap as {operations(budget)}; the cheapest takes {operations(min(costs))}"
    most = max((point.error.total for point in points), default=0)
    if fewer := sorted({f"{point.series} ({point.error.total})" for point in points if point.error.total < most}):
        yield f"of fewer than {most} problems: {', '.join(fewer)}"
    if lost := sorted({point.series for point in points if point.given_up > _MUCH_GIVEN_UP}):
        yield f"with the operations of requests that were given up: {', '.join(lost)}"


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
            curve.named_method,
            f"{limit.value:.1%}",
            whole_percents(limit.low, limit.high),
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
