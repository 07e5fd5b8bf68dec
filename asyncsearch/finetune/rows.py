"""Which sequences go through the model together, and in which order."""

from __future__ import annotations

import bisect
import math
import random
from collections.abc import Iterator, Sequence
from itertools import chain, count, islice
from typing import TypeAlias

__all__ = ["Row", "arrange"]

Row: TypeAlias = tuple[int, ...]
"""The indices of the sequences in one row of a batch: one, or with packing as many as fit."""

_BATCHES_SORTED = 50


def arrange(
    lengths: Sequence[int],
    *,
    batch_size: int,
    seed: int,
    longest: int | None = None,
    epochs: float | None = None,
    steps: int | None = None,
) -> list[Row]:
    """The rows of all batches of a training, in order; every epoch has an order of its own.

    With ``longest``, sequences are packed: rows have up to so many tokens. Without it a batch has sequences of about
    equal length, so that little of it is padding; the batches are in no order, for going from short to long over and
    over unsettles a small model. The same seed gives the same rows.

    Args:
        lengths: tokens of each sequence.
        batch_size: rows of a batch; the last one of all may be smaller.
        seed: of the order.
        longest: tokens of a packed row; None for one sequence a row.
        epochs: how often each sequence is seen, perhaps not a whole number.
        steps: how many batches there are instead.
    """
    assert (epochs is None) != (steps is None)
    every = (_epoch(lengths, batch_size, longest, random.Random(f"{seed} {epoch}")) for epoch in count())
    if steps is not None:
        return [*islice(chain.from_iterable(every), steps * batch_size)]
    assert epochs is not None
    whole, part = int(epochs), epochs - int(epochs)
    rows = [*chain.from_iterable(islice(every, whole))]
    if part:
        last = next(every)
        rows += last[: math.ceil(part * len(last))]
    return rows


def _epoch(lengths: Sequence[int], batch_size: int, longest: int | None, source: random.Random) -> list[Row]:
    shuffled = source.sample(range(len(lengths)), len(lengths))
    if longest is not None:
        rows = [*_packed(shuffled, lengths, longest)]
        source.shuffle(rows)
        return rows
    return [(index,) for index in _in_batches_of_equal_length(shuffled, lengths, batch_size, source)]


def _in_batches_of_equal_length(
    shuffled: Sequence[int], lengths: Sequence[int], batch_size: int, source: random.Random
) -> Iterator[int]:
    for begin in range(0, len(shuffled), batch_size * _BATCHES_SORTED):
        group = sorted(shuffled[begin : begin + batch_size * _BATCHES_SORTED], key=lambda index: lengths[index])
        batches = [group[at : at + batch_size] for at in range(0, len(group), batch_size)]
        batches.sort(key=lambda batch: (len(batch) < batch_size, source.random()))  # a small one last
        yield from chain.from_iterable(batches)


def _packed(order: Sequence[int], lengths: Sequence[int], longest: int) -> Iterator[Row]:
    """Best fit: each sequence goes to the row with the least room that it fits into."""
    rooms: list[tuple[int, int]] = []  # of the rows that are not full: room and number, the least room first
    rows: list[list[int]] = []
    for index in order:
        place = bisect.bisect_left(rooms, (lengths[index], 0))
        if place < len(rooms):
            room, row = rooms.pop(place)
        else:
            room, row = longest, len(rows)
            rows.append([])
        rows[row].append(index)
        if room > lengths[index]:
            bisect.insort(rooms, (room - lengths[index], row))
    yield from map(tuple, rows)
