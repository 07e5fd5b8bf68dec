"""Token ids of prefixes, for runtimes whose model is elsewhere."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate
from weakref import WeakKeyDictionary

from runtimes.base import Prefix
from runtimes.text import TextCodec

__all__ = ["PrefixTokens"]


class PrefixTokens:
    """Encodes each segment of a prefix once, for as long as a tree uses it.

    What a policy has written keeps the tokens that it was written in.
    """

    def __init__(self, codec: TextCodec) -> None:
        self.codec = codec
        self._known: WeakKeyDictionary[Prefix, tuple[int, ...]] = WeakKeyDictionary()

    def of(self, prefix: Prefix) -> list[int]:
        """The ids of the whole text."""
        return [token for segment in reversed([*prefix.segments()]) for token in self.of_segment(segment)]

    def of_segment(self, prefix: Prefix) -> tuple[int, ...]:
        """The ids of the last segment alone."""
        if prefix.token_ids is not None:
            return prefix.token_ids
        known = self._known.get(prefix)
        if known is None:
            known = self._known[prefix] = self.codec.encode_segment(prefix)
        return known

    def read_positions(self, reads: Sequence[Prefix]) -> list[int]:
        """The position of the last token of each of some prefixes, each but the last on the way to the next."""
        lengths = [len(self.of_segment(segment)) for segment in reads[-1].segments()]
        ends = dict(zip(reads[-1].segments(), reversed(list(accumulate(reversed(lengths)))), strict=True))
        return [ends[prefix] - 1 for prefix in reads]
