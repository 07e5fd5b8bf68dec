"""Draws that are made before anybody asks for them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from asyncsearch.growth import Growth, grow_all
from asyncsearch.tree import Node, NodeState

__all__ = ["Foresee", "Speculation"]

Foresee: TypeAlias = Callable[[Sequence[Node], Sequence[Node]], Sequence[int]]
"""How many children each node of a level will get that is settled, while others still grow: a guess."""


@dataclass(slots=True, eq=False)
class _Level:
    """Nodes that are expanded together: those that are settled, of which so many were there at the last look."""

    growths: list[Growth] = field(default_factory=list)
    settled: list[Node] = field(default_factory=list)
    looked_at: int = 0


class Speculation:
    """Children that will probably be asked for, of nodes whose level is not settled yet, and children of theirs.

    The first level is the expansion that is under way. Each of the ``ahead`` levels after it is made of what is
    foreseen of the one before, which is looked at again whenever as many more of its nodes have settled as still grow:
    a pass over new prompts holds up all that a model decodes, and one for each node would cost more than it brings.

    ``begin`` makes what grows a child, by its parent and draw.
    """

    def __init__(self, foresee: Foresee, begin: Callable[[Node, int], Growth], *, ahead: int) -> None:
        self._foresee = foresee
        self._begin = begin
        self._levels = [_Level() for _ in range(ahead + 1)]
        self._begun: Counter[Node] = Counter()
        self._untaken: dict[tuple[Node, int], Growth] = {}
        self._taken: dict[Node, Growth] = {}
        self._growing: list[Growth] = []
        self._error: Exception | None = None

    def take(self, parent: Node, draw: int) -> Node | None:
        """The child of this draw, if it has been begun: from now on somebody wants it."""
        growth = self._untaken.pop((parent, draw), None)
        if growth is None:
            return None
        growth.want()
        self._taken[growth.node] = growth
        return growth.node

    def growth_of(self, node: Node) -> Growth | None:
        """What grows a child that was taken."""
        return self._taken.pop(node, None)

    def expand(self, growths: Sequence[Growth]) -> list[Node]:
        """These are what is expanded now. All that continues none of them is given up, and returned.

        Raises:
            Exception: what the strategy's foresight has raised since the last time.
        """
        if self._error is not None:
            raise self._error
        kept = {growth.node for growth in growths}
        following = self._levels[2:]  # what grows in these tells them when it has ended
        for level in following:
            level.growths = [growth for growth in level.growths if growth.node.parent in kept]
            kept.update(growth.node for growth in level.growths)
            level.settled = [node for node in level.settled if node in kept]
            level.looked_at = 0
        self._levels = [_Level(list(growths)), *following, _Level()]
        dropped = [key for key in self._untaken if key[0] not in kept]
        given_up = [self._untaken.pop(key) for key in dropped]
        for growth in given_up:
            growth.withdraw()
        self._begun = Counter(parent for parent, _ in self._untaken)
        self._growing = [growth for growth in self._growing if not growth.ended]
        return [growth.node for growth in given_up]

    def note_settled(self, node: Node) -> None:
        """A node of the expansion is settled, and may be continued."""
        self._settled(self._levels[0], node)

    def _settled(self, level: _Level, node: Node) -> None:
        level.settled.append(node)
        depth = self._levels.index(level)
        growing = [growth.node for growth in level.growths if not growth.ended]
        if depth == len(self._levels) - 1 or not (growing or depth):
            return  # there is nothing ahead, or the strategy itself goes on at once
        if len(level.settled) - level.looked_at >= max(len(growing), 1):
            level.looked_at = len(level.settled)
            self._begin_children(level.settled, growing, self._levels[depth + 1])

    def _begin_children(self, settled: Sequence[Node], growing: Sequence[Node], following: _Level) -> None:
        for node, wanted in zip(list(settled), self._foresee(settled, growing), strict=True):
            if node.state is NodeState.OPEN:
                for draw in range(self._begun[node], wanted):
                    self._begun[node] += 1
                    growth = self._untaken[node, draw] = self._begin(node, draw)
                    following.growths.append(growth)
                    self._growing.append(growth)
                    growth.when_ended(lambda growth: self._end_of(growth, following))
                    growth.begin()

    def _end_of(self, growth: Growth, level: _Level) -> None:
        """A node that nobody has asked for is settled, unless it was given up."""
        if level in self._levels and growth.node.state is not NodeState.PENDING:
            try:
                self._settled(level, growth.node)
            except Exception as error:  # noqa: BLE001 - whoever delivers has nothing to do with it
                self._error = error

    async def end(self) -> list[Node]:
        """Give up all that still grows. When that has ended, return all that nobody has taken."""
        self._error = None
        dropped = self.expand(())
        for growth in self._growing:
            growth.withdraw()
        await grow_all([growth for growth in self._growing if not growth.ended])
        return dropped
