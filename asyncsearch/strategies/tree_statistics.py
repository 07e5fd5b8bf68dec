"""Visits and values of a Monte Carlo tree search, and what is selected by them: pure arithmetic, no I/O, no clock."""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field

__all__ = ["Visits", "puct", "uct"]


def uct(value: float, visits: int, parent_visits: int, exploration: float) -> float:
    """Upper confidence bound of a child: value + C sqrt(ln N / n) (Kocsis and Szepesvari 2006, UCT)."""
    return value + exploration * math.sqrt(math.log(parent_visits) / visits)


def puct(value: float, visits: int, parent_visits: int, exploration: float, prior: float) -> float:
    """The same with a prior: value + C P sqrt(N) / (1 + n) (Silver et al. 2017, AlphaZero, arXiv 1712.01815)."""
    return value + exploration * prior * math.sqrt(parent_visits) / (1 + visits)


@dataclass(slots=True)
class Visits:
    """How often each node was visited, and what came of it.

    A node's own evaluation is a visit, and so is each one below it: the visits of a parent are one more than the sum
    over its children. Its value is the mean of all of them.

    ``pending`` visits are on their way. They count as visits of value 0 (virtual loss; Chaslot et al. 2008), so that
    the next of a wave goes elsewhere.
    """

    visits: dict[Hashable, int] = field(default_factory=dict)
    totals: dict[Hashable, float] = field(default_factory=dict)
    pending: dict[Hashable, int] = field(default_factory=dict)

    def back_up(self, lineage: Sequence[Hashable], value: float) -> None:
        """Add a visit of this value to every node of a lineage."""
        for node in lineage:
            self.visits[node] = self.visits.get(node, 0) + 1
            self.totals[node] = self.totals.get(node, 0.0) + value

    def begin(self, lineage: Sequence[Hashable]) -> None:
        """Note that a visit is on its way to the end of a lineage."""
        for node in lineage:
            self.pending[node] = self.pending.get(node, 0) + 1

    def end(self, lineage: Sequence[Hashable]) -> None:
        """Note that it has come back."""
        for node in lineage:
            self.pending[node] -= 1

    def count(self, node: Hashable) -> int:
        """Visits, pending ones included."""
        return self.visits.get(node, 0) + self.pending.get(node, 0)

    def mean(self, node: Hashable) -> float:
        """The mean value of the visits, pending ones included; 0.0 where there are none."""
        count = self.count(node)
        return self.totals.get(node, 0.0) / count if count else 0.0
