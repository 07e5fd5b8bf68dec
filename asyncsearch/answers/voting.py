"""From candidates to one answer."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from asyncsearch.answers.grader import Grader
from asyncsearch.errors import ConfigurationError

__all__ = ["VOTES", "AnswerGroups", "Ballot", "choose", "group_weights"]

VOTES = ("best-of-n", "majority", "weighted")
"""The candidate with the best score; the answer with most candidates; the answer with the greatest sum of scores."""


@dataclass(frozen=True, slots=True)
class Ballot:
    """One candidate in a vote: the group of answers that its own belongs to, and its aggregated score.

    In a majority or weighted vote it counts ``multiplicity`` times.
    """

    group: int
    score: float
    multiplicity: int = 1


class AnswerGroups:
    """Numbers answers so that equal ones, by grading and not by string, have equal numbers.

    Each answer is compared with the first of each group.
    """

    def __init__(self, grader: Grader) -> None:
        self._grader = grader
        self._firsts: list[str] = []
        self._by_text: dict[str, int] = {}

    async def number_of(self, answer: str) -> int:
        """The number of an answer's group."""
        if answer not in self._by_text:
            for number, first in enumerate(self._firsts):
                if await self._grader.equal(first, answer):
                    self._by_text[answer] = number
                    break
            else:
                self._by_text[answer] = len(self._firsts)
                self._firsts.append(answer)
        return self._by_text[answer]


def choose(ballots: Sequence[Ballot], vote: str) -> int | None:
    """The index of the ballot that stands for the winner, None where there is no ballot.

    Of equal groups or candidates the earliest wins, so that the outcome depends on the order of draws alone.

    Raises:
        ConfigurationError: the vote is unknown.
    """
    if vote not in VOTES:
        raise ConfigurationError(f"unknown vote {vote!r}; known are {', '.join(VOTES)}")
    if not ballots:
        return None
    if vote == "best-of-n":
        return max(range(len(ballots)), key=lambda index: ballots[index].score)
    weights = group_weights(ballots, vote)
    winner = max(weights, key=weights.__getitem__)
    return next(index for index, ballot in enumerate(ballots) if ballot.group == winner)


def group_weights(ballots: Sequence[Ballot], vote: str) -> dict[int, float]:
    """What each group of equal answers has in a majority or weighted vote, the group that came first at the front."""
    weights: dict[int, list[float]] = {}
    for ballot in ballots:
        weight = 1.0 if vote == "majority" else ballot.score
        weights.setdefault(ballot.group, []).append(weight * ballot.multiplicity)
    # fsum: the order in which a group's weights come must not decide a tie.
    return {group: math.fsum(found) for group, found in weights.items()}
