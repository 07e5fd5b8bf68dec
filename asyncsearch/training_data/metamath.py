"""MetaMathQA's questions and responses (Yu et al., arXiv 2309.12284; MetaMathQA-395K.json)."""

from __future__ import annotations

import re
from collections.abc import Iterator

from asyncsearch.datasets.files import Record
from asyncsearch.training_data.fields import text_in
from asyncsearch.training_data.numbered_steps import numbered, steps_of_text
from asyncsearch.training_data.solution import Dropped, TrainingSolution

__all__ = ["from_metamath"]

_ANSWER = re.compile(r"\s*(?:####[^\n]*\s*)?\bThe answer is:\s*(?P<answer>[^\n]*?)\s*\Z")


def from_metamath(record: Record) -> Iterator[TrainingSolution | Dropped]:
    """``query`` and ``response``, whose lines are the steps; the last one says "The answer is: ".

    Raises:
        DatasetError: the record has other fields.
    """
    problem, response = text_in(record, "query"), text_in(record, "response")
    found = _ANSWER.search(response)
    if not problem.strip():
        yield Dropped("it has no problem")
    elif found is None or not found["answer"]:
        yield Dropped('it does not end in "The answer is: "')
    elif not (steps := steps_of_text(response[: found.start()])):
        yield Dropped("it has no steps, only an answer")
    else:
        answer = found["answer"].rstrip(".") or found["answer"]
        yield TrainingSolution(problem=problem.strip(), steps=numbered(steps, answer), answer=answer)
