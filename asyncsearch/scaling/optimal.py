"""What is worth its cost: pure arithmetic."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TypeVar

__all__ = ["compute_optimal", "pareto_frontier"]

T = TypeVar("T")


def pareto_frontier(points: Sequence[T], *, cost: Callable[[T], float], error: Callable[[T], float]) -> list[T]:
    """The points that no other is as good and as cheap as, the cheapest first: each is better than the one before."""
    frontier: list[T] = []
    least = math.inf
    for point in sorted(points, key=lambda point: (cost(point), error(point))):
        if error(point) < least:
            frontier.append(point)
            least = error(point)
    return frontier


def compute_optimal(
    points: Sequence[T], budget: float, *, cost: Callable[[T], float], error: Callable[[T], float]
) -> T | None:
    """The best point within a budget, and of equally good ones the cheapest; None where there is none.

    This is what Wu et al. 2024 (arXiv 2408.00724) call compute-optimal inference.
    """
    within = [point for point in pareto_frontier(points, cost=cost, error=error) if cost(point) <= budget]
    return within[-1] if within else None
