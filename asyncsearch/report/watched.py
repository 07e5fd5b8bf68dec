"""A run that another process writes, as it is shown to whoever watches it."""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from functools import reduce
from operator import add
from pathlib import Path
from types import TracebackType
from typing import Self

from rich.console import Group, RenderableType
from rich.text import Text

from asyncsearch.evaluation import Accuracy
from asyncsearch.report.harmless import harmless
from asyncsearch.report.live import (
    RunsTable,
    RunState,
    SearchesTable,
    WorkTable,
    left,
    run_words,
    took,
    work_words,
)
from asyncsearch.report.numbers import count
from asyncsearch.report.pace import time_left
from asyncsearch.report.throughput import Meter, Work, work_of_journal
from asyncsearch.run_directory import RunFollower

__all__ = ["WatchedRun", "watched_area"]

_SEARCHES = 3
"""Problems under way that are named."""

_BELOW = 12
"""Lines that are kept free below the runs: for the models, these problems, the process that writes, and the prompt."""


class WatchedRun:
    """Follows a run, and says how far it is and how fast it goes.

    Args:
        path: of its directory.
        name: what it is shown as.

    Raises:
        RunDirectoryError: it is no run directory.
        StorageError: what is in it cannot be read.
    """

    def __init__(self, path: Path, name: str) -> None:
        self.name = name
        self.follower = RunFollower(path)
        self.work: Work = work_of_journal(self.follower.journal)
        self._has_grown = False
        self._meter = Meter()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.follower.__exit__(kind, error, traceback)

    @property
    def is_complete(self) -> bool:
        """Whether every problem has a result."""
        return self.follower.is_complete

    @property
    def is_alive(self) -> bool:
        """Whether anybody writes it: a process says so, or it has grown, by whatever process."""
        return self.follower.holder is not None or self._has_grown

    @property
    def is_over(self) -> bool:
        """Whether nothing more is to come: it is complete, or nobody writes it."""
        return self.is_complete or not self.is_alive

    def look(self, now: float) -> None:
        """See what has been added since the last look; ``now`` is as in `SlidingRate`. Errors as in `RunFollower`."""
        follower = self.follower
        was_behind, before = follower.is_behind, follower.end
        follower.look()
        self._has_grown = follower.end > before and not was_behind
        self.work = work_of_journal(follower.journal)
        if not follower.is_behind:  # else it is read, and not written, so fast
            self.work = self._meter.measure(now, self.work)

    def state(self, wall_clock: float) -> RunState:
        """How far it is, at a time in seconds since 1970."""
        results = self.follower.results
        return RunState(
            name=self.name,
            done=results.done,
            total=self.follower.total,
            accuracy=Accuracy(results.correct, results.graded),
            failed=results.failed,
            time=self._time(wall_clock),
            is_under_way=not self.is_over,
        )

    def words(self, wall_clock: float) -> str:
        """The same in a plain line, with what the models have done for it."""
        work, under_way = self.work, len(self.follower.journal.open)
        words = [f"{count(work.nodes)} nodes", work_words(work)]
        cached = [f"{model.cached:.0%}" for model in (work.policy, work.reward) if model.cached is not None]
        words += [f"{' and '.join(cached)} cached" if cached else "", f"{under_way} under way" if under_way else ""]
        return f"{run_words(self.state(wall_clock))}; {', '.join(filter(None, words))}"

    def _time(self, wall_clock: float) -> str:
        follower, results = self.follower, self.follower.results
        if follower.is_behind:
            return f"reading {follower.end / max(follower.size, 1):.0%}"
        if self.is_complete:
            return took(results.seconds)
        if not self.is_alive:
            return "stopped"
        since = max(wall_clock - follower.since, 0.0)
        return left(time_left(done=results.done, total=follower.total, seconds=results.seconds, since=since))


def watched_area(runs: Sequence[WatchedRun], unbegun: Sequence[str], wall_clock: float) -> RenderableType:
    """How far some runs are and what the models do for them, the names of ``unbegun`` ones, and who writes them."""
    waiting = [
        RunState(name=name, done=0, total=runs[0].follower.total, accuracy=Accuracy(0, 0), failed=0, time="not begun")
        for name in unbegun
    ]
    parts: list[RenderableType] = [
        RunsTable([*(run.state(wall_clock) for run in runs), *waiting], below=_BELOW),
        "",
        WorkTable(reduce(add, (run.work for run in runs))),
    ]
    alive = [run for run in runs if run.is_alive and not run.is_complete]
    searches = [
        (f"{run.name}: {search.problem}" if len(runs) > 1 else search.problem, search)
        for run in alive
        for search in run.follower.journal.open.values()
    ]
    if searches:
        most = heapq.nlargest(_SEARCHES, searches, key=lambda named: named[1].tokens)
        parts += ["", SearchesTable(len(searches), most)]
    for holder in dict.fromkeys(run.follower.holder for run in alive):
        if holder is not None:
            unseen = ", which cannot be seen from here" if holder.is_elsewhere else ""
            parts.append(Text(f"written by process {harmless(str(holder))}{unseen}", "dim"))
    return Group(*parts)
