"""The command ``check``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.text import Text

from asyncsearch.cli.console import EXIT_SOME_FAILED, out, say_error
from asyncsearch.cli.runs import runs_in
from asyncsearch.errors import StorageError
from asyncsearch.journal import verify_journal
from asyncsearch.run_directory import (
    JOURNAL_FILE,
    cut_journal,
    has_torn_line,
    read_config,
    read_results,
    unbegun_runs,
    verify_config,
)

__all__ = ["check_command"]


def check_command(
    runs: Annotated[list[Path], typer.Argument(help="Run directories, as 'solve' writes them.")],
    cut: Annotated[
        bool, typer.Option("--cut", help="Cut a damaged journal off where the damage begins; a copy is kept.")
    ] = False,
) -> None:
    """Verify that what a run has written is whole: every byte of its journal, and that no result is without it.

    The exit status is 1 where something was not. What [bold]--cut[/bold] leaves is gone on with by
    [bold]asyncsearch solve --out RUN --resume[/bold]. Whether the results are what comes of the journal,
    [bold]asyncsearch replay RUN[/bold] says.
    """
    sound = True
    for path in runs:
        try:
            inner = runs_in(path)
        except StorageError as error:
            say_error(str(error))
            sound = False
            continue
        for run in inner:
            sound &= _check(run, cut=cut)
        for run in unbegun_runs(path):
            out.print(Text(f"{run}: not begun"), soft_wrap=True)
    if not sound:
        raise typer.Exit(EXIT_SOME_FAILED)


def _check(run: Path, *, cut: bool) -> bool:
    """Say whether a run is sound."""
    kept: Path | None = None
    try:
        if cut and (kept := cut_journal(run)) is not None:
            say_error(f"{run}: its journal was damaged, and is cut off there; all of it is kept in {kept}")
        results = [result.id for result in read_results(run)]  # first: a run that goes on has them journaled
        torn = has_torn_line(run)
        verify_config(run)
        problems = read_config(run)["problems"]
        contents = verify_journal(run / JOURNAL_FILE)
    except StorageError as error:
        say_error(str(error))
        return False
    if lost := [problem for problem in results if problem not in contents.ended]:
        what = (
            f"{len(lost)} of {len(results)} results, that of {lost[0]!r} for one, are not in the journal to their end"
        )
        say_error(f"{run}: {what}, so it was cut off; --resume makes them again")
        return False
    words = (
        f"{run}: sound; {len(results)} of {problems} results; a journal of {contents.problems} problems, "
        f"{contents.generated} generations, {contents.scored} scores and {contents.failed} failures in "
        f"{contents.blocks} blocks"
    )
    if contents.torn_bytes:
        words += f", with {contents.torn_bytes} bytes of a torn one behind them, which --resume cuts off"
    if torn:
        words += "; the last line of the results is torn, and --resume writes it anew"
    out.print(Text(words), soft_wrap=True)
    return kept is None
