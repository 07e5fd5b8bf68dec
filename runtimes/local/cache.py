"""Keys and values: of the batch being computed, and of every prefix that some tree still uses."""

from __future__ import annotations

import itertools
import math
import weakref
from collections import OrderedDict, deque
from dataclasses import dataclass
from typing import Any

import torch
from transformers.cache_utils import Cache, CacheLayerMixin

from runtimes.base import Prefix

__all__ = ["BatchCache", "PrefixStore", "Segment", "token_bytes"]

_COLUMN_BLOCK = 64


def token_bytes(config: Any, dtype: torch.dtype) -> int:
    """Bytes that a token's keys and values take, in all layers."""
    heads = config.num_attention_heads
    groups = getattr(config, "num_key_value_heads", None) or heads
    size = getattr(config, "head_dim", None) or config.hidden_size // heads
    return int(2 * config.num_hidden_layers * groups * size * dtype.itemsize)


class BatchCache(Cache):
    """The keys and values of a batch of sequences, each row with a length of its own.

    One tensor of shape [layers, 2, rows, heads, columns, head size], allocated at the first forward pass and
    grown as needed. Token i of a sequence is always in column i, so that sequences can join and leave
    without moving the others; whatever stands beyond a row's length is masked out.
    """

    def __init__(self, layers: int) -> None:
        super().__init__(layers=[_Layer(self, index) for index in range(layers)])
        self.storage: torch.Tensor | None = None
        self._memory: torch.Tensor | None = None
        self.positions = torch.empty(0, 0, dtype=torch.long)
        self.used_columns = 0  # that the next forward pass looks at
        self._rows, self._columns = 0, 0

    def restart(self, rows: int, columns: int) -> None:
        """Begin another batch of so many rows and columns, in the same memory where it is enough."""
        self.storage = None
        self._rows, self._columns = rows, columns + -columns % _COLUMN_BLOCK

    def reserve(self, rows: int, columns: int) -> None:
        """Make room for at least so many rows and columns; what is stored stays."""
        columns += -columns % _COLUMN_BLOCK
        if self._rows < rows:
            rows = max(rows, 2 * self._rows)  # growing copies everything: rarely, then
        if rows <= self._rows and columns <= self._columns:
            return
        self._rows, self._columns = max(rows, self._rows), max(columns, self._columns)
        if self.storage is not None:
            old = self.storage
            self._memory = None
            layers, pair, old_rows, heads, old_columns, size = old.shape
            self.storage = old.new_zeros(layers, pair, self._rows, heads, self._columns, size)
            self.storage[:, :, :old_rows, :, :old_columns] = old

    def place(self, positions: torch.Tensor) -> torch.Tensor:
        """Say where the next forward pass writes: token [row, i] at column ``positions[row, i]``.

        Returns:
            The attention mask that goes with it: [rows, 1, tokens, columns], True where a token may look.
        """
        self.positions = positions
        last = int(positions.max()) + 1
        self.used_columns = min(last + -last % 16, self._columns)
        columns = torch.arange(self.used_columns, device=positions.device)
        return (columns <= positions[..., None])[:, None]

    def allocate(self, like: torch.Tensor) -> torch.Tensor:
        """The storage, made for keys like these where there is none yet."""
        if self.storage is None:
            heads, size = like.shape[1], like.shape[3]
            shape = (len(self.layers), 2, self._rows, heads, self._columns, size)
            needed = math.prod(shape)
            if self._memory is None or self._memory.numel() < needed:
                self._memory = like.new_zeros(needed)  # what is masked out must be finite all the same
            self.storage = self._memory[:needed].view(shape)
        return self.storage

    def load(self, row: int, begin: int, keys_values: torch.Tensor) -> None:
        """Copy a segment, [layers, 2, heads, tokens, head size], into a row from column ``begin`` on."""
        storage = self.allocate(keys_values[0])
        storage[:, :, row, :, begin : begin + keys_values.shape[3]] = keys_values

    def save(self, row: int, begin: int, end: int) -> torch.Tensor:
        """A copy of columns ``begin`` to ``end`` of a row: [layers, 2, heads, end - begin, head size]."""
        assert self.storage is not None
        return self.storage[:, :, row, :, begin:end].clone()

    def heal(self) -> None:
        """Remove what is not a number; masked or not, it would spread."""
        if self.storage is not None:
            self.storage.nan_to_num_(nan=0.0, posinf=0.0, neginf=0.0)

    def move(self, source: int, target: int, columns: int) -> None:
        """Overwrite a row with another's first columns."""
        assert self.storage is not None
        self.storage[:, :, target, :, :columns] = self.storage[:, :, source, :, :columns]


