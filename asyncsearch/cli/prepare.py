"""The command ``prepare``."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import orjson
import rich.progress
import typer
from rich.table import Table
from rich.text import Text

from asyncsearch.cli.console import err, out
from asyncsearch.datasets.loading import load_problems
from asyncsearch.errors import ConfigurationError
from asyncsearch.files import write_whole_file
from asyncsearch.problem import Problem
from asyncsearch.report.harmless import harmless
from asyncsearch.run_directory import unwritable
from asyncsearch.training_data import PUBLISHED, Preparation, Prepared, prepare, published_format_named
from asyncsearch.training_data.leakage import NEAR

__all__ = ["prepare_command"]

_MOST_LEAKS = 5


def prepare_command(
    format: Annotated[str, typer.Argument(help=f"What the files are: {', '.join(PUBLISHED)}.")],
    files: Annotated[list[Path], typer.Argument(help="The published files, JSON or JSON lines.")],
    out_file: Annotated[Path, typer.Option("--out", help="File to write, a solution a line.")],
    test: Annotated[
        list[str] | None,
        typer.Option(help="Problems that will be tested on, a file or a name as 'solve' takes; may be given again."),
    ] = None,
    near: Annotated[
        float, typer.Option(help="Share of a test problem's word sequences that makes another one nearly the same.")
    ] = NEAR,
    held_out: Annotated[
        float, typer.Option(help="Share of the problems to keep aside for evaluation, in a file of their own.")
    ] = 0.0,
    limit: Annotated[int | None, typer.Option(help="Read only the first so many records.", min=1)] = None,
    report: Annotated[
        Path | None, typer.Option(help="Also write what was kept and dropped to this file, as JSON.")
    ] = None,
) -> None:
    """Make published data into a file that [bold]finetune[/bold] reads, and say what was left out.

    Policies learn from metamath and gsm8k, reward models from math-shepherd and prm800k, and are evaluated on
    processbench. Name with --test what you will measure on: its problems, and what nearly is one of them, are left out.
    """
    chosen = published_format_named(format)
    aside = out_file.with_name(f"{out_file.stem}.held-out{out_file.suffix}") if held_out else None
    tests: list[Problem] = [problem for source in test or () for problem in load_problems(source)]
    for path in files:
        if path.resolve() in {target.resolve() for target in (out_file, aside) if target is not None}:
            raise ConfigurationError(f"{path}: is to be read; name another file with --out")
    preparation = Preparation(tests=tests, near=near, held_out=held_out, limit=limit)
    with _progress() as advance:
        prepared = prepare(files, chosen, out_file, preparation=preparation, held_out=aside, on_record=advance)
    _tell(prepared, out_file, aside, tested=bool(test))
    if report is not None:
        try:
            write_whole_file(report, iter([orjson.dumps(_as_json(prepared), option=orjson.OPT_INDENT_2)]))
        except OSError as error:
            raise unwritable(report, error) from error


def _tell(prepared: Prepared, out_file: Path, aside: Path | None, *, tested: bool) -> None:
    table = Table(box=None, show_header=False)
    table.add_column(justify="right")
    table.add_column()
    table.add_row(f"{prepared.records:,}", "records read")
    labels = (
        f", {prepared.labelled:,} labelled: {prepared.right:,} right, {prepared.wrong:,} wrong"
        if prepared.labelled
        else ""
    )
    table.add_row(
        f"{prepared.kept + prepared.held_out:,}",
        f"solutions of {prepared.problems:,} problems kept, with {prepared.steps:,} steps{labels}",
    )
    if aside is not None:
        table.add_row(f"{prepared.held_out:,}", f"of them held out, in {aside}")
    for reason, count in prepared.dropped.most_common():
        table.add_row(f"{count:,}", Text(f"dropped: {reason} ({prepared.examples[reason][0]})"))
    out.print(table)
    for where, leak in prepared.leaks[:_MOST_LEAKS]:
        kind = "is" if leak.exact else f"has {leak.overlap:.0%} of the word sequences of"
        err.print(Text(harmless(f"note: {where}: {kind} the test problem {leak.problem}")), soft_wrap=True)
    if len(prepared.leaks) > _MOST_LEAKS:
        err.print(
            Text(f"note: and {len(prepared.leaks) - _MOST_LEAKS:,} more; --report FILE lists them"), soft_wrap=True
        )
    if not tested:
        err.print(
            Text("note: without --test nothing says that what you will measure on is not among them"), soft_wrap=True
        )
    out.print(Text(f"written to {out_file}"), soft_wrap=True)


def _as_json(prepared: Prepared) -> dict[str, object]:
    return {
        "records": prepared.records,
        "kept": prepared.kept,
        "held_out": prepared.held_out,
        "problems": prepared.problems,
        "steps": prepared.steps,
        "labelled": prepared.labelled,
        "right": prepared.right,
        "wrong": prepared.wrong,
        "dropped": {
            reason: {"count": count, "first": prepared.examples[reason]}
            for reason, count in prepared.dropped.most_common()
        },
        "leaks": [
            {"where": where, "problem": leak.problem, "overlap": leak.overlap, "exact": leak.exact}
            for where, leak in prepared.leaks
        ],
    }


@contextmanager
def _progress() -> Iterator[Callable[[], None]]:
    """What is called for every record; shown where there is a terminal."""
    if not err.is_terminal:
        yield lambda: None
        return
    columns = (
        rich.progress.SpinnerColumn(),
        rich.progress.TextColumn("{task.completed:,} records"),
        rich.progress.TimeElapsedColumn(),
    )
    with rich.progress.Progress(*columns, console=err) as bars:
        bar = bars.add_task("records", total=None)
        yield lambda: bars.advance(bar)
