"""Draws that are made before anybody asks for them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field

import anyio
from anyio.abc import TaskGroup

from asyncsearch.tree import Node

__all__ = ["Speculation"]


@dataclass(slots=True, eq=False)
class _Ahead:
    """A node that is being grown, in a scope of its own."""

    node: Node
    scope: anyio.CancelScope = field(default_factory=anyio.CancelScope)
    ended: anyio.Event = field(default_factory=anyio.Event)


class Speculation:
    """Grows children that may be asked for, ``draws`` of a parent.

    Args:
        tasks: that own what grows.
        grow: grows a node that is pending until it is settled.
        draws: see above.
    """

    def __init__(self, tasks: TaskGroup, grow: Callable[[Node], Awaitable[None]], *, draws: int) -> None:
        self.draws = draws
        self._tasks = tasks
        self._grow = grow
        self._untaken: dict[tuple[Node, int], _Ahead] = {}
        self._taken: dict[Node, _Ahead] = {}

    def begin(self, parent: Node, children: Sequence[Node]) -> None:
        """Grow children of a parent, which are not in its tree."""
        for child in children:
            ahead = self._untaken[parent, child.draw] = _Ahead(child)
            self._tasks.start_soon(self._run, ahead)

    def take(self, parent: Node, draw: int) -> Node | None:
        """The child of this draw, if it has been begun: from now on somebody wants it."""
        ahead = self._untaken.pop((parent, draw), None)
        if ahead is None:
            return None
        self._taken[ahead.node] = ahead
        return ahead.node

    async def wait(self, node: Node) -> None:
        """Wait until a child that was taken is settled; no other is waited for.

        Cancellation gives the child up, too.
        """
        ahead = self._taken.pop(node, None)
        if ahead is not None:
            try:
                await ahead.ended.wait()
            except BaseException:
                ahead.scope.cancel()
                raise

    def drop(self) -> list[Node]:
        """Give up all that nobody has taken, and return it."""
        dropped = list(self._untaken.values())
        self._untaken.clear()
        for ahead in dropped:
            ahead.scope.cancel()
        return [ahead.node for ahead in dropped]

    async def _run(self, ahead: _Ahead) -> None:
        try:
            with ahead.scope:
                await self._grow(ahead.node)
        finally:
            ahead.ended.set()
