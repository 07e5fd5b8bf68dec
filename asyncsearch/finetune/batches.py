"""Rows as tensors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.data import Dataset

from asyncsearch.finetune.rows import Row
from asyncsearch.finetune.sequences import IGNORED, TrainingSequence

__all__ = ["Batches", "RowDataset"]

_LENGTH_UNIT = 16
"""Batches are padded to multiples of it: few shapes, so that the CPU kernels built for them are used again."""


class RowDataset(Dataset[dict[str, Any]]):
    """The rows of a training: tokens and targets; where rows are packed, also each token's position in its sequence."""

    def __init__(self, sequences: Sequence[TrainingSequence], rows: Sequence[Row]) -> None:
        self._sequences = sequences
        self._rows = rows
        self._is_packed = any(len(row) > 1 for row in rows)

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, index: int) -> dict[str, Any]:
        sequences = [self._sequences[one] for one in self._rows[index]]
        targets = [sequence.targets.copy() for sequence in sequences]
        for target in targets[1:]:
            # Where targets are the next token, the first one of a sequence would be predicted by another.
            target[0] = IGNORED
        row: dict[str, Any] = {
            "input_ids": np.concatenate([sequence.tokens for sequence in sequences]),
            "labels": np.concatenate(targets),
        }
        if self._is_packed:
            row["position_ids"] = np.concatenate([np.arange(len(sequence)) for sequence in sequences])
        return row


@dataclass(frozen=True, slots=True)
class Batches:
    """Puts rows into a batch: padded on the right, or ``flat``, one behind the other in a single row.

    Positions that begin anew tell sequences apart: transformers then lets none see another, in sdpa and eager attention
    in any row, in flash attention only in a batch of one; so that wants them flat. Padding on the right needs no
    attention mask in a causal model.
    """

    padding: int
    flat: bool = False

    def __call__(self, rows: Sequence[dict[str, Any]]) -> dict[str, torch.Tensor]:
        """Tensors of [rows, tokens]; of [1, tokens] where they are flat."""
        if self.flat:
            return {name: _tensor(np.concatenate([row[name] for row in rows])[None]) for name in rows[0]}
        longest = max(len(row["input_ids"]) for row in rows)
        longest += -longest % _LENGTH_UNIT
        padding = {
            "input_ids": np.full(longest, self.padding),
            "labels": np.full(longest, IGNORED),
            "position_ids": np.arange(longest),  # a sequence of its own
        }
        return {
            name: _tensor(np.stack([_padded(row[name], padding[name], longest) for row in rows])) for name in rows[0]
        }


def _padded(values: NDArray[Any], padding: NDArray[Any], length: int) -> NDArray[Any]:
    return np.concatenate([values, padding[: length - len(values)].astype(values.dtype)])


def _tensor(values: NDArray[Any]) -> torch.Tensor:
    found = torch.from_numpy(values)
    return found if found.is_floating_point() else found.long()
