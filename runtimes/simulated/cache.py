"""What a server holds in its memory of keys and values: prefixes in use, and those it has not thrown out yet."""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Iterable
from weakref import WeakSet

from runtimes.base import Prefix
from runtimes.simulated.world import tokens_in

__all__ = ["PrefixCache"]


class PrefixCache:
    """Room for ``capacity`` tokens; without limit what somebody still uses is held, and nothing else needs to be.

    What a sequence continues stays while it is decoded. Of the rest, what has not been used for longest is thrown out
    first, a prefix after all that continue it.
    """

    def __init__(self, capacity: int | None) -> None:
        self._capacity = capacity
        self._seen: WeakSet[Prefix] = WeakSet()
        self._held: OrderedDict[Prefix, int] = OrderedDict()
        self._pins: Counter[Prefix] = Counter()
        self._users = 0
        self._used = 0
        self._reserved = 0

    def count(self, prefix: Prefix) -> tuple[int, int]:
        """Tokens of a text, and those of them that are held; the last one is always computed."""
        total = cached = 0
        held = self._seen if self._capacity is None else self._held
        for segment in prefix.segments():
            tokens = tokens_in(segment)
            total += tokens
            cached = cached + tokens if segment in held else 0
        return total, min(cached, total - 1)

    def hold(self, prefix: Prefix, generated: int) -> bool:
        """Make room for a sequence that continues a prefix by so many tokens, if there is any to be made."""
        segments = list(prefix.segments())
        if self._capacity is None:
            self._seen.update(segments)
            return True
        self._pins.update(segments)
        missing = {segment: tokens_in(segment) for segment in segments if segment not in self._held}
        wanted = sum(missing.values()) + generated
        if not self._evict(self._capacity - wanted) and self._users:
            self._unpin(segments)
            return False
        self._users += 1
        self._held.update(missing)
        self._used += sum(missing.values())
        self._reserved += generated
        for segment in segments:
            self._held.move_to_end(segment)
        return True

    def release(self, prefix: Prefix, generated: int, written: Prefix | None) -> None:
        """Let go of a sequence; what it has ``written`` stays for a while."""
        if self._capacity is None:
            if written is not None:
                self._seen.add(written)
            return
        self._users -= 1
        self._reserved -= generated
        self._unpin(prefix.segments())
        if written is not None and written not in self._held:
            self._held[written] = tokens_in(written)
            self._used += self._held[written]
            for segment in prefix.segments():  # newer than what continues it
                self._held.move_to_end(segment)

    def remember(self, prefix: Prefix) -> None:
        """Hold what has been written or read before, as long as there is room."""
        if self.hold(prefix, 0):
            self.release(prefix, 0, None)

    def _unpin(self, segments: Iterable[Prefix]) -> None:
        for segment in segments:
            self._pins[segment] -= 1
            if not self._pins[segment]:
                del self._pins[segment]

    def _evict(self, room: int) -> bool:
        """Throw out until no more than so many tokens are in use, and say whether that is so."""
        for _ in range(len(self._held)):
            if self._used + self._reserved <= room:
                break
            prefix, tokens = self._held.popitem(last=False)
            if prefix in self._pins:
                self._held[prefix] = tokens
            else:
                self._used -= tokens
        return self._used + self._reserved <= room
