"""How far a mean over problems can be trusted: as other problems of the same kind would have given it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from asyncsearch.evaluation.accuracy import Accuracy

__all__ = ["Estimate", "estimate"]

_RESAMPLES = 10_000
_TAIL = 0.025
_SEED = 0
"""The same values have the same interval, whenever they are asked for."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """A mean over ``total`` problems, and its interval of 95 %; 0 from 0 to 1 of no problems."""

    value: float
    low: float
    high: float
    total: int


def estimate(values: Iterable[float]) -> Estimate:
    """The mean of a value for each problem, with the percentile bootstrap's interval over the problems.

    That is where the means of 95 % of 10,000 samples of as many problems lie, drawn from these with replacement (Efron
    1979). If all have the same value, 0 or 1, such samples say nothing of others, and the interval is `Accuracy`'s.
    """
    import numpy as np  # noqa: PLC0415 - takes its time

    counts = Counter(values)
    total = counts.total()
    if not total:
        return Estimate(0.0, 0.0, 1.0, 0)
    different = np.array(sorted(counts), dtype=float)
    numbers = np.array([counts[value] for value in sorted(counts)])
    mean = float(different @ numbers) / total
    if len(counts) == 1:
        low, high = Accuracy(round(mean * total), total).interval() if mean in (0.0, 1.0) else (mean, mean)
        return Estimate(mean, low, high, total)
    # How often each value is in a sample is all that its mean depends on.
    samples = np.random.default_rng(_SEED).multinomial(total, numbers / total, size=_RESAMPLES)
    low, high = np.quantile(samples @ different / total, (_TAIL, 1 - _TAIL))
    return Estimate(mean, float(low), float(high), total)
