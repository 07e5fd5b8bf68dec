"""A share of problems."""

from __future__ import annotations

import math
from dataclasses import dataclass

__all__ = ["Accuracy"]

_NORMAL_QUANTILE = 1.959963984540054
"""Two-sided, 95 %."""


@dataclass(frozen=True, slots=True)
class Accuracy:
    """``correct`` out of ``total`` problems."""

    correct: int
    total: int

    @property
    def value(self) -> float:
        """The share, 0.0 of nothing."""
        return self.correct / self.total if self.total else 0.0

    def interval(self) -> tuple[float, float]:
        """The 95 % score interval (Wilson 1927), which holds its level at 0 % and 100 % too."""
        if not self.total:
            return 0.0, 1.0
        squared = _NORMAL_QUANTILE**2
        centre = self.value + squared / (2 * self.total)
        spread = _NORMAL_QUANTILE * math.sqrt(
            self.value * (1 - self.value) / self.total + squared / (4 * self.total**2)
        )
        scale = 1 + squared / self.total
        return max((centre - spread) / scale, 0.0), min((centre + spread) / scale, 1.0)
