"""The command ``report``."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer
from rich.text import Text

from asyncsearch.cli.console import EXIT_SOME_FAILED, out, say_error
from asyncsearch.cli.runs import runs_in, unbegun_in
from asyncsearch.report.page.run_data import RunData, read_run
from asyncsearch.report.page.writing import write_page

__all__ = ["report_command"]


def report_command(
    runs: Annotated[list[Path], typer.Argument(help="Run directories, as 'solve' writes them.")],
    directory: Annotated[Path, typer.Option("--out", help="Directory to write the report to.")],
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
    found = asyncio.run(_read(paths, problems))
    page = write_page(directory, found, notes=[f"{run}: not begun" for run in unbegun])
    size = page.stat().st_size / 1e6
    out.print(Text(f"{page}: {len(found)} runs, {size:.1f} MB; open it in a browser"), soft_wrap=True)
    for run, path in zip(found, paths, strict=True):
        if run.unreadable is not None:
            say_error(f"{path}: its trees are not in the report: {run.unreadable}")
    if any(run.unreadable is not None for run in found):
        raise typer.Exit(EXIT_SOME_FAILED)


async def _read(paths: Sequence[Path], problems: int | None) -> list[RunData]:
    return [await read_run(path, name=name, most=problems) for path, name in zip(paths, _names_of(paths), strict=True)]


def _names_of(paths: Sequence[Path]) -> list[str]:
    """Names of different paths that differ, each as much of its path's end as that takes."""
    resolved = [path.resolve() for path in paths]
    names = [path.name for path in resolved]
    for length in range(2, max(len(path.parts) for path in resolved) + 1):
        if len(set(names)) == len(names):
            break
        names = ["/".join(path.parts[-length:]) for path in resolved]
    return names
