"""A grader that has a function judge, in a process of its own."""

from __future__ import annotations

from collections.abc import Sequence
from types import TracebackType

from asyncsearch.answers.grader import Grader
from asyncsearch.answers.grading_process import GradingProcess

__all__ = ["ProcessGrader"]


class ProcessGrader(Grader):
    """Asks ``process``, see `GradingProcess`. Leaving it ends that."""

    def __init__(self, function: str, *, time_limit: float, first: Sequence[str] | None = None) -> None:
        self.time_limit = time_limit
        self.process = GradingProcess(function, time_limit=time_limit, first=first)

    @property
    def gave_up(self) -> int:
        """Calls that took too long, or broke the process: pairs of answers that count as different."""
        return self.process.gave_up

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.process.__aexit__(kind, error, traceback)
