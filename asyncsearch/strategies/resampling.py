"""How particles are weighed and drawn anew: pure arithmetic, no I/O, no clock."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Sequence
from itertools import accumulate
from random import Random

__all__ = ["effective_sample_size", "multinomial_resample", "particle_weights", "systematic_resample"]

_NEAREST = 2.0**-52
"""Scores are kept this far from 0 and 1, where their logits would be infinite (as ``particle_gibbs.py`` does)."""


def particle_weights(scores: Sequence[float], temperature: float) -> list[float]:
    """Weights in proportion to softmax(logit(score) / temperature), which sum to 1.

    A reward model says by sigmoid of some number how likely a solution is right; its logit is that number (Puri et
    al., arXiv 2502.01618, algorithm 1).

    Raises:
        ValueError: there are no scores, one is not in [0, 1], or the temperature is not above 0.
    """
    if not scores or temperature <= 0 or not all(0 <= score <= 1 for score in scores):
        raise ValueError(f"scores {scores}, temperature {temperature}: out of range")
    inside = [min(max(score, _NEAREST), 1 - _NEAREST) for score in scores]
    logits = [(math.log(score) - math.log1p(-score)) / temperature for score in inside]
    best = max(logits)
    weights = [math.exp(logit - best) for logit in logits]
    total = math.fsum(weights)
    return [weight / total for weight in weights]


def effective_sample_size(weights: Sequence[float]) -> float:
    """How many equal weights are worth as much as these, from 1 to their number: 1 / sum of squares (Kong 1992)."""
    return math.fsum(weights) ** 2 / math.fsum(weight * weight for weight in weights)


def systematic_resample(weights: Sequence[float], count: int, random: Random) -> list[int]:
    """Draw ``count`` indices with one random number: each is drawn count * weight times, rounded up or down.

    The number of copies of each index has mean count * weight, with less spread than independent draws (Kitagawa 1996;
    Douc and Cappe 2005, arXiv cs/0507025, section 2.4).

    Returns:
        Indices into ``weights``, in ascending order.
    """
    offset = random.random()
    return _positions_to_indices(weights, [(offset + index) / count for index in range(count)])


def multinomial_resample(weights: Sequence[float], count: int, random: Random) -> list[int]:
    """Draw ``count`` indices independently, each in proportion to its weight.

    Returns:
        Indices into ``weights``, in ascending order.
    """
    return _positions_to_indices(weights, sorted(random.random() for _ in range(count)))


def _positions_to_indices(weights: Sequence[float], positions: Sequence[float]) -> list[int]:
    """Where positions in [0, 1) fall if the weights are laid end to end."""
    bounds = list(accumulate(weights))
    last = max(index for index, weight in enumerate(weights) if weight > 0)  # rounding must not go beyond it
    return [min(bisect_right(bounds, position * bounds[-1]), last) for position in positions]
