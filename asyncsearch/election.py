"""A problem's candidates put to a vote."""

from __future__ import annotations

from collections.abc import Sequence

from asyncsearch.answers.grading import Grader
from asyncsearch.answers.voting import Ballot, choose, group_answers
from asyncsearch.results import Candidate
from asyncsearch.rewards.aggregation import aggregate

__all__ = ["Voter", "elect", "gather_voters"]

Voter = tuple[Candidate, int]
"""A candidate that has an answer, and the number of the group of equal answers that it belongs to."""


async def gather_voters(candidates: Sequence[Candidate], grader: Grader) -> list[Voter]:
    """The candidates that have an answer, equal answers grouped by grading."""
    groups = await group_answers([candidate.answer for candidate in candidates], grader)
    return [(candidate, group) for candidate, group in zip(candidates, groups, strict=True) if group is not None]


def elect(voters: Sequence[Voter], vote: str, aggregation: str) -> str | None:
    """The answer that wins, None where nobody votes.

    Raises:
        ConfigurationError: the vote or the aggregation is unknown.
    """
    ballots = [Ballot(group, aggregate(candidate.step_scores, aggregation)) for candidate, group in voters]
    winner = choose(ballots, vote)
    return None if winner is None else voters[winner][0].answer
