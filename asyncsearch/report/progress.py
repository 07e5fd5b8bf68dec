"""How far a run is: a live bar on a terminal, plain lines elsewhere."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import rich.progress
from rich.console import Console

from asyncsearch.evaluation import Accuracy
from asyncsearch.results import ProblemResult
from asyncsearch.solve import OnResult
from asyncsearch.strategies import Strategy

__all__ = ["Progress", "open_progress"]

_PLAIN_LINES = 10
"""Lines per run where there is no terminal."""


class Progress:
    """Shows runs one after the other, and counts over all of them. See `open_progress`.

    ``done`` searches have ended, ``failed`` of them with an error, and ``first_error`` is the first of these.
    """

    def __init__(self, console: Console, bars: rich.progress.Progress | None) -> None:
        self.done = 0
        self.failed = 0
        self.first_error: str | None = None
        self._console = console
        self._bars = bars

    def note(self, message: str) -> None:
        """Say what is going on."""
        self._console.print(message, highlight=False)

    @contextmanager
    def track(self, name: str, total: int) -> Iterator[OnResult]:
        """Show one run of ``total`` problems; the value is what `solve_dataset` calls with each result."""
        done = correct = graded = tokens = 0
        task = None if self._bars is None else self._bars.add_task(name, total=total, accuracy="", tokens="")

        def advance(_: Strategy, result: ProblemResult) -> None:
            nonlocal done, correct, graded, tokens
            self._count(result)
            done += 1
            graded += result.correct is not None
            correct += bool(result.correct)
            tokens += result.accounts.policy.generated_tokens
            accuracy = f"{Accuracy(correct, graded).value:.1%} right" if graded else "not graded"
            if self._bars is not None and task is not None:
                self._bars.update(task, completed=done, accuracy=accuracy, tokens=f"{tokens:,} tokens")
            elif done == total or done * _PLAIN_LINES // total > (done - 1) * _PLAIN_LINES // total:
                self.note(f"{name}: {done}/{total} problems, {accuracy}, {tokens:,} tokens")

        yield advance

    def _count(self, result: ProblemResult) -> None:
        self.done += 1
        if result.error is not None:
            self.failed += 1
            if self.first_error is None:
                self.first_error = f"problem {result.id}: {result.error}"


@contextmanager
def open_progress(console: Console) -> Iterator[Progress]:
    """Show progress on a console while the block runs."""
    if not console.is_terminal:
        yield Progress(console, None)
        return
    bars = rich.progress.Progress(
        rich.progress.TextColumn("{task.description:>10}"),
        rich.progress.BarColumn(),
        rich.progress.MofNCompleteColumn(),
        rich.progress.TextColumn("{task.fields[accuracy]}"),
        rich.progress.TextColumn("{task.fields[tokens]}"),
        rich.progress.TimeElapsedColumn(),
        rich.progress.TextColumn("elapsed,"),
        rich.progress.TimeRemainingColumn(),
        rich.progress.TextColumn("left"),
        console=console,
    )
    with bars:
        yield Progress(bars.console, bars)
