"""The command ``check``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.text import Text

from asyncsearch.cli.console import EXIT_SOME_FAILED, out, say_error
from asyncsearch.cli.runs import runs_in
from asyncsearch.errors import RunDirectoryError, StorageError
from asyncsearch.journal import verify_journal
from asyncsearch.run_directory import JOURNAL_FILE, cut_journal, read_results, verify_config

__all__ = ["check_command"]


def check_command(
    runs: Annotated[list[Path], typer.Argument(help="Run directories, as 'solve' writes them.")],
    cut: Annotated[
        bool, typer.Option("--cut", help="Cut a damaged journal off where the damage begins; a copy is kept.")
    ] = False,
) -> None:
    """Verify that what a run has written is whole: every byte of its journal, and that no result is without it.

    The exit status is 1 where something is not. What [bold]--cut[/bold] leaves is gone on with by
    [bold]asyncsearch solve --out RUN --resume[/bold].
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
    if not sound:
        raise typer.Exit(EXIT_SOME_FAILED)


def _check(run: Path, *, cut: bool) -> bool:
    """Say whether a run is sound."""
    kept: Path | None = None
    try:
        if cut and (kept := cut_journal(run)) is not None:
            say_error(f"{run}: its journal was damaged, and is cut off there; all of it is kept in {kept}")
        results = [result.id for result in read_results(run)]  # first: a run that goes on has them journaled
        verify_config(run)
        contents = verify_journal(run / JOURNAL_FILE)
    except (RunDirectoryError, StorageError) as error:
        say_error(str(error))
        return False
    if lost := [problem for problem in results if problem not in contents.ended]:
        what = f"of {len(lost)} results, of {lost[0]!r} for one, the journal does not hold everything"
        say_error(f"{run}: {what}; --resume solves them again")
        return False
    words = (
        f"{run}: sound; {len(results)} results; a journal of {contents.problems} problems, {contents.generated} "
        f"generations, {contents.scored} scores and {contents.failed} failures in {contents.blocks} blocks"
    )
    if contents.torn_bytes:
        words += f", with {contents.torn_bytes} bytes of a torn one behind them, which --resume cuts off"
    out.print(Text(words), soft_wrap=True)
    return kept is None
