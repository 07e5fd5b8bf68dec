"""The command ``replay``."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Annotated

import typer
from rich.text import Text

from asyncsearch.cli.console import EXIT_SOME_FAILED, out, say_error
from asyncsearch.cli.parameters import parse_parameters
from asyncsearch.cli.runs import runs_in
from asyncsearch.errors import ConfigurationError
from asyncsearch.evaluation import Evaluation, Method, evaluate
from asyncsearch.replay import Replay, replay, replay_anytime
from asyncsearch.report.evaluation_table import methods_table
from asyncsearch.report.table import accounts_table, anytime_table

__all__ = ["replay_command"]


def replay_command(
    run: Annotated[Path, typer.Argument(help="A run directory, as 'solve' writes it.")],
    strategy: Annotated[
        str | None, typer.Option(help="Another strategy, whose draws are among those of the run.")
    ] = None,
    width: Annotated[int | None, typer.Option(help="Another width, likewise.")] = None,
    param: Annotated[
        list[str] | None, typer.Option("--param", "-p", help="Any parameter of the strategy, as NAME=VALUE.")
    ] = None,
    vote: Annotated[str | None, typer.Option(help="Another vote.")] = None,
    aggregation: Annotated[str | None, typer.Option(help="Another aggregation of step scores.")] = None,
    anytime: Annotated[
        bool, typer.Option("--anytime", help="What each smaller budget would have given, where one run says so.")
    ] = False,
) -> None:
    """Recompute a run from its journal, with no model: its trees, votes, grades and token counts.

    [bold]asyncsearch replay RUN[/bold] says whether the results are those that the run wrote down;
    [bold]asyncsearch replay RUN --width 8[/bold] what half of a run of 16 samples would have given.
    """
    if (several := runs_in(run)) != [run]:
        raise ConfigurationError(f"{run}: holds several runs; name one, as {several[0]}")
    parameters = parse_parameters(param or [])
    if width is not None:
        parameters["width"] = width
    if anytime:
        if strategy is not None or parameters:
            raise ConfigurationError("--anytime goes over the widths of the run itself; leave strategy and parameters")
        replays = asyncio.run(replay_anytime(run, vote=vote, aggregation=aggregation))
        out.print(anytime_table(replays, title=Text(f"{run}: {replays[-1].strategy.name} at each width")))
        _tell_what_is_amiss(run, replays[-1])
        return
    found, evaluation = asyncio.run(
        _replay(run, strategy=strategy, parameters=parameters, vote=vote, aggregation=aggregation)
    )
    chosen = found.options.vote_for(found.strategy)
    method = Method.of(chosen, found.options.aggregation)
    out.print(methods_table(evaluation, method, title=Text(f"{run}: {found.strategy}")))
    words = f"{len(found.results)} problems replayed; with {chosen} vote and {found.options.aggregation} scores "
    out.print(Text(f"{words}{found.accuracy.correct} of {found.accuracy.total} right"))
    out.print(accounts_table(evaluation.accounts))
    _tell_what_is_amiss(run, found)
    if not (strategy or parameters or vote or aggregation):
        out.print(Text(f"{len(found.results)} results are those that the run wrote down"))


def _tell_what_is_amiss(run: Path, found: Replay) -> None:
    unbegun = found.problems - len(found.results) - len(found.unfinished)
    if unbegun or found.unfinished:
        left_out = f"{len(found.unfinished)} that are not finished and {unbegun} that are not begun are left out"
        out.print(Text(f"of {found.problems} problems {left_out}"))
    if found.differing:
        which = f"{len(found.differing)} of the results that were written down, that of {found.differing[0]!r} for one"
        say_error(f"{run}: {which}, are not what comes of the journal, or it does not hold them")
        raise typer.Exit(EXIT_SOME_FAILED)


async def _replay(
    run: Path,
    *,
    strategy: str | None,
    parameters: dict[str, object],
    vote: str | None,
    aggregation: str | None,
) -> tuple[Replay, Evaluation]:
    found = await replay(run, strategy=strategy, parameters=parameters, vote=vote, aggregation=aggregation)
    async with found.options.make_grader() as grader:
        return found, await evaluate(found.results, grader)
