"""What each vote makes of one problem."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass

from asyncsearch.answers.grader import Grader
from asyncsearch.answers.voting import VOTES
from asyncsearch.election import elect, gather_voters
from asyncsearch.results import ProblemResult
from asyncsearch.rewards.aggregation import AGGREGATIONS

__all__ = ["METHODS", "Judgement", "Method", "failure", "judge"]


@dataclass(frozen=True, slots=True)
class Method:
    """A vote, and the aggregation of step scores that it weighs by; None where it looks at no scores."""

    vote: str
    aggregation: str | None

    def __str__(self) -> str:
        return self.vote if self.aggregation is None else f"{self.vote} ({self.aggregation})"

    @classmethod
    def of(cls, vote: str, aggregation: str) -> Method:
        """The method of a run, which has an aggregation whether its vote looks at it or not."""
        return cls(vote, None if vote == "majority" else aggregation)


def _methods() -> Iterator[Method]:
    for vote in VOTES:
        for aggregation in [None] if vote == "majority" else [*AGGREGATIONS]:
            yield Method(vote, aggregation)


METHODS = tuple(_methods())
"""Every aggregation under every vote."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """What comes of a problem with a reference.

    ``winning`` are the methods that are right. Of its ``candidates`` so many are ``right``, and they gave so many
    different ``answers``; ``scored`` is whether any of them has a score. ``problem`` tells its text and its reference
    from others that have the same ``id``.
    """

    id: str
    problem: str
    level: str | None
    subject: str | None
    winning: frozenset[Method] = frozenset()
    candidates: int = 0
    right: int = 0
    answers: int = 0
    scored: bool = False


def failure(result: ProblemResult) -> Judgement:
    """The judgement of a problem that nothing came of: all is wrong."""
    told = f"{result.problem}\0{result.reference}".encode("utf-8", "surrogatepass")
    return Judgement(
        id=result.id,
        problem=hashlib.blake2b(told, digest_size=8).hexdigest(),
        level=result.level,
        subject=result.subject,
    )


async def judge(result: ProblemResult, reference: str, grader: Grader) -> Judgement:
    """Put a problem's candidates to every vote, and grade what comes of it.

    Raises:
        GradingError: answers cannot be compared at all. Anything else may be raised by a grader that is anybody's.
    """
    voters = await gather_voters(result.candidates, grader)
    answers = {candidate.answer for candidate, _ in voters}
    right = {one for one in answers if one and await grader.is_right(result.problem, reference, one)}
    blank = failure(result)
    return Judgement(
        id=blank.id,
        problem=blank.problem,
        level=blank.level,
        subject=blank.subject,
        winning=frozenset(
            method for method in METHODS if elect(voters, method.vote, method.aggregation or "last") in right
        ),
        candidates=len(result.candidates),
        right=sum(candidate.answer in right for candidate, _ in voters),
        answers=len({group for _, group in voters}),
        scored=any(candidate.step_scores for candidate, _ in voters),
    )
