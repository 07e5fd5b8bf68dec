"""How the vote on one problem went: who had how much, who won, and what would have been right."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from asyncsearch.answers.grader import Grader
from asyncsearch.answers.voting import Ballot, choose, group_weights
from asyncsearch.election import gather_voters
from asyncsearch.errors import AsyncSearchError
from asyncsearch.problem import Problem
from asyncsearch.results import Candidate
from asyncsearch.rewards.aggregation import aggregate

__all__ = ["AnswerGroup", "Count", "count_votes"]


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerGroup:
    """Equal answers: the first of them, the weight that they have in the vote, and how many vote for them.

    ``right`` is None where there is no reference.
    """

    answer: str
    weight: float
    votes: int
    right: bool | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Count:
    """A vote that has been counted.

    ``groups`` are in the order in which they came; ``group_of`` has the number of each candidate's, None where it has
    no answer; ``chosen`` is the index of the candidate that stands for the winner, None where nobody votes. ``found``
    is whether any candidate is right, None where there is no reference or nobody votes.
    """

    groups: tuple[AnswerGroup, ...] = ()
    group_of: tuple[int | None, ...] = ()
    chosen: int | None = None
    found: bool | None = None

    @property
    def winner(self) -> int | None:
        """The number of the group that wins."""
        return None if self.chosen is None else self.group_of[self.chosen]

    @property
    def margin(self) -> float | None:
        """By which share of all weight the winner leads the next group, 1.0 where there is no other."""
        lead = self._lead
        if lead is None:
            return None
        whole = sum(group.weight for group in self.groups)
        return lead / whole if whole else 0.0

    @property
    def is_tie(self) -> bool:
        """Whether the winner has no more than another group, and won by having come first."""
        return len(self.groups) > 1 and self._lead is not None and self._lead <= 0

    @property
    def _lead(self) -> float | None:
        if self.winner is None:
            return None
        others = [group.weight for number, group in enumerate(self.groups) if number != self.winner]
        return self.groups[self.winner].weight - max(others, default=0.0)


async def count_votes(
    problem: Problem, candidates: Sequence[Candidate], grader: Grader, *, vote: str, aggregation: str
) -> Count:
    """Count the candidates' votes as the search did. Where the grader fails at one of them, nobody votes.

    Raises:
        GradingError: answers cannot be compared at all.
    """
    try:
        voters = await gather_voters(candidates, grader)
        ballots = [
            Ballot(group, aggregate(candidate.step_scores, aggregation), candidate.multiplicity)
            for candidate, group in voters
        ]
        firsts = {group: candidate.answer or "" for candidate, group in reversed(voters)}
        right = {
            answer: None if problem.answer is None else await grader.is_right(problem.text, problem.answer, answer)
            for answer in dict.fromkeys(candidate.answer or "" for candidate, _ in voters)
        }
    except AsyncSearchError:
        raise
    except Exception:  # noqa: BLE001 - a grader is anybody's code
        return Count(group_of=(None,) * len(candidates))
    numbers = iter(ballot.group for ballot in ballots)
    voting = [index for index, candidate in enumerate(candidates) if candidate.answer is not None]
    winner = choose(ballots, vote)
    weights = _best_scores(ballots) if vote == "best-of-n" else group_weights(ballots, vote)
    return Count(
        groups=tuple(
            AnswerGroup(
                answer=firsts[group],
                weight=weight,
                votes=sum(ballot.multiplicity for ballot in ballots if ballot.group == group),
                right=right[firsts[group]],
            )
            for group, weight in sorted(weights.items())
        ),
        group_of=tuple(next(numbers) if candidate.answer is not None else None for candidate in candidates),
        chosen=None if winner is None else voting[winner],
        found=any(right.values()) if right and problem.answer is not None else None,
    )


def _best_scores(ballots: Sequence[Ballot]) -> dict[int, float]:
    best: dict[int, float] = {}
    for ballot in ballots:
        best[ballot.group] = max(best.get(ballot.group, 0.0), ballot.score)
    return best
