"""A problem to solve."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass

import orjson

__all__ = ["Problem", "digest"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """A question and, where it is known, the reference answer that grading compares with.

    ``id`` is unique in its dataset: seeds and results are addressed by it. ``level`` and ``subject`` are what a dataset
    sorts its problems by, if it does: results are told apart by them.
    """

    id: str
    text: str
    answer: str | None = None
    level: str | None = None
    subject: str | None = None


def digest(problems: Iterable[Problem]) -> str:
    """What tells one dataset from another: its problems, in their order."""
    seen = hashlib.sha256()
    for problem in problems:
        sorted_by = [problem.level, problem.subject] if problem.level or problem.subject else []
        seen.update(orjson.dumps([problem.id, problem.text, problem.answer, *sorted_by]))
    return seen.hexdigest()
