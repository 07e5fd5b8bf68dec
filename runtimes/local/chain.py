"""A prefix as the local runtime sees it: a chain of segments whose keys and values may be known."""

from __future__ import annotations

from dataclasses import dataclass, field

from runtimes.base import Prefix
from runtimes.local.cache import BatchCache, PrefixStore, Segment

__all__ = ["Chain"]


@dataclass(slots=True, eq=False)
class Chain:
    """The segments of a prefix, oldest first, and each one's own prefix; ``length`` counts all tokens."""

    prefixes: list[Prefix]
    segments: list[Segment]
    length: int = field(init=False)

    def __post_init__(self) -> None:
        self.length = sum(len(segment.tokens) for segment in self.segments)

    def claim(self, claimed: set[Prefix]) -> int:
        """How many tokens need not be computed for this chain alone, and mark the rest as being computed.

        A token is reused if its keys and values are there, or if another chain has ``claimed`` its segment.
        """
        reused = 0
        for prefix, segment in zip(self.prefixes, self.segments, strict=True):
            known = len(segment.tokens) if prefix in claimed else segment.covered
            reused += known
            if known < len(segment.tokens):
                break
        claimed.update(self.prefixes)
        return reused

    def covered(self) -> int:
        """How many tokens from the beginning have keys and values."""
        total = 0
        for segment in self.segments:
            total += segment.covered
            if segment.covered < len(segment.tokens):
                break
        return total

    def slice(self, begin: int, end: int) -> list[int]:
        """The tokens from ``begin`` to ``end``."""
        tokens: list[int] = []
        position = 0
        for segment in self.segments:
            after = position + len(segment.tokens)
            if after > begin and position < end:
                tokens += segment.tokens[max(begin - position, 0) : end - position]
            position = after
        return tokens

    def segment_at(self, token: int) -> tuple[Prefix, int]:
        """The prefix whose last segment holds a token, and where that segment ends."""
        end = 0
        for prefix, segment in zip(self.prefixes, self.segments, strict=True):
            end += len(segment.tokens)
            if end > token:
                return prefix, end
        raise IndexError(f"token {token} of a chain of {self.length}")

    def load_into(self, batch: BatchCache, row: int, end: int) -> None:
        """Copy the keys and values of the first ``end`` tokens into a row."""
        begin = 0
        for segment in self.segments:
            if begin >= end:
                break
            if segment.keys_values is not None:
                batch.load(row, begin, segment.keys_values[:, :, :, : end - begin])
            begin += len(segment.tokens)

    def save_from(self, batch: BatchCache, row: int, begin: int, end: int, store: PrefixStore) -> None:
        """Keep what a row has between two tokens, of the segments that were not covered whole."""
        start = 0
        for segment in self.segments:
            stop = min(start + len(segment.tokens), end)
            if stop > begin and stop - start > segment.covered:
                store.cover(segment, batch.save(row, start, stop))
            start += len(segment.tokens)
