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

_SHARE_OF_CACHE = 0.9
"""What open trees may take; the rest is for what is being generated."""


@dataclass(slots=True, eq=False)
class Place:
    """A problem's place among those that are being searched; ``tree`` is known once the search has begun."""

    tree: Tree | None = None

    def hold(self, tree: Tree) -> None:
        """The tree that grows here."""
        self.tree = tree


class Admission:
    """Lets problems begin, one after the other.

    That is when the policy has room for more than the open problems ask for, the reward model keeps up, and the tokens
    of one more tree fit into their caches beside those of the trees that are open (a tree that does not is computed
    again at each of its levels: ETS, Hooper et al., arXiv 2502.13575). How many a tree takes is learned from those that
    have been grown. One problem is always open.

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
        self._finished = 0
        self._finished_tokens = 0
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
        return place

    def leave(self, place: Place) -> None:
        """The problem's search is over."""
        self._open.remove(place)
        if place.tree is not None:
            self._finished += 1
            self._finished_tokens += place.tree.peak_tokens
        self._change()

    def _change(self) -> None:
        self._changed.set()

    def _has_room(self) -> bool:
        if self._most is not None:
            return len(self._open) < self._most
        return self._scheduler.has_room and self._fits()

    def _fits(self) -> bool:
        if self._kv_tokens is None:
            return True
        held = [0 if place.tree is None else place.tree.peak_tokens for place in self._open]
        expected = self._finished_tokens // self._finished if self._finished else max(held)
        return sum(max(tokens, expected) for tokens in held) + expected <= self._kv_tokens
