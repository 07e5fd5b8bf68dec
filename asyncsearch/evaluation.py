"""How right a run is, under every aggregation and vote."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

from asyncsearch.accounting import Accounts
from asyncsearch.answers.grader import Grader
from asyncsearch.answers.voting import VOTES
from asyncsearch.election import elect, gather_voters
from asyncsearch.errors import AsyncSearchError
from asyncsearch.results import ProblemResult
from asyncsearch.rewards.aggregation import AGGREGATIONS

__all__ = ["Accuracy", "Evaluation", "Method", "evaluate"]

_NORMAL_QUANTILE = 1.959963984540054
"""Two-sided, 95 %."""


@dataclass(frozen=True, slots=True)
class Accuracy:
    """``correct`` out of ``total`` problems."""

    correct: int
    total: int

    @property
    def value(self) -> float:
        """The share, 0.0 of nothing."""
        return self.correct / self.total if self.total else 0.0

    def interval(self) -> tuple[float, float]:
        """The 95 % score interval (Wilson 1927), which holds its level at 0 % and 100 % too."""
        if not self.total:
            return 0.0, 1.0
        squared = _NORMAL_QUANTILE**2
        centre = self.value + squared / (2 * self.total)
        spread = _NORMAL_QUANTILE * math.sqrt(
            self.value * (1 - self.value) / self.total + squared / (4 * self.total**2)
        )
        scale = 1 + squared / self.total
        return max((centre - spread) / scale, 0.0), min((centre + spread) / scale, 1.0)


@dataclass(frozen=True, slots=True)
class Method:
    """A vote, and the aggregation of step scores that it weighs by; None where it looks at no scores."""

    vote: str
    aggregation: str | None

    def __str__(self) -> str:
        return self.vote if self.aggregation is None else f"{self.vote} ({self.aggregation})"


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluation:
    """The accuracy of each method over one run's problems, beside what the run cost.

    ``found`` is of how many problems some candidate is right: what a vote that never erred would come to.
    ``different_answers`` is the mean number of different ones that a problem's candidates gave.

    ``failed`` problems count as wrong; ``ungraded`` ones, which have no reference, do not count.
    ``grading_failed`` problems have answers at which the grader raises, and count as wrong.
    ``grading_gave_up`` pairs of answers took too long to compare and count as different. ``seconds`` is how long the
    run took, as far as its last result says.
    """

    accuracies: dict[Method, Accuracy]
    found: Accuracy
    different_answers: float
    solved: int
    failed: int
    ungraded: int
    accounts: Accounts
    seconds: float
    grading_gave_up: int
    grading_failed: int


async def evaluate(results: Iterable[ProblemResult], grader: Grader) -> Evaluation:
    """Put each problem's candidates to every vote and grade what comes of it.

    Votes that look at scores are left out where no candidate has any score.
    """
    methods = [
        Method(vote, aggregation)
        for vote in VOTES
        for aggregation in ([None] if vote == "majority" else list(AGGREGATIONS))
    ]
    correct = dict.fromkeys(methods, 0)
    solved = failed = ungraded = graded = found = different = grading_failed = 0
    accounts = Accounts()
    seconds = 0.0
    scored = False
    gave_up_before = grader.gave_up
    for result in results:
        accounts += result.accounts
        seconds = max(seconds, result.run_seconds)
        failed += result.error is not None
        solved += result.error is None
        if result.reference is None:
            ungraded += 1
            continue
        graded += 1
        if result.error is not None:
            continue
        try:
            voters = await gather_voters(result.candidates, grader)
            answers = {candidate.answer for candidate, _ in voters}
            right = {one for one in answers if one and await grader.is_right(result.problem, result.reference, one)}
        except AsyncSearchError:
            raise
        except Exception:  # noqa: BLE001 - a grader is anybody's code
            grading_failed += 1
            continue
        scored = scored or any(candidate.step_scores for candidate, _ in voters)
        different += len({group for _, group in voters})
        found += bool(right)
        for method in methods:
            correct[method] += elect(voters, method.vote, method.aggregation or "last") in right
    return Evaluation(
        accuracies={
            method: Accuracy(count, graded) for method, count in correct.items() if scored or method.aggregation is None
        },
        found=Accuracy(found, graded),
        different_answers=different / graded if graded else 0.0,
        solved=solved,
        failed=failed,
        ungraded=ungraded,
        accounts=accounts,
        seconds=seconds,
        grading_gave_up=grader.gave_up - gave_up_before,
        grading_failed=grading_failed,
    )
