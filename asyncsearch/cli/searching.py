"""Searches under way: what is shown of them, and what is said when they end early."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

import typer
from rich.text import Text

from asyncsearch.cli.console import EXIT_INTERRUPTED, EXIT_SOME_FAILED, err, say_error
from asyncsearch.cli.interrupts import run_until_interrupted
from asyncsearch.errors import ModelGone, StorageError, TooManyFailures
from asyncsearch.report.progress import Progress, open_progress

__all__ = ["Searched", "search"]

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Searched(Generic[T]):
    """What came of searches. ``failure`` says how many failed, and the first error; None where none did."""

    value: T
    failure: str | None

    def conclude(self) -> None:
        """Say that some failed, if some did.

        Raises:
            typer.Exit: then.
        """
        if self.failure is not None:
            say_error(self.failure)
            raise typer.Exit(EXIT_SOME_FAILED)


def search(
    begin: Callable[[Progress, Callable[[], None]], Coroutine[Any, Any, T]],
    *,
    searches: int,
    directory: Path,
    remember: Callable[[], None],
) -> Searched[T]:
    """Run searches to their end.

    Args:
        begin: given whom to tell how far they are, and what to call when the first is about to begin.
        searches: how many there are.
        directory: where they are written to.
        remember: called when the first is about to begin.

    Raises:
        typer.Exit: they were interrupted, or could not go on; what was done and how to go on was said.
        UserError: they could not begin.
    """
    progress: Progress | None = None
    begun = False

    def ready() -> None:
        nonlocal begun
        remember()
        begun = True

    try:
        with open_progress(err) as progress:
            shown = progress
            value = run_until_interrupted(lambda: begin(shown, ready))
    except (KeyboardInterrupt, ModelGone, StorageError, TooManyFailures) as end:
        interrupted = isinstance(end, KeyboardInterrupt)
        if not (begun or interrupted):
            raise
        if not interrupted:
            first = f"; the first: {progress.first_error}" if progress is not None and progress.first_error else ""
            say_error(f"{end}{first if isinstance(end, TooManyFailures) else ''}")
        done = f"{0 if progress is None else progress.done} of {searches} searches were done"
        kept = f"what was done is kept in {directory}, {_way_on(end)}" if begun else "nothing was begun"
        err.print(Text(f"{'interrupted' if interrupted else 'stopped'}: {done}; {kept}"), soft_wrap=True)
        raise typer.Exit(EXIT_INTERRUPTED if interrupted else EXIT_SOME_FAILED) from None
    ways = "which --retry-failed solves again"
    failed = f"{progress.failed} of the searches failed, {ways}; the first: {progress.first_error}"
    return Searched(value, failed if progress.failed else None)


def _way_on(end: BaseException) -> str:
    """How to go on with searches that ended like this."""
    if isinstance(end, TooManyFailures):
        return "add --retry-failed to go on and solve again what failed"
    if isinstance(end, StorageError):
        return "and --resume goes on once that is mended"
    return "add --resume to go on"
