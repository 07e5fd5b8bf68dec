"""What a task's solutions are held against."""

from __future__ import annotations

from abc import ABC, abstractmethod
from types import TracebackType
from typing import Self

from asyncsearch.answers.extraction import extract_answer
from asyncsearch.errors import ConfigurationError
from asyncsearch.plugins import GRADERS, load_plugin

__all__ = ["Grader", "make_grader"]


class Grader(ABC):
    """Finds answers in solutions, and says which are the same and which are right. Open it with ``async with``.

    ``gave_up`` counts pairs of answers that took too long to compare, and count as different.
    """

    gave_up: int = 0

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


def make_grader(name: str, *, time_limit: float) -> Grader:
    """The grader that is registered under a name, which may take ``time_limit`` seconds to compare two answers.

    Raises:
        ConfigurationError: there is none.
    """
    grader = load_plugin(GRADERS, name, "grader")(time_limit=time_limit)
    if not isinstance(grader, Grader):
        raise ConfigurationError(f"grader {name!r}: what is registered makes no Grader")
    return grader
