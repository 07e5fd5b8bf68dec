"""Draws that are made before anybody asks for them."""

from __future__ import annotations

from collections.abc import Sequence

from asyncsearch.growth import Growth, grow_all
from asyncsearch.tree import Node

__all__ = ["Speculation"]


class Speculation:
    """Children that may be asked for, ``draws`` of a parent, and grow meanwhile."""

    def __init__(self, *, draws: int) -> None:
        self.draws = draws
        self._untaken: dict[tuple[Node, int], Growth] = {}
        self._taken: dict[Node, Growth] = {}
        self._growing: list[Growth] = []

    def begin(self, parent: Node, growths: Sequence[Growth]) -> None:
        """Grow children of a parent, which are not in its tree."""
        for growth in growths:
            self._untaken[parent, growth.node.draw] = growth
            growth.begin()
        self._growing += growths

    def take(self, parent: Node, draw: int) -> Node | None:
        """The child of this draw, if it has been begun: from now on somebody wants it."""
        growth = self._untaken.pop((parent, draw), None)
        if growth is None:
            return None
        self._taken[growth.node] = growth
        return growth.node

    def growth_of(self, node: Node) -> Growth | None:
        """What grows a child that was taken."""
        return self._taken.pop(node, None)

    def drop(self) -> list[Node]:
        """Give up all that nobody has taken, and return it."""
        dropped = list(self._untaken.values())
        self._untaken.clear()
        for growth in dropped:
            growth.withdraw()
        self._growing = [growth for growth in self._growing if not growth.ended]
        return [growth.node for growth in dropped]

    async def end(self) -> None:
        """Give up all that still grows, and wait until what that has cost is written down."""
        for growth in self._growing:
            growth.withdraw()
        await grow_all([growth for growth in self._growing if not growth.ended])
