"""How far the runs of a comparison are: a live area on a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.text import Text

from asyncsearch.evaluation import Accuracy
from asyncsearch.report.live import RunsTable, RunState, WorkTable, left, run_words, took, work_words
from asyncsearch.report.pace import time_left
from asyncsearch.report.throughput import Meter, Work, work_of_scheduler
from asyncsearch.results import ProblemResult
from asyncsearch.results_tally import ResultsTally
from asyncsearch.scheduler import SchedulerStatistics

__all__ = ["Progress", "RunProgress", "open_progress"]

_BELOW = 6
"""Lines that are kept free below the runs: for the models, and one for the prompt."""

_REFRESHES = 2
"""Per second, of the live area."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Course:
    """Where a run stands, in one value that is exchanged as a whole: the thread that draws reads it at any time.

    It has ``begun`` at a moment, and its last result came at another; ``found`` results were there before.
    """

    tally: ResultsTally = field(default_factory=ResultsTally)
    begun: float | None = None
    last: float = 0.0
    found: int = 0
    has_ended: bool = False


class RunProgress:
    """One run of ``total`` problems. See `Progress`."""

    def __init__(
        self,
        name: str,
        total: int,
        *,
        clock: Callable[[], float],
        counted: Callable[[RunProgress, ProblemResult], None],
    ) -> None:
        """``counted`` is called with each result that has been."""
        self._name = name
        self._total = total
        self._clock = clock
        self._counted = counted
        self._course = _Course()

    def begin(self, found: int) -> None:
        """The run begins, or goes on with ``found`` results that are there already and counted first."""
        self._course = replace(self._course, begun=self._clock(), found=found)

    def count(self, result: ProblemResult) -> None:
        """A problem is done."""
        self._course = replace(self._course, tally=self._course.tally.plus(result), last=self._clock())
        self._counted(self, result)

    def end(self) -> None:
        """All of it is done."""
        self._course = replace(self._course, has_ended=True)

    @property
    def tally(self) -> ResultsTally:
        """What its results come to so far."""
        return self._course.tally

    @property
    def is_at_a_tenth(self) -> bool:
        """Whether its last result is new, and makes another tenth of the problems done."""
        done = self.tally.done
        return done > self._course.found and done * 10 // self._total > (done - 1) * 10 // self._total

    @property
    def has_begun(self) -> bool:
        """Whether it has."""
        return self._course.begun is not None

    def state(self, *, stopped: bool = False) -> RunState:
        """How far it is, now or where it was ``stopped``."""
        course = self._course
        tally = course.tally
        return RunState(
            name=self._name,
            done=tally.done,
            total=self._total,
            accuracy=Accuracy(tally.correct, tally.graded),
            failed=tally.failed,
            time=self._time(course, stopped=stopped),
            is_under_way=course.begun is not None and not course.has_ended,
        )

    def _time(self, course: _Course, *, stopped: bool) -> str:
        if course.has_ended:
            return took(course.tally.seconds)
        if stopped:
            return "stopped"
        if course.begun is None:
            return "waiting"
        now, tally = self._clock(), course.tally
        if (done := tally.done - course.found) > 0:
            seconds, since = course.last - course.begun, now - course.last
            return left(time_left(done=done, total=self._total - course.found, seconds=seconds, since=since))
        # By how fast it was before, until there is something newer.
        return left(time_left(done=tally.done, total=self._total, seconds=tally.seconds, since=now - course.begun))


class Progress:
    """Shows the runs of a comparison, and counts over all of them. See `open_progress`.

    ``first_error`` is that of the first search that failed.
    """

    def __init__(self, console: Console, *, clock: Callable[[], float]) -> None:
        self.first_error: str | None = None
        self._console = console
        self._clock = clock
        self._runs: list[RunProgress] = []
        self._meter = Meter()
        self._work: Work | None = None
        self._is_over = False

    @property
    def done(self) -> int:
        """How many searches have ended."""
        return sum(run.tally.done for run in self._runs)

    @property
    def failed(self) -> int:
        """How many of them with an error."""
        return sum(run.tally.failed for run in self._runs)

    def note(self, message: str) -> None:
        """Say what is going on."""
        self._console.print(Text(message), soft_wrap=True)

    def expect(self, name: str, total: int) -> RunProgress:
        """There will be a run of ``total`` problems."""
        run = RunProgress(name, total, clock=self._clock, counted=self._counted)
        self._runs.append(run)
        return run

    def measure(self, statistics: SchedulerStatistics) -> None:
        """So much has the scheduler of the runs under way done by now; another one begins at nothing."""
        self._work = self._meter.measure(self._clock(), work_of_scheduler(statistics))

    def end(self) -> None:
        """Nothing more will come."""
        self._is_over = True

    def draw(self) -> RenderableType:
        """The live area as of now: the runs, and what the models get done while one is under way."""
        shown = [run for run in self._runs if run.has_begun or not self._is_over]
        states = [run.state(stopped=self._is_over) for run in shown]
        parts: list[RenderableType] = [RunsTable(states, below=None if self._is_over else _BELOW)] if shown else []
        if self._work is not None and not self._is_over and any(state.is_under_way for state in states):
            parts += ["", WorkTable(self._work)]
        return Group(*parts)

    def _counted(self, run: RunProgress, result: ProblemResult) -> None:
        if result.error is not None and self.first_error is None:
            self.first_error = f"problem {result.id}: {result.error}"
        if not self._console.is_interactive and run.is_at_a_tenth:
            self._tell(run)

    def _tell(self, run: RunProgress) -> None:
        words = run_words(run.state())
        if self._work is not None and (speed := work_words(self._work)):
            together = "together " if sum(run.state().is_under_way for run in self._runs) > 1 else ""
            words += f"; {together}{speed}"
        self.note(words)


@contextmanager
def open_progress(console: Console, *, clock: Callable[[], float] = time.monotonic) -> Iterator[Progress]:
    """Show progress on a console while the block runs; on a terminal, where it had come to stays there afterwards.

    The live area is drawn by a thread, lest a terminal that is held up holds up the runs. ``clock`` says the time in
    seconds, of any beginning.
    """
    progress = Progress(console, clock=clock)
    if not console.is_interactive:
        yield progress
        return
    with Live(
        get_renderable=progress.draw,
        console=console,
        refresh_per_second=_REFRESHES,
        redirect_stdout=sys.stdout.isatty(),
    ):
        try:
            yield progress
        finally:
            progress.end()
