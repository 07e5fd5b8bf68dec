"""A problem's candidates put to a vote."""

from __future__ import annotations

from collections.abc import Sequence

from asyncsearch.answers.grader import Grader
from asyncsearch.answers.voting import AnswerGroups, Ballot, choose
from asyncsearch.candidates import candidate_of
from asyncsearch.results import Candidate
from asyncsearch.rewards.aggregation import aggregate
from asyncsearch.tree import Node

__all__ = ["Leaves", "Voter", "elect", "gather_voters"]

Voter = tuple[Candidate, int]
"""A candidate that has an answer, and the number of the group of equal answers that it belongs to."""


async def gather_voters(candidates: Sequence[Candidate], grader: Grader) -> list[Voter]:
    """The candidates that have an answer, equal answers grouped by grading."""
    groups = AnswerGroups(grader)
    return [
        (candidate, await groups.number_of(candidate.answer))
        for candidate in candidates
        if candidate.answer is not None
    ]


class Leaves:
    """Leaves as ballots, before the search has ended.

    ``vote`` is what they will be put to, ``marker`` what their answers stand behind.
    """

    def __init__(self, grader: Grader, *, vote: str, aggregation: str, marker: str | None = None) -> None:
        self.vote = vote
        self._marker = marker
        self._aggregation = aggregation
        self._grader = grader
        self._groups = AnswerGroups(grader)

    async def ballot(self, leaf: Node) -> Ballot | None:
        """The ballot of a leaf, None where it has no answer."""
        candidate = candidate_of(leaf, self._grader, marker=self._marker)
        if candidate is None or candidate.answer is None:
            return None
        group = await self._groups.number_of(candidate.answer)
        return Ballot(group, aggregate(candidate.step_scores, self._aggregation), candidate.multiplicity)


def elect(voters: Sequence[Voter], vote: str, aggregation: str) -> str | None:
    """The answer that wins, None where nobody votes.

    Raises:
        ConfigurationError: the vote or the aggregation is unknown.
    """
    ballots = [
        Ballot(group, aggregate(candidate.step_scores, aggregation), candidate.multiplicity)
        for candidate, group in voters
    ]
    winner = choose(ballots, vote)
    return None if winner is None else voters[winner][0].answer