class _Layer(CacheLayerMixin):
    """One layer's share of a `BatchCache`, in the form that transformers' models ask for."""

    def __init__(self, cache: BatchCache, index: int) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._cache = cache
        self._index = index
        self.is_initialized = True

    def lazy_initialization(self, key_states: torch.Tensor, value_states: torch.Tensor) -> None:
        """Nothing: the storage is the whole cache's."""

    def update(
        self, key_states: torch.Tensor, value_states: torch.Tensor, *args: object, **kwargs: object
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Write the new tokens' keys and values, and hand back all that the batch looks at."""
        storage = self._cache.allocate(key_states)
        positions = self._cache.positions
        rows = positions.shape[0]
        row_index = torch.arange(rows, device=positions.device)[:, None]
        keys, values = storage[self._index, 0], storage[self._index, 1]
        keys[row_index, :, positions] = key_states.transpose(1, 2)
        values[row_index, :, positions] = value_states.transpose(1, 2)
        columns = self._cache.used_columns
        return keys[:rows, :, :columns], values[:rows, :, :columns]

    def get_mask_sizes(self, query_length: int) -> tuple[int, int]:
        """Length and offset of the mask; the mask itself is always given."""
        return self._cache.used_columns, 0

    def get_seq_length(self) -> int:
        """Unused: positions are always given."""
        return 0

    def get_max_length(self) -> int:
        """No bound of its own."""
        return -1


@dataclass(slots=True, eq=False, weakref_slot=True)
class Segment:
    """What is known of one prefix segment: its tokens, and keys and values of the first ``covered`` of them."""

    tokens: tuple[int, ...]
    covered: int = 0
    keys_values: torch.Tensor | None = None
    serial: int = -1


class PrefixStore:
    """Tokens, keys and values of prefixes, for as long as somebody holds the prefix.

    Whenever `shrink` is called, keys and values are cut back to ``capacity`` bytes: those not used for longest
    are dropped first, and are computed again when they are needed.
    """

    def __init__(self, capacity: int) -> None:
        self.capacity = capacity
        self._segments: weakref.WeakKeyDictionary[Prefix, Segment] = weakref.WeakKeyDictionary()
        self._recent: OrderedDict[int, tuple[weakref.ref[Segment], int]] = OrderedDict()
        self._serials = itertools.count()
        self._bytes = 0
        self._dead: deque[int] = deque()

    def get(self, prefix: Prefix) -> Segment | None:
        """What is known of a prefix's last segment."""
        return self._segments.get(prefix)

    def add(self, prefix: Prefix, tokens: tuple[int, ...]) -> Segment:
        """Remember a segment's tokens."""
        segment = self._segments[prefix] = Segment(tokens)
        return segment

    def cover(self, segment: Segment, keys_values: torch.Tensor) -> None:
        """Remember keys and values of a segment's first tokens."""
        self._forget(segment.serial)
        segment.covered = keys_values.shape[3]
        segment.keys_values = keys_values
        segment.serial = serial = next(self._serials)
        size = keys_values.numel() * keys_values.element_size()
        # The callback may run on any thread; all it does is leave a note.
        self._recent[serial] = weakref.ref(segment, lambda _: self._dead.append(serial)), size
        self._bytes += size

    def touch(self, segment: Segment) -> None:
        """Say that a segment was used just now."""
        if segment.serial in self._recent:
            self._recent.move_to_end(segment.serial)

    def _forget(self, serial: int) -> None:
        _, size = self._recent.pop(serial, (None, 0))
        self._bytes -= size

    def shrink(self) -> None:
        """Drop what is over the capacity. Nothing is dropped at any other time."""
        while self._dead:
            self._forget(self._dead.popleft())
        while self._bytes > self.capacity and self._recent:
            _, (reference, size) = self._recent.popitem(last=False)
            self._bytes -= size
            if (segment := reference()) is not None:
                segment.keys_values, segment.covered = None, 0
