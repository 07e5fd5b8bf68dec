"""The command ``report``."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer
from rich.text import Text

from asyncsearch.cli.console import EXIT_SOME_FAILED, err, out, say_error
from asyncsearch.cli.runs import runs_in, unbegun_in
from asyncsearch.report.page.run_data import RunData, read_run
from asyncsearch.report.page.writing import Plot, write_page
from asyncsearch.report.scaling import Scaling, can_draw, read_scaling, write_scaling
from asyncsearch.report.scaling_table import saturation_table, scaling_table
from asyncsearch.run_directory import unwritable

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
    unbegun = [run for path in runs for run in unbegun_in(path)]
    found, scaling = asyncio.run(_read(paths, problems))
    notes = [f"{run}: not begun" for run in unbegun]
    plots = [*scaling.draw(budget=budget)] if can_draw() else []
    if not can_draw() and (scaling.has_curve or scaling.has_fit):
        notes.append(_NO_PLOTS)
        err.print(Text(_NO_PLOTS))
    page = write_page(directory, found, plots=[Plot(plot.title, plot.svg) for plot in plots], notes=notes)
    try:
        for plot in plots:
            plot.write(directory)
        write_scaling(directory / "scaling.json", scaling, budget=budget)
    except OSError as error:
        raise unwritable(directory, error) from error
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


async def _read(paths: Sequence[Path], problems: int | None) -> tuple[list[RunData], Scaling]:
    names = _names_of(paths)
    runs = [await read_run(path, name=name, most=problems) for path, name in zip(paths, names, strict=True)]
    return runs, await read_scaling(paths)


def _names_of(paths: Sequence[Path]) -> list[str]:
    """Names of different paths that differ, each as much of its path's end as that takes."""
    resolved = [path.resolve() for path in paths]
    names = [path.name for path in resolved]
    for length in range(2, max(len(path.parts) for path in resolved) + 1):
        if len(set(names)) == len(names):
            break
        names = ["/".join(path.parts[-length:]) for path in resolved]
    return names
