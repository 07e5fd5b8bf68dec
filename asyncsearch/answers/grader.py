"""What a task's solutions are held against."""

from __future__ import annotations

from abc import ABC, abstractmethod
from types import TracebackType
from typing import Self

from asyncsearch.answers.extraction import extract_answer

__all__ = ["Grader"]


class Grader(ABC):
    """Finds answers in solutions, and says which are the same and which are right. Open it with ``async with``."""

    @property
    def gave_up(self) -> int:
        """Pairs of answers that took too long to compare, and count as different."""
        return 0

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        return None

    def extract(self, solution: str, *, marker: str | None = None) -> str | None:
        """The answer that a solution states, None if it has none. A solution is untrusted text, and any text.

        ``marker`` is what answers stand behind, as the policy's format says.
        """
        return extract_answer(solution, marker=marker)

    @abstractmethod
    async def equal(self, left: str, right: str) -> bool:
        """Whether two answers are the same in a vote. They are untrusted text.

        Raises:
            GradingError: answers cannot be compared at all.
        """

    async def is_right(self, problem: str, reference: str, answer: str) -> bool:
        """Whether an answer to a problem is right; by default, whether it equals the reference.

        Raises:
            GradingError: answers cannot be compared at all.
        """
        return await self.equal(reference, answer)
