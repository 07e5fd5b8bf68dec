"""Scaling curves as figures."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from asyncsearch.files import write_whole_file
from asyncsearch.report.numbers import operations
from asyncsearch.scaling import FittedCurve, ScalingPoint, pareto_frontier

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["DrawnPlot", "draw", "saturation_plot", "scaling_plot"]

_COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#e69f00", "#8c6bb1", "#000000")
"""Told apart by the colour-blind, too (Okabe and Ito 2008)."""

_MARKERS = "os^Dv<>P"
_LINES = ("-", "--", ":", "-.")
_WIDTH, _HEIGHT = 10.0, 4.6
_DOTS_PER_INCH = 150


def scaling_plot(points: Sequence[ScalingPoint], *, budget: float | None = None) -> Figure:
    """Error against operations for a problem: those of the policy alone, and beside that those of both models.

    What is done has a colour, and the model that it is done with a line: solid, dashed, dotted. A curve has a band, the
    bootstrap's interval of 95 %, and the Pareto frontier a line. With a ``budget`` the optimum
    within it has a star. Points of which the operations are unknown are left out.
    """
    from matplotlib.figure import Figure  # noqa: PLC0415 - an extra

    figure = Figure(figsize=(_WIDTH, _HEIGHT), layout="constrained")
    left, right = figure.subplots(1, 2, sharey=True)
    looks = _looks(points)
    _draw_panel(left, [(point, point.policy_flops) for point in points], looks, budget=None)
    _draw_panel(right, [(point, point.flops) for point in points], looks, budget=budget)
    left.set_xlabel("FLOPs of a problem, policy alone")
    right.set_xlabel("FLOPs of a problem, policy and reward model")
    left.set_ylabel("error")
    handles, labels = right.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=3, frameon=False, fontsize=8)
    return figure


def _draw_panel(
    axes: Axes,
    points: Sequence[tuple[ScalingPoint, float | None]],
    looks: Mapping[str, Mapping[str, Any]],
    *,
    budget: float | None,
) -> None:
    from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator  # noqa: PLC0415

    known = [(point, flops) for point, flops in points if flops]
    lowest = _lowest(known)
    for name, look in looks.items():
        curve = sorted(((flops, point) for point, flops in known if point.series == name), key=lambda each: each[0])
        if not curve:
            continue
        flops = [each for each, _ in curve]
        errors = [point.error for _, point in curve]
        colour = look["color"]
        values, low, high = ([max(getattr(error, end), lowest) for error in errors] for end in ("value", "low", "high"))
        axes.plot(flops, values, markersize=5, lw=1.4, label=name, clip_on=False, **look)
        if len(curve) == 1:
            axes.vlines(flops, low, high, color=colour, alpha=0.4, lw=1.0)
        else:
            axes.fill_between(flops, low, high, color=colour, alpha=0.07, lw=0)
    frontier = pareto_frontier(known, cost=lambda each: each[1] or 0.0, error=lambda each: each[0].error.value)
    if frontier:
        axes.step(
            [flops for _, flops in frontier],
            [max(point.error.value, lowest) for point, _ in frontier],
            where="post",
            color="#777777",
            lw=1.0,
            ls="--",
            label="Pareto frontier",
        )
    if budget is not None:
        axes.axvline(budget, color="#777777", lw=0.8, ls=":")
        within = [(point, flops) for point, flops in frontier if flops is not None and flops <= budget]
        if within:
            best, flops_of_best = within[-1]
            axes.plot(
                [flops_of_best or 0.0],
                [max(best.error.value, lowest)],
                "*",
                color="#000000",
                markersize=13,
                label="best within the budget",
                clip_on=False,
            )
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.xaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda flops, _: operations(flops, digits=0)))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.tick_params(labelsize=8)
    _mark_percents(axes, [point.error.value for point, _ in known], [point.error.low for point, _ in known], lowest)
    axes.grid(visible=True, which="both", color="#dddddd", lw=0.5)


def _looks(points: Sequence[ScalingPoint]) -> dict[str, dict[str, Any]]:
    """The colour, marker and line of each series, in the order of models and then of what is done with them."""
    models = list(dict.fromkeys(point.model for point in points))
    kinds = sorted({(point.named_strategy, point.vote) for point in points})
    places = {
        point.series: (models.index(point.model), kinds.index((point.named_strategy, point.vote))) for point in points
    }
    found: dict[str, dict[str, Any]] = {}
    for series, (model, kind) in sorted(places.items(), key=lambda each: each[1]):
        colour = _COLOURS[kind % len(_COLOURS)]
        found[series] = {
            "color": colour,
            "marker": _MARKERS[kind % len(_MARKERS)],
            "linestyle": _LINES[model % len(_LINES)],
            "markerfacecolor": "white" if model % 2 else colour,
        }
    return found


def _lowest(points: Sequence[tuple[ScalingPoint, float]]) -> float:
    """Where an error of nothing is drawn, for which a logarithmic axis has no place: below all others."""
    return min((point.error.value for point, _ in points if point.error.value > 0), default=0.01) / 2


def _mark_percents(axes: Axes, errors: Sequence[float], lows: Sequence[float], lowest: float) -> None:
    """Ticks of a logarithmic axis as percents, at steps that fit what is shown; what is drawn lowest is nothing."""
    from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator  # noqa: PLC0415

    ticks = (0.001, 0.002, 0.005, 0.01, 0.02, 0.03, 0.05, 0.07, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)
    has_nothing = 0 in errors
    axes.yaxis.set_major_locator(FixedLocator([lowest, *ticks] if has_nothing else ticks))
    axes.yaxis.set_minor_locator(NullLocator())
    axes.yaxis.set_major_formatter(FuncFormatter(lambda share, _: "0 %" if share == lowest else f"{100 * share:g} %"))
    if errors:
        bottom = lowest if has_nothing else max(min(lows) / 1.05, min(errors) / 2)
        axes.set_ylim(bottom, min(max(*errors, 2 * lowest) * 1.15, 1.04))


def saturation_plot(curves: Sequence[FittedCurve]) -> Figure:
    """Accuracy of voting against the number of samples, with the fits and, dashed, their limits."""
    from matplotlib.figure import Figure  # noqa: PLC0415 - an extra
    from matplotlib.ticker import FuncFormatter  # noqa: PLC0415

    figure = Figure(figsize=(_WIDTH * 0.62, _HEIGHT), layout="constrained")
    axes = figure.subplots()
    for number, fitted in enumerate(curves):
        colour = _COLOURS[number % len(_COLOURS)]
        samples, mean = fitted.curve.samples, fitted.curve.mean
        marker = _MARKERS[number % len(_MARKERS)]
        axes.plot(samples, mean, color=colour, marker=marker, markersize=4, ls="none", label=fitted.name)
        if fitted.fit is not None:
            most = samples[-1]
            steps = [1 + (most - 1) * step / 200 for step in range(201)]
            axes.plot(steps, [fitted.fit.accuracy(step) for step in steps], color=colour, lw=1.2)
            limit = fitted.fit.limit
            axes.axhline(limit.value, color=colour, lw=0.8, ls="--")
            beside = most * (1.15 + 0.1 * number)  # the intervals of limits beside each other
            axes.vlines(beside, limit.low, limit.high, color=colour, lw=2.0, alpha=0.5)
    axes.set_xscale("log", base=2)
    axes.xaxis.set_major_formatter(FuncFormatter(lambda samples, _: f"{samples:g}"))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda share, _: f"{100 * share:g} %"))
    axes.set_xlabel("samples")
    axes.set_ylabel("accuracy of the vote; dashed, its limit")
    axes.grid(visible=True, color="#dddddd", lw=0.5)
    if curves:
        figure.legend(loc="outside lower center", ncols=2, frameon=False, fontsize=8)
    return figure


@dataclass(frozen=True, slots=True, kw_only=True)
class DrawnPlot:
    """A figure as files: SVG and PNG. The same figure gives the same ones: they hold no date."""

    name: str
    title: str
    svg: str
    png: bytes

    def write(self, directory: Path) -> None:
        """Write both files to a directory that is there.

        Raises:
            OSError: they cannot be written.
        """
        write_whole_file(directory / f"{self.name}.svg", iter([self.svg.encode()]))
        write_whole_file(directory / f"{self.name}.png", iter([self.png]))


def draw(figure: Figure, *, name: str, title: str) -> DrawnPlot:
    """Draw a figure; ``name`` is that of its files, ``title`` what it is called in a page."""
    import matplotlib as mpl  # noqa: PLC0415 - an extra

    png, svg = io.BytesIO(), io.StringIO()
    figure.savefig(png, format="png", dpi=_DOTS_PER_INCH)
    with mpl.rc_context({"svg.hashsalt": name, "svg.fonttype": "path"}):
        figure.savefig(svg, format="svg", metadata={"Date": None})
    return DrawnPlot(name=name, title=title, svg=svg.getvalue(), png=png.getvalue())
