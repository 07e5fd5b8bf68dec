"""A reward model that knows the answers."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from types import TracebackType
from typing import Self

from asyncsearch.answers import Grader
from asyncsearch.errors import DatasetError
from asyncsearch.format import Format
from asyncsearch.problem import Problem
from runtimes.function import FunctionReward

__all__ = ["AnswerReward"]


class AnswerReward(FunctionReward):
    """Scores a solution's last step 1 where it states the right answer, and all other steps 0.

    So a search that labels steps has its rollouts graded on the way, and the journal knows what came of each.

    Args:
        problems: with references. Equal texts must have equal ones.
        grader: what says which answers are right; it is opened and closed with this runtime.
        format: the policy's; only a solution that states its answer as this says is right.

    Raises:
        DatasetError: a problem has no reference, or two have the same text and different ones.
    """

    def __init__(self, problems: Iterable[Problem], grader: Grader, format: Format) -> None:
        self._references: dict[str, str] = {}
        self._grader = grader
        self._format = format
        for problem in problems:
            if problem.answer is None:
                raise DatasetError(f"the problem {problem.id!r} has no answer, and steps are labelled by answers")
            if self._references.setdefault(problem.text.strip(), problem.answer) != problem.answer:
                raise DatasetError(f"the problem {problem.id!r} has the text of another one, and another answer")
        super().__init__(self.reference_answers)

    async def __aenter__(self) -> Self:
        await self._grader.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self._grader.__aexit__(kind, error, traceback)

    async def reference_answers(self, problem: str, steps: Sequence[str]) -> list[float]:
        """The scores of a solution's steps."""
        scores = [0.0] * len(steps)
        if steps and self._format.states_answer(steps[-1], cut=False):
            answer = self._grader.extract("\n".join(steps), marker=self._format.answer_marker)
            if answer is not None:
                scores[-1] = float(await self._grader.is_right(problem, self._references[problem], answer))
        return scores
