"""Which problems are being searched: another one begins when the models have room for it."""

from __future__ import annotations

from dataclasses import dataclass

import anyio
from anyio.lowlevel import checkpoint

from asyncsearch.scheduler import Scheduler
from asyncsearch.tree import Tree

__all__ = ["Admission", "Place"]

_TURNS = 2
"""Of the event loop, until a search that has been started has asked for its first nodes."""

_SHARE_OF_CACHE = 1.25
"""What open trees may take: above 1, as some of them wait for scores, and what they hold is thrown out and computed
again for less than it costs to let a place stay free."""

_SILENT = 16
"""Problems at a time that have not asked for a node yet: what they will want is not known."""


@dataclass(slots=True, eq=False)
class Place:
    """A problem's place among those that are being searched; ``tree`` is known once the search has begun."""

    tree: Tree | None = None

    def hold(self, tree: Tree) -> None:
        """The tree that grows here."""
        self.tree = tree

    @property
    def is_silent(self) -> bool:
        """Whether its search has not asked for a node yet."""
        return self.tree is None or not self.tree.root.children


class Admission:
    """Lets problems begin, one after the other.

    That is when the policy has room for more than the open problems ask for, the reward model keeps up, and one more
    tree fits into their caches beside those that are open, with as many tokens as these hold on average. What does not
    fit is computed again at each level of its tree (ETS, Hooper et al., arXiv 2502.13575). One problem is always open.

    Args:
        scheduler: what the searches ask.
        most: problems at a time, whatever the models have room for; None for as many as they have.
        kv_tokens: tokens that their caches hold, None if unknown.
    """

    def __init__(self, scheduler: Scheduler, *, most: int | None, kv_tokens: int | None) -> None:
        self._scheduler = scheduler
        self._most = most
        self._kv_tokens = None if kv_tokens is None or most is not None else int(kv_tokens * _SHARE_OF_CACHE)
        self._open: set[Place] = set()
        self._silent: set[Place] = set()
        self._changed = anyio.Event()
        scheduler.when_room(self._change)

    async def enter(self) -> Place:
        """Wait until a problem may begin, and take its place; cancellation takes none."""
        for _ in range(_TURNS):
            await checkpoint()
        while self._open and not self._has_room():
            self._changed = anyio.Event()
            await self._changed.wait()
        place = Place()
        self._open.add(place)
        self._silent.add(place)
        return place

    def leave(self, place: Place) -> None:
        """The problem's search is over."""
        self._open.remove(place)
        self._silent.discard(place)
        self._change()

    def _change(self) -> None:
        self._changed.set()

    def _has_room(self) -> bool:
        if self._most is not None:
            return len(self._open) < self._most
        self._silent = {place for place in self._silent if place.is_silent}
        return len(self._silent) < _SILENT and self._scheduler.has_room and self._fits()

    def _fits(self) -> bool:
        if self._kv_tokens is None:
            return True
        held = [place.tree.held_tokens for place in self._open if place.tree is not None and place.tree.held_tokens]
        return not held or sum(held) / len(held) * (len(self._open) + 1) <= self._kv_tokens
