"""One solution to learn from, and the file that holds them."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from asyncsearch.datasets.files import Record
from asyncsearch.errors import DatasetError, shown
from asyncsearch.format import Format
from asyncsearch.json_records import read_json_records
from asyncsearch.scoring.solutions import read_solutions

__all__ = ["Dropped", "TrainingSolution", "read_training_solution", "read_training_solutions"]

_LABELS = "labels"


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingSolution:
    """A problem and the steps of one solution.

    ``labels`` has one number in [0, 1] per step: how sure it is that all is right up to it, 1 and 0 where somebody
    has said so; None for a step of which nobody has. It is None where no step was looked at: the solution is
    there to be imitated. ``answer`` is what the solution comes to, where that is known.
    """

    problem: str
    steps: tuple[str, ...]
    labels: tuple[float | None, ...] | None = None
    answer: str | None = None

    def to_record(self) -> dict[str, Any]:
        """What a file has of it."""
        found: dict[str, Any] = {"problem": self.problem, "steps": self.steps}
        if self.labels is not None:
            found["labels"] = [int(label) if label in (0, 1) else label for label in self.labels]
        if self.answer is not None:
            found["answer"] = self.answer
        return found


@dataclass(frozen=True, slots=True)
class Dropped:
    """What a dataset holds that cannot be learned from, and why: the same words for the same reason."""

    reason: str


def read_training_solutions(path: Path, *, format: Format | None = None) -> Iterator[TrainingSolution]:
    """The solutions of a file, JSON objects one a line or in a list, one after the other.

    Raises:
        DatasetError: the file cannot be read, or as `read_training_solution`.
    """
    for record in read_json_records(path):
        yield read_training_solution(record, format=format)


def read_training_solution(record: Record, *, format: Format | None = None) -> TrainingSolution:
    """The solution in a record.

    It has ``problem``, and ``steps`` or what else `read_solutions` takes for one: a text under ``solution`` or
    ``output`` falls into steps as ``format`` says. It may have ``labels``.

    Raises:
        DatasetError: there is none, or its labels do not fit its steps; the message says where.
    """
    read = read_solutions(_with_known_names(record), format)
    if len(read.steps) != 1:
        raise DatasetError(f"{record.where}: has {len(read.steps)} solutions; here a record holds one")
    (steps,) = read.steps
    if not steps:
        raise DatasetError(f"{record.where}: its solution is blank")
    return TrainingSolution(problem=read.problem, steps=steps, labels=_labels_in(record, len(steps)))


def _with_known_names(record: Record) -> Record:
    """The record of a file made for the reference's ``hf_train.py``, which calls the problem ``input``."""
    if "input" not in record.content or "problem" in record.content:
        return record
    return Record(name=record.name, where=record.where, content={**record.content, "problem": record.content["input"]})


def _labels_in(record: Record, steps: int) -> tuple[float | None, ...] | None:
    labels = record.content.get(_LABELS)
    if labels is None:
        return None
    if not (isinstance(labels, list) and all(map(_is_label, labels))):
        raise DatasetError(f"{record.where}: {_LABELS!r} must be a list of numbers from 0 to 1, not {shown(labels)}")
    if len(labels) != steps:
        raise DatasetError(f"{record.where}: has {len(labels)} labels for {steps} steps")
    return tuple(None if label is None else float(label) for label in labels)


def _is_label(label: Any) -> bool:
    return label is None or (isinstance(label, int | float) and math.isfinite(label) and 0 <= label <= 1)
