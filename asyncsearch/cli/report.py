"""The command ``report``."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated

import typer
from rich.text import Text

from asyncsearch.cli.console import EXIT_SOME_FAILED, err, out, say_error
from asyncsearch.cli.runs import runs_in
from asyncsearch.distinct_names import distinct_names
from asyncsearch.report.page.run_data import RunData, read_run
from asyncsearch.report.page.writing import Plot, write_page
from asyncsearch.report.plots import DrawnPlot
from asyncsearch.report.scaling import Scaling, can_draw, read_scaling, write_scaling
from asyncsearch.report.scaling_table import saturation_table, scaling_table
from asyncsearch.run_directory import unbegun_runs, unwritable

__all__ = ["report_command"]

_NO_PLOTS = "no plots, which need the extra 'report': pip install 'asyncsearch[report]'"


def report_command(
    runs: Annotated[list[Path], typer.Argument(help="Run directories, as 'solve' writes them.")],
    directory: Annotated[Path, typer.Option("--out", help="Directory to write the report to.")],
    budget: Annotated[
        float | None, typer.Option(help="FLOPs of a problem, as 2e9: what is the best that they buy?", min=0)
    ] = None,
    problems: Annotated[
        int | None, typer.Option(help="Show only the first so many problems; the figures stay those of all.", min=1)
    ] = None,
) -> None:
    """Write runs as one page for a browser: their figures, and each problem with its vote and its tree.

    [bold]asyncsearch report RUN... --out DIR[/bold] writes DIR/index.html, which needs no network and no other file. A
    directory that holds several runs stands for all of them. A run that goes on is shown as far as it is. The exit
    status is 1 where a run's trees could not be read.
    """
    paths = list({inner.resolve(): inner for path in runs for inner in runs_in(path)}.values())
    unbegun = [run for path in runs for run in unbegun_runs(path)]
    found, scalings = asyncio.run(_read(paths, problems))
    notes = [f"{run}: not begun" for run in unbegun]
    plots: list[DrawnPlot] = []
    if can_draw():
        for suffix, scaling in _numbered(scalings):
            about = ", ".join(distinct_names(scaling.runs)) if len(scalings) > 1 else ""
            plots += scaling.draw(budget=budget, suffix=suffix, about=about)
    elif any(scaling.has_curve or scaling.has_fit for scaling in scalings):
        notes.append(_NO_PLOTS)
        err.print(Text(_NO_PLOTS))
    page = write_page(directory, found, plots=[Plot(plot.title, plot.svg) for plot in plots], notes=notes)
    try:
        for plot in plots:
            plot.write(directory)
        for suffix, scaling in _numbered(scalings):
            write_scaling(directory / f"scaling{suffix}.json", scaling, budget=budget)
    except OSError as error:
        raise unwritable(directory, error) from error
    for scaling in scalings:
        if scaling.has_curve:
            out.print(scaling_table(scaling.points, budget=budget))
        if scaling.has_fit:
            out.print(saturation_table(scaling.curves))
    what = f"{len(found)} run{'s' * (len(found) > 1)}, {page.stat().st_size / 1e6:.1f} MB"
    out.print(Text(f"{page}: {what}; open it in a browser"), soft_wrap=True)
    for run, path in zip(found, paths, strict=True):
        if run.unreadable is not None:
            say_error(f"{path}: its trees are not in the report: {run.unreadable}")
    if any(run.unreadable is not None for run in found):
        raise typer.Exit(EXIT_SOME_FAILED)


def _numbered(scalings: Sequence[Scaling]) -> Iterator[tuple[str, Scaling]]:
    """Each with what its files have behind their names: the first nothing, those of other problems a number."""
    for number, scaling in enumerate(scalings, 1):
        yield "" if number == 1 else f"-{number}", scaling


async def _read(paths: Sequence[Path], problems: int | None) -> tuple[list[RunData], list[Scaling]]:
    names = distinct_names([path.resolve() for path in paths])
    runs = [await read_run(path, name=name, most=problems) for path, name in zip(paths, names, strict=True)]
    return runs, await read_scaling(paths)
