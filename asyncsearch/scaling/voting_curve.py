"""How right a vote of the first n of some samples is, over all orders in which they could have been drawn."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from asyncsearch.answers.grader import Grader
from asyncsearch.election import gather_voters
from asyncsearch.evaluation import Estimate, Method, estimate
from asyncsearch.results import Candidate, ProblemResult
from asyncsearch.rewards.aggregation import aggregate

__all__ = ["VotingCurve", "voting_curve"]

_ORDERS = 200
_SEED = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class VotingCurve:
    """For each number of ``samples``, the probability that a vote of so many of them is right.

    ``by_problem`` has a row for each problem and in it a value for each number of samples.
    """

    method: Method
    samples: tuple[int, ...]
    by_problem: tuple[tuple[float, ...], ...]

    def accuracy(self, samples: int) -> Estimate:
        """The accuracy at one of the numbers of samples.

        Raises:
            ValueError: it is none of them.
        """
        column = self.samples.index(samples)
        return estimate(row[column] for row in self.by_problem)

    @property
    def mean(self) -> tuple[float, ...]:
        """The accuracy at each number of samples."""
        return tuple(sum(column) / len(self.by_problem) for column in zip(*self.by_problem, strict=True))


async def voting_curve(results: Iterable[ProblemResult], grader: Grader, method: Method) -> VotingCurve | None:
    """The curve of a run of independent samples under a majority or weighted vote.

    It takes the mean over 200 random orders of each problem's samples, the same ones whenever it is called. Problems
    with fewer samples than most have, failed ones for example, are left out. None where there is nothing to draw.

    Raises:
        ValueError: another vote has no weights that are added up.
        GradingError: answers cannot be compared at all.
    """
    if method.vote not in ("majority", "weighted"):
        raise ValueError(f"{method} is no vote of which there is a curve")
    graded = [result for result in results if result.reference is not None and result.error is None]
    most = max((len(result.candidates) for result in graded), default=0)
    if not most:
        return None
    rows = []
    samples = tuple(_up_to(most))
    for result in graded:
        if len(result.candidates) == most and result.reference is not None:
            rows.append(await _row(result, result.reference, grader, method, samples))
    return VotingCurve(method=method, samples=samples, by_problem=tuple(rows)) if rows else None


async def _row(
    result: ProblemResult, reference: str, grader: Grader, method: Method, samples: tuple[int, ...]
) -> tuple[float, ...]:
    import numpy as np  # noqa: PLC0415 - takes its time

    voters = {id(candidate): group for candidate, group in await gather_voters(result.candidates, grader)}
    groups = max(voters.values(), default=-1) + 1
    right = np.zeros(groups + 1, dtype=bool)  # the last is nobody's: the winner where nobody has voted yet
    votes = np.zeros((len(result.candidates), groups + 1))
    for place, candidate in enumerate(result.candidates):
        if (group := voters.get(id(candidate))) is not None and candidate.answer is not None:
            votes[place, group] = _weight(candidate, method)
            right[group] = right[group] or await grader.is_right(result.problem, reference, candidate.answer)
    source = np.random.default_rng(_SEED)
    hits = np.zeros(len(samples))
    for _ in range(_ORDERS):
        sums = votes[source.permutation(len(votes))].cumsum(axis=0)[np.array(samples) - 1]
        winners = np.where(sums.max(axis=1) > 0, sums.argmax(axis=1), groups)
        hits += right[winners]
    return tuple(float(hit) / _ORDERS for hit in hits)


def _weight(candidate: Candidate, method: Method) -> float:
    weight = 1.0 if method.aggregation is None else aggregate(candidate.step_scores, method.aggregation)
    return weight * candidate.multiplicity


def _up_to(most: int) -> Iterator[int]:
    """1, 2, 3, 4, 6, 8, 12 and so on, and ``most``."""
    found = {most} if most else set()
    power = 1
    while power < most:
        found |= {power, min(power * 3 // 2, most)}
        power *= 2
    yield from sorted(found)
