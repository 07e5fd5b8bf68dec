"""From candidates to one answer."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from asyncsearch.answers.grading import Grader
from asyncsearch.errors import ConfigurationError

__all__ = ["VOTES", "Ballot", "choose", "group_answers"]

VOTES = ("best-of-n", "majority", "weighted")
"""The candidate with the best score; the answer with most candidates; the answer with the greatest sum of scores."""


@dataclass(frozen=True, slots=True)
class Ballot:
    """One candidate in a vote: the group of answers that its own belongs to, and its aggregated score."""

    group: int
    score: float


async def group_answers(answers: Sequence[str | None], grader: Grader) -> list[int | None]:
    """Number the answers so that equal ones, by grading and not by string, have equal numbers.

    Each answer is compared with the first of each group; None, no answer, belongs to no group.
    """
    groups: list[int | None] = []
    firsts: list[str] = []
    by_text: dict[str, int] = {}
    for answer in answers:
        if answer is None:
            groups.append(None)
            continue
        if answer not in by_text:
            for number, first in enumerate(firsts):
                if await grader.equal(first, answer):
                    by_text[answer] = number
                    break
            else:
                by_text[answer] = len(firsts)
                firsts.append(answer)
        groups.append(by_text[answer])
    return groups


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
    weights: dict[int, list[float]] = {}
    for ballot in ballots:
        weights.setdefault(ballot.group, []).append(1.0 if vote == "majority" else ballot.score)
    # fsum: the order in which a group's weights come must not decide a tie.
    winner = max(weights, key=lambda group: math.fsum(weights[group]))
    return next(index for index, ballot in enumerate(ballots) if ballot.group == winner)
