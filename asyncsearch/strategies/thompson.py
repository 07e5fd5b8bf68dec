"""What is believed of a mean after some observations, and samples of that: pure arithmetic, no I/O, no clock."""

from __future__ import annotations

import math
from collections.abc import Sequence
from random import Random

__all__ = ["sample_beta_mean", "sample_gaussian_mean"]

_PRIOR_MEAN, _PRIOR_COUNT, _PRIOR_FREEDOM, _PRIOR_VARIANCE = 0.0, 1.0, 1.0, 0.1
"""Of the normal-inverse-chi-squared prior: TreeQuest's ``GaussianPrior``."""

_PRIOR_BETA = 0.5
"""Jeffreys' prior: TreeQuest's ``BetaPrior``."""


def sample_gaussian_mean(observations: Sequence[float], random: Random) -> float:
    """A mean drawn from the posterior of a normal distribution with unknown mean and variance.

    With a normal-inverse-chi-squared prior (Murphy 2023, Probabilistic Machine Learning: Advanced Topics, section
    3.4.3.3; TreeQuest's ``prob_state.py``).
    """
    count = len(observations)
    mean = math.fsum(observations) / count if count else 0.0
    squares = math.fsum((observation - mean) ** 2 for observation in observations)
    weight, freedom = _PRIOR_COUNT + count, _PRIOR_FREEDOM + count
    centre = (_PRIOR_COUNT * _PRIOR_MEAN + count * mean) / weight
    shift = count * _PRIOR_COUNT * (_PRIOR_MEAN - mean) ** 2 / weight
    spread = _PRIOR_FREEDOM * _PRIOR_VARIANCE + squares + shift  # freedom * tau squared
    variance = spread / 2 / random.gammavariate(freedom / 2, 1.0)
    return random.gauss(centre, math.sqrt(variance / weight))


def sample_beta_mean(observations: Sequence[float], random: Random) -> float:
    """A probability drawn from its posterior after observations in [0, 1], each as good as a share of a success."""
    successes = math.fsum(observations)
    return random.betavariate(_PRIOR_BETA + successes, _PRIOR_BETA + len(observations) - successes)
