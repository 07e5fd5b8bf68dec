"""The command ``evaluate``."""

from __future__ import annotations

import asyncio
import csv
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import orjson
import typer
from rich.text import Text

from asyncsearch.answers.voting import VOTES
from asyncsearch.cli.console import out
from asyncsearch.cli.runs import runs_in
from asyncsearch.errors import ConfigurationError
from asyncsearch.evaluation import GROUPINGS, EvaluatedRun, evaluate_run
from asyncsearch.plugins import suggestion
from asyncsearch.reference import is_reference_file
from asyncsearch.report.evaluation_records import COLUMNS, evaluation_record, evaluation_rows, paired_records
from asyncsearch.report.evaluation_table import groups_table, methods_table, paired_table, passes_table
from asyncsearch.report.table import accounts_table
from asyncsearch.rewards import AGGREGATIONS
from asyncsearch.run_directory import unbegun_runs

__all__ = ["evaluate_command"]


def evaluate_command(
    runs: Annotated[
        list[Path],
        typer.Argument(help="Run directories, as 'solve' writes them, or the REBASE reference's answers.json."),
    ],
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of tables.")] = False,
    as_csv: Annotated[bool, typer.Option("--csv", help="Print CSV, a row for each estimate.")] = False,
    vote: Annotated[
        str | None, typer.Option(help=f"Compare runs by this vote: {', '.join(VOTES)}. \\[default: each run's own]")
    ] = None,
    aggregation: Annotated[
        str | None, typer.Option(help=f"And by this aggregation of step scores: {', '.join(AGGREGATIONS)}.")
    ] = None,
    grader: Annotated[
        str | None, typer.Option(help="Another grader than the run's: math, a plug-in's, or MODULE:FUNCTION.")
    ] = None,
) -> None:
    """Say how right runs are: under every vote and aggregation of step scores, by level and subject, and compared.

    Intervals are the bootstrap's over the problems; runs of the same problems are compared problem by problem, by
    McNemar's exact test. A directory that holds several runs stands for all of them.
    """
    for name, value, known in (("vote", vote, VOTES), ("aggregation", aggregation, [*AGGREGATIONS])):
        if value is not None and value not in known:
            raise ConfigurationError(f"unknown {name} {value!r}; {suggestion(value, [*known])}")
    if as_json and as_csv:
        raise ConfigurationError("--json and --csv are two ways to print the same; choose one")
    paths = [inner for path in runs for inner in ([path] if is_reference_file(path) else runs_in(path))]
    found = asyncio.run(_evaluate(paths, vote=vote, aggregation=aggregation, grader=grader))
    if as_json:
        records = {"runs": [evaluation_record(run) for run in found], "paired": [*paired_records(found)]}
        sys.stdout.write(orjson.dumps(records, option=orjson.OPT_INDENT_2).decode() + "\n")
    elif as_csv:
        writer = csv.DictWriter(sys.stdout, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(row for run in found for row in evaluation_rows(run))
    else:
        _print_tables(found)
        for unbegun in (unbegun for path in runs for unbegun in unbegun_runs(path)):
            out.print(Text(f"{unbegun}: not begun"))


async def _evaluate(
    paths: Sequence[Path], *, vote: str | None, aggregation: str | None, grader: str | None
) -> list[EvaluatedRun]:
    return [await evaluate_run(path, vote=vote, aggregation=aggregation, grader=grader) for path in paths]


def _print_tables(runs: Sequence[EvaluatedRun]) -> None:
    for run in runs:
        described = "" if run.strategy is None else f": {run.strategy}, width {run.width}"
        out.print(methods_table(run.evaluation, run.method, title=Text(f"{run.path}{described}")))
        if run.evaluation.judgements and run.evaluation.passes:
            out.print(passes_table(run))
        out.print(accounts_table(run.evaluation.accounts))
        out.print(f"{_counts(run)}\n", highlight=False)
    names = _short_names([run.path for run in runs])
    for by in GROUPINGS:
        if (table := groups_table(runs, names, by=by)) is not None:
            out.print(table)
    if (table := paired_table(runs, names)) is not None:
        out.print(table)


def _counts(run: EvaluatedRun) -> str:
    found = run.evaluation
    words = f"{found.solved} solved, {found.failed} failed"
    if (unsolved := run.problems - found.solved - found.failed) > 0:
        words += f", {unsolved} not reached before the run was interrupted"
    if found.ungraded:
        words += f", {found.ungraded} without a reference"
    if found.grading_gave_up:
        words += f", {found.grading_gave_up} pairs of answers took too long to compare and count as different"
    if found.grading_failed:
        words += (
            f", {found.grading_failed} with answers at which the grader fails, which count as wrong (the first time: "
            f"{found.grading_error})"
        )
    words += f"; {found.seconds:,.1f} seconds; at most {found.accounts.peak_tokens:,} tokens held for one problem"
    if not found.judgements:
        return words
    among = f"a right one among them for {found.found.value:.1%} of the problems"
    return f"{found.different_answers:.1f} different answers a problem, {among}\n{words}"


def _short_names(paths: Sequence[Path]) -> list[str]:
    """Paths without what all of them begin with."""
    parents = {path.absolute().parent for path in paths}
    common = Path(os.path.commonpath(parents)) if parents else Path()
    return [str(path.absolute().relative_to(common)) for path in paths]
