"""Where voting ends: its accuracy as the samples become more and more."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from asyncsearch.evaluation import Estimate, estimate
from asyncsearch.scaling.voting_curve import VotingCurve

if TYPE_CHECKING:
    import numpy as np

__all__ = ["Saturation", "fit_saturation"]

_RESAMPLES = 1000
_TAIL = 0.025
_SEED = 0
_SLOWEST, _FASTEST, _RATES = 0.01, 3.0, 120
"""Logarithms of the rates that are tried, and how many."""
_NEAR = 0.01


@dataclass(frozen=True, slots=True, kw_only=True)
class Saturation:
    """A fit of ``limit - gain * rate ** -n`` to the accuracy of a vote of n samples.

    Wu et al. 2024 (arXiv 2408.00724, theorems 1 and 2) prove that majority and weighted voting come so near to a limit:
    the share of problems of which the right answer has the most weight under the policy, or the policy and the reward
    model. Over many problems, each with a rate of its own, one rate is a summary. ``deviation`` is the root of the mean
    squared distance of fit and curve.
    """

    limit: Estimate
    rate: Estimate
    gain: float
    deviation: float

    def accuracy(self, samples: float) -> float:
        """What the fit says of a vote of so many samples."""
        return self.limit.value - self.gain * math.exp(-samples * math.log(self.rate.value))

    @property
    def samples_needed(self) -> float:
        """With how many samples the fit is within one point of its limit."""
        return max(math.log(max(abs(self.gain), _NEAR) / _NEAR) / math.log(self.rate.value), 1.0)


def fit_saturation(curve: VotingCurve) -> Saturation | None:
    """The least-squares fit of a curve, with the bootstrap's intervals over its problems.

    None where there are too few numbers of samples for its three parameters.
    """
    import numpy as np  # noqa: PLC0415 - takes its time

    if len(curve.samples) < 4:
        return None
    values = np.array(curve.by_problem)
    samples = np.array(curve.samples, dtype=float)
    mean = values.mean(axis=0)
    limits, gains, rates, deviations = _fit(samples, mean[np.newaxis, :])
    source = np.random.default_rng(_SEED)
    chosen = source.integers(len(values), size=(_RESAMPLES, len(values)))
    drawn_limits, drawn_gains, drawn_rates, _ = _fit(samples, np.array([values[rows].mean(axis=0) for rows in chosen]))
    total = len(values)
    ends = values[:, -1]
    if ends.min() == ends.max() and float(ends[0]).is_integer():  # of these, resamples know nothing
        limit = replace(estimate(ends.tolist()), value=float(limits[0]))
    else:
        limit = _estimate(float(limits[0]), drawn_limits, total)
    return Saturation(
        limit=limit,
        rate=_estimate(float(rates[0]), drawn_rates[drawn_gains != 0], total),
        gain=float(gains[0]),
        deviation=float(deviations[0]),
    )


def _estimate(value: float, drawn: np.ndarray[Any, Any], total: int) -> Estimate:
    """``drawn`` are the values of the resamples that have one."""
    import numpy as np  # noqa: PLC0415

    if not len(drawn):
        return Estimate(value, value, value, total)
    low, high = np.quantile(drawn, (_TAIL, 1 - _TAIL))
    return Estimate(value, min(float(low), value), max(float(high), value), total)


def _fit(samples: np.ndarray[Any, Any], curves: np.ndarray[Any, Any]) -> tuple[np.ndarray[Any, Any], ...]:
    """Limits, gains, rates and deviations of some curves: for a given rate the other two are a linear fit."""
    import numpy as np  # noqa: PLC0415

    logarithms = np.geomspace(_SLOWEST, _FASTEST, _RATES)
    # What no fit is better than: that the last value is the limit already.
    limits, gains = curves[:, -1], np.zeros(len(curves))
    best = ((curves - limits[:, np.newaxis]) ** 2).mean(axis=1)
    rates = np.full(len(curves), np.exp(logarithms[-1]))
    for logarithm in logarithms:
        design = np.stack([np.ones_like(samples), -np.exp(-logarithm * samples)], axis=1)
        solved = np.linalg.pinv(design) @ curves.T
        errors = ((design @ solved - curves.T) ** 2).mean(axis=0)
        # An accuracy is from 0 to 1: where the limit is fitted beyond that, the rate is too slow.
        better = (errors < best) & (solved[0] >= 0.0) & (solved[0] <= 1.0)
        best = np.where(better, errors, best)
        limits, gains = np.where(better, solved[0], limits), np.where(better, solved[1], gains)
        rates = np.where(better, np.exp(logarithm), rates)
    return limits, gains, rates, np.sqrt(best)
