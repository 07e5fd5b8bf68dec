"""How right a vote of the first n of some samples is, over all orders in which they could have been drawn."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from asyncsearch.answers.grader import Grader
from asyncsearch.election import gather_voters
from asyncsearch.evaluation import Estimate, Method, estimate
from asyncsearch.results import Candidate, ProblemResult
from asyncsearch.rewards.aggregation import aggregate

__all__ = ["VotingCurve", "voting_curve"]

_ORDERS = 200
_SEED = 0
_ROUNDING = 1e-9
"""Sums that differ by less are equal: they were added up in another order."""


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

    It takes the mean over 200 random orders of each problem's samples, the same ones whenever it is called. As in any
    vote, of equal answers the one that was drawn first wins. A problem with fewer samples than others, a failed one for
    example, is taken to have samples without an answer for the rest. None where there is nothing to draw.

    Raises:
        ValueError: another vote has no weights that are added up.
        GradingError: answers cannot be compared at all.
    """
    if method.vote not in ("majority", "weighted"):
        raise ValueError(f"{method} is no vote of which there is a curve")
    graded = [result for result in results if result.reference is not None]
    most = max((len(result.candidates) for result in graded), default=0)
    if not most:
        return None
    samples = tuple(_up_to(most))
    rows = []
    for result in graded:
        voters = [] if result.error is not None else await gather_voters(result.candidates, grader)
        answers = {candidate.answer for candidate, _ in voters if candidate.answer is not None}
        right = {one for one in answers if await grader.is_right(result.problem, result.reference or "", one)}
        ballots = [_Ballot(group, _weight(candidate, method), candidate.answer in right) for candidate, group in voters]
        rows.append(_row(ballots, most, samples))
    return VotingCurve(method=method, samples=samples, by_problem=tuple(rows))


@dataclass(frozen=True, slots=True)
class _Ballot:
    """A sample's answer, by the number of its group, with what it weighs, and whether it is right."""

    group: int
    weight: float
    right: bool


def _row(ballots: Sequence[_Ballot], most: int, samples: Sequence[int]) -> tuple[float, ...]:
    """The probability that a vote is right at each number of samples, of which ``most`` are there to be drawn."""
    import numpy as np  # noqa: PLC0415 - takes its time

    groups = max((ballot.group for ballot in ballots), default=-1) + 1
    if not groups:
        return (0.0,) * len(samples)
    votes = np.full((most, groups), np.nan)
    for place, ballot in enumerate(ballots):
        votes[place, ballot.group] = ballot.weight
    right = np.array([*(ballot.right for ballot in ballots), *[False] * (most - len(ballots))])
    source = np.random.default_rng(_SEED)
    ends = np.array(samples) - 1
    hits = np.zeros(len(samples))
    for _ in range(_ORDERS):
        order = source.permutation(most)
        drawn = ~np.isnan(votes[order])
        first = drawn.argmax(axis=0)  # where each group is drawn first
        sums = np.nan_to_num(votes[order]).cumsum(axis=0)[ends]
        sums[first[np.newaxis, :] > ends[:, np.newaxis]] = -np.inf  # what was not drawn yet
        leads = sums >= sums.max(axis=1, keepdims=True) - _ROUNDING
        leading = np.where(leads, first[np.newaxis, :], most).min(axis=1)
        hits += right[order[leading]] & np.isfinite(sums.max(axis=1))
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
