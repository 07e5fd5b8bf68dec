"""The command ``check``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.text import Text

from asyncsearch.cli.console import EXIT_SOME_FAILED, out, say_error
from asyncsearch.cli.runs import runs_in
from asyncsearch.errors import RunDirectoryError
from asyncsearch.journal import cut_journal, verify_journal
from asyncsearch.results import JOURNAL_FILE, read_results
from asyncsearch.run_directory import is_journaled, verify_config

__all__ = ["check_command"]


def check_command(
    runs: Annotated[list[Path], typer.Argument(help="Run directories, as 'solve' writes them.")],
    cut: Annotated[
        bool, typer.Option("--cut", help="Cut a damaged journal off where the damage begins; a copy is kept.")
    ] = False,
) -> None:
    """Verify that what a run has written is whole, every byte of it.

    The exit status is 1 where something is not. What [bold]--cut[/bold] leaves is gone on with by
    [bold]asyncsearch solve --out RUN --resume[/bold].
    """
    damaged = False
    for run in [inner for path in runs for inner in runs_in(path)]:
        if cut and (kept := cut_journal(run / JOURNAL_FILE)) is not None:
            say_error(f"{run}: its journal was damaged, and is cut off there; all of it is kept in {kept}")
            damaged = True
        try:
            contents = verify_journal(run / JOURNAL_FILE)
            verify_config(run)
            results = list(read_results(run))
        except RunDirectoryError as error:
            say_error(str(error))
            damaged = True
            continue
        if lost := [result.id for result in results if not is_journaled(result, contents)]:
            what = f"of {len(lost)} results, of {lost[0]!r} for one, the journal does not hold everything"
            say_error(f"{run}: {what}; --resume solves them again")
            damaged = True
            continue
        words = (
            f"{run}: sound; {len(results)} results; a journal of {contents.problems} problems, {contents.generated} "
            f"generations, {contents.scored} scores and {contents.failed} failures in {contents.blocks} blocks"
        )
        if contents.torn_bytes:
            words += f", with {contents.torn_bytes} bytes of a torn one behind them, which --resume cuts off"
        out.print(Text(words), soft_wrap=True)
    if damaged:
        raise typer.Exit(EXIT_SOME_FAILED)
