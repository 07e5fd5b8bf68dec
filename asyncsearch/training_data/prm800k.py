"""PRM800K's human ratings (Lightman et al., arXiv 2305.20050; phase1_train.jsonl, phase2_train.jsonl)."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from asyncsearch.datasets.files import Record
from asyncsearch.errors import DatasetError, printable
from asyncsearch.training_data.solution import Dropped, TrainingSolution

__all__ = ["from_prm800k"]

_ANSWER = re.compile(r"\s*^# Answer\s+(?P<answer>.+)\Z", re.MULTILINE | re.DOTALL)

_LABELS: Mapping[Any, float] = {1: 1.0, 0: 1.0, -1: 0.0}
"""Of a rating. A neutral step is no mistake: the paper counts it as positive in its results (section 2.6)."""


def from_prm800k(record: Record) -> Iterator[TrainingSolution | Dropped]:
    """``question`` and ``label``: at each step completions with ratings, of which the chosen one is gone on from.

    A rated completion is the last step of a solution, behind the steps chosen before it. Those that were chosen are
    one solution with a label at each step; each of the others is one with a label at its last step, for the rest
    of it has been said. A step is what was written, "Step 1: " and so on in front, and "The answer is: " where it has
    the heading "# Answer".

    Raises:
        DatasetError: the record has other fields.
    """
    try:
        problem = printable(record.content["question"]["problem"]).strip()
        answer = record.content["question"].get("ground_truth_answer")
        label = record.content["label"]
        if label["finish_reason"] in ("bad_problem", "give_up"):
            yield Dropped(f"its labeller has ended with {label['finish_reason']!r}")
            return
        yield from _solutions(problem, answer, label["steps"] or ())
    except (KeyError, TypeError, AttributeError, IndexError) as error:
        raise DatasetError(
            f"{record.where}: is no record of PRM800K, which has 'question' with 'problem', and 'label' with 'steps' "
            f"of rated 'completions' ({type(error).__name__}: {error})"
        ) from None


def _solutions(problem: str, answer: str | None, steps: Any) -> Iterator[TrainingSolution | Dropped]:
    path: list[str] = []
    labels: list[float | None] = []
    for step in steps:
        number = len(path) + 1
        chosen = step["chosen_completion"]
        for index, completion in enumerate(step["completions"] or ()):
            if index == chosen:
                continue
            if completion["rating"] not in _LABELS:
                yield Dropped("a completion has no rating")
                continue
            written = _step(number, completion["text"])
            alternative = (*(None for _ in path), _LABELS[completion["rating"]])
            yield TrainingSolution(problem=problem, steps=(*path, written), labels=alternative)
        if chosen is not None:
            taken = step["completions"][chosen]
            path.append(_step(number, taken["text"]))
            labels.append(_LABELS.get(taken["rating"]))
        elif step["human_completion"] is not None:
            path.append(_step(number, step["human_completion"]["text"]))
            labels.append(1.0)  # somebody has written it, for want of a good one
        else:
            break
    if any(label is not None for label in labels):
        yield TrainingSolution(problem=problem, steps=tuple(path), labels=tuple(labels), answer=answer)
    elif labels:
        yield Dropped("no step that was chosen has a rating")


def _step(number: int, text: str) -> str:
    return f"Step {number}: {_ANSWER.sub(_said, printable(text).strip())}"


def _said(answer: re.Match[str]) -> str:
    return f" The answer is: {answer['answer']}"
