"""ProcessBench's solutions with their first mistake (Zheng et al., arXiv 2412.06559)."""

from __future__ import annotations

from collections.abc import Iterator

from asyncsearch.datasets.files import Record
from asyncsearch.errors import DatasetError, printable, shown
from asyncsearch.training_data.fields import text_in
from asyncsearch.training_data.solution import Dropped, TrainingSolution

__all__ = ["from_processbench"]


def from_processbench(record: Record) -> Iterator[TrainingSolution | Dropped]:
    """``problem``, ``steps``, and ``label``: the index of the first step with a mistake, -1 where there is none.

    Nothing is known of the steps behind it.

    Raises:
        DatasetError: the record has other fields, or the label is no step's.
    """
    problem, steps, first = text_in(record, "problem"), record.content.get("steps"), record.content.get("label")
    if not (isinstance(steps, list) and steps and all(isinstance(step, str) for step in steps)):
        raise DatasetError(f"{record.where}: 'steps' must be a list of texts, not {shown(steps)}")
    if not isinstance(first, int) or not -1 <= first < len(steps):
        raise DatasetError(f"{record.where}: 'label' must be the index of one of {len(steps)} steps, or -1")
    right = len(steps) if first == -1 else first
    labels = [1.0 if index < right else 0.0 if index == right else None for index in range(len(steps))]
    texts = tuple(printable(step).strip() for step in steps)
    if not all(texts):
        yield Dropped("one of its steps is blank")
    else:
        yield TrainingSolution(problem=problem.strip(), steps=texts, labels=tuple(labels))
