"""A problem to solve."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Problem"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """A question and, where it is known, the reference answer that grading compares with.

    ``id`` is unique in its dataset: seeds and results are addressed by it.
    """

    id: str
    text: str
    answer: str | None = None
