"""The solutions in a record, and the record with their scores."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from asyncsearch.datasets.files import Record
from asyncsearch.errors import DatasetError, printable, shown
from asyncsearch.format import FORMATS, Format
from asyncsearch.reference import problem_of, solution_of
from asyncsearch.rewards import REWARD_FORMATS, aggregate

__all__ = ["SolutionScores", "Solutions", "read_solutions", "with_scores"]

_PROBLEM = ("problem", "question", "prompt")
_SEVERAL = ("model_answer", "solutions", "responses", "completions", "candidates", "samples")
_ONE = ("steps", "response", "completion", "output", "text", "solution")
"""What fields are called, the likeliest first; a dataset's own ``solution`` may stand beside a model's."""

_TAG = re.compile(rf"(?<!\w){re.escape(REWARD_FORMATS['reference-head'].tag[0].text.strip())}(?!\w)")
"""What the policies of Math-Shepherd and of the REBASE reference write behind a step; no part of a Russian word."""


@dataclass(frozen=True, slots=True)
class Solutions:
    """A problem, and of each solution the texts of its steps."""

    problem: str
    steps: tuple[tuple[str, ...], ...]


@dataclass(frozen=True, slots=True)
class SolutionScores:
    """A score in [0, 1] for each step of a solution; or none, and why."""

    step_scores: tuple[float, ...] = ()
    error: str | None = None


def read_solutions(record: Record, format: Format | None) -> Solutions:
    """The solutions in a record, each of them a text, a list of steps, or an object that holds one of these.

    There is one under ``solution``, ``response`` or the like, or under ``steps``; or there are several in a list, under
    ``solutions``, ``responses`` or the like, or ``model_answer``, as in the files of the REBASE reference. A prompt in
    front is left out. A text falls into steps as ``format`` says; or, without one, at the step tags that are in it, or
    where "Step 2" and so on begin.

    Raises:
        DatasetError: it is no such record; the message says where.
    """
    problem = next((record.content[name] for name in _PROBLEM if record.content.get(name) is not None), None)
    if not isinstance(problem, str):
        names = ", ".join(map(repr, record.content)) or "nothing"
        raise DatasetError(f"{record.where}: has no 'problem' (or 'question') that is a text; it has {names}")
    _, entries = _find(record)
    return Solutions(
        printable(problem_of(problem)),
        tuple(_steps_of(_text_or_steps(entry, record.where), printable(problem), format) for entry in entries),
    )


def with_scores(record: Record, scores: Sequence[SolutionScores], aggregation: str) -> dict[str, Any]:
    """A record with ``step_scores``, their aggregation as ``score``, and an ``error`` where there are none.

    They are added to solutions that are objects, and to the record beside others: lists of them beside a list.
    """
    name, entries = _find(record)
    added = [_fields(one, aggregation) for one in scores]
    if name is None:
        return {**_without_fields(record.content), **added[0]}
    if all(isinstance(entry, dict) for entry in entries):
        scored = [{**_without_fields(entry), **fields} for entry, fields in zip(entries, added, strict=True)]
        return {**record.content, name: scored}
    together = {key: [fields.get(key) for fields in added] for key in _ADDED if any(key in fields for fields in added)}
    return {**_without_fields(record.content), **together}


_ADDED = ("step_scores", "score", "error")


def _fields(scores: SolutionScores, aggregation: str) -> dict[str, Any]:
    if scores.error is not None:
        return {"step_scores": [], "score": None, "error": scores.error}
    return {"step_scores": scores.step_scores, "score": aggregate(scores.step_scores, aggregation)}


def _without_fields(content: Mapping[str, Any]) -> dict[str, Any]:
    """The same but for what an earlier scoring may have left."""
    return {name: value for name, value in content.items() if name not in _ADDED}


def _find(record: Record) -> tuple[str | None, list[Any]]:
    """The field with a list of solutions, and these; or no field, and the only one.

    Raises:
        DatasetError: there is neither.
    """
    content, where = record.content, record.where
    for name in _SEVERAL:
        if isinstance(value := content.get(name), list):
            if len({isinstance(entry, dict) for entry in value}) > 1:
                raise DatasetError(f"{where}: {name!r} must be a list of solutions of one kind")
            return name, value
    if all(content.get(name) is None for name in _ONE):
        names = ", ".join(map(repr, content)) or "nothing"
        raise DatasetError(
            f"{where}: has no 'solution', 'response' or 'steps', and no list of 'solutions'; it has {names}"
        )
    return None, [content]


def _text_or_steps(entry: Any, where: str) -> str | list[str]:
    if isinstance(entry, dict):
        entry = next((entry[name] for name in _ONE if entry.get(name) is not None), None)
    if isinstance(entry, str) or (isinstance(entry, list) and all(isinstance(step, str) for step in entry)):
        return entry
    raise DatasetError(f"{where}: a solution must be a text or a list of steps that are texts, not {shown(entry)}")


def _steps_of(solution: str | list[str], question: str, format: Format | None) -> tuple[str, ...]:
    """The steps of a solution, none where it is blank."""
    if isinstance(solution, list):  # all of them: somebody may have labelled each
        return tuple(map(printable, solution)) if any(map(str.strip, solution)) else ()
    text = solution_of(printable(solution), question)
    if format is not None:
        return _not_blank(format.split_steps(text))
    steps = _not_blank(_TAG.split(text))
    # A tag at the very end says nothing of the steps before it.
    return _not_blank(FORMATS["steps"].split_steps(steps[0])) if len(steps) == 1 else steps


def _not_blank(steps: Iterable[str]) -> tuple[str, ...]:
    return tuple(step for step in steps if step.strip())
