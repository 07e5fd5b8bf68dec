"""The command ``evaluate``."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import orjson
import typer
from rich.text import Text

from asyncsearch.answers import make_grader
from asyncsearch.cli.console import out
from asyncsearch.cli.runs import runs_in, unbegun_in
from asyncsearch.evaluation import Evaluation, evaluate
from asyncsearch.report.table import accounts_table, evaluation_json, evaluation_table
from asyncsearch.run_directory import read_config, read_results, verify_config

__all__ = ["evaluate_command"]


def evaluate_command(
    runs: Annotated[list[Path], typer.Argument(help="Run directories, as 'solve' writes them.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of tables.")] = False,
) -> None:
    """Say how right a run is under every vote and every aggregation of step scores.

    A directory that holds several runs stands for all of them.
    """
    paths = [inner for path in runs for inner in runs_in(path)]
    evaluations = asyncio.run(_evaluate(paths))
    if as_json:
        records = [{"run": str(path), **evaluation_json(found)} for path, found in zip(paths, evaluations, strict=True)]
        sys.stdout.write(orjson.dumps(records, option=orjson.OPT_INDENT_2).decode() + "\n")
        return
    for path, found in zip(paths, evaluations, strict=True):
        config = read_config(path)
        out.print(evaluation_table(found, title=Text(f"{path}: {config.get('strategy')}")))
        counts = f"{found.solved} solved, {found.failed} failed"
        if (unsolved := config.get("problems", 0) - found.solved - found.failed) > 0:
            counts += f", {unsolved} not reached before the run was interrupted"
        if found.ungraded:
            counts += f", {found.ungraded} without a reference"
        if found.grading_gave_up:
            counts += f", {found.grading_gave_up} pairs of answers took too long to compare and count as different"
        if found.found.total:
            among = f"a right one among them for {found.found.value:.1%} of the problems"
            out.print(f"{found.different_answers:.1f} different answers a problem, {among}", highlight=False)
        if found.grading_failed:
            counts += f", {found.grading_failed} with answers at which the grader fails, which count as wrong"
        out.print(accounts_table(found.accounts))
        held = f"at most {found.accounts.peak_tokens:,} tokens held for one problem"
        out.print(f"{counts}; {found.seconds:,.1f} seconds; {held}\n", highlight=False)
    for run in (unbegun for path in runs for unbegun in unbegun_in(path)):
        out.print(Text(f"{run}: not begun"))


async def _evaluate(paths: Sequence[Path]) -> list[Evaluation]:
    evaluations = []
    for path in paths:
        verify_config(path)
        config = read_config(path)
        async with make_grader(config["grader"], time_limit=config["grading_seconds"]) as grader:
            evaluations.append(await evaluate(read_results(path), grader))
    return evaluations
