"""Names for paths that tell them apart."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import PurePath

__all__ = ["distinct_names"]


def distinct_names(paths: Sequence[PurePath]) -> list[str]:
    """As much of each path's end as it takes for different paths to have different names."""
    different = set(paths)
    length = 1
    while length < max((len(path.parts) for path in paths), default=0):
        if len({_end(path, length) for path in different}) == len(different):
            break
        length += 1
    return [_end(path, length) for path in paths]


def _end(path: PurePath, length: int) -> str:
    return str(PurePath(*path.parts[-length:]))
