"""Whether a vote is decided before all have voted: pure arithmetic, no I/O, no clock."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from fractions import Fraction

from asyncsearch.answers.voting import Ballot, group_weights

__all__ = ["is_confident", "is_decided", "majority_confidence"]

_ROUNDING = 1e-9
"""A lead must be so much more than what may still come: sums of scores are rounded."""


def is_decided(ballots: Sequence[Ballot], left: int, vote: str) -> bool:
    """Whether ``left`` more ballots, of multiplicity 1 and a score of at most 1 each, can change no winner.

    Never for best-of-n, where the next candidate may be as good as the best and stand before it.
    """
    if left == 0:
        return True
    if vote == "best-of-n" or not ballots:
        return False
    first, second, *_ = sorted([*group_weights(ballots, vote).values(), 0.0], reverse=True)
    return first - second > left + _ROUNDING


def is_confident(ballots: Sequence[Ballot], vote: str, confidence: float) -> bool:
    """Whether the leader of a vote leads by number too, and is the likelier of the first two with this probability."""
    weights, numbers = group_weights(ballots, vote), Counter(ballot.group for ballot in ballots)
    leader = max(weights, key=weights.__getitem__)
    others = [count for group, count in numbers.items() if group != leader]
    return majority_confidence(numbers[leader], max(others, default=0)) >= confidence


def majority_confidence(first: int, second: int) -> float:
    """The probability that the first of two answers is the likelier, given how often either came.

    With a uniform prior it is that of a Beta(first + 1, second + 1) to be above a half (Aggarwal et al.,
    arXiv 2305.11860, equation 3), and so that of at most ``first`` heads in first + second + 1 throws of a coin.
    """
    throws = first + second + 1
    favourable = sum(math.comb(throws, heads) for heads in range(first + 1))
    return float(Fraction(favourable, 2**throws))  # which no number of ballots makes overflow
