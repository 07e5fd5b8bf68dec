"""GSM8K's questions and worked answers (Cobbe et al., arXiv 2110.14168; train.jsonl)."""

from __future__ import annotations

import re
from collections.abc import Iterator

from asyncsearch.datasets.files import Record
from asyncsearch.training_data.fields import text_in
from asyncsearch.training_data.numbered_steps import numbered, steps_of_text
from asyncsearch.training_data.solution import Dropped, TrainingSolution

__all__ = ["from_gsm8k"]

_CALCULATOR_MARK = re.compile(r"<<[^<>]*>>")
_ANSWER_MARK = "####"


def from_gsm8k(record: Record) -> Iterator[TrainingSolution | Dropped]:
    """``question`` and ``answer``: lines, without their calculator marks (``<<48/2=24>>``), and "####" with the answer.

    Raises:
        DatasetError: the record has other fields.
    """
    problem, worked = text_in(record, "question"), text_in(record, "answer")
    work, mark, answer = worked.rpartition(_ANSWER_MARK)
    answer = answer.strip()
    if not problem.strip():
        yield Dropped("it has no problem")
    elif not mark or not answer:
        yield Dropped(f"it has no answer behind {_ANSWER_MARK}")
    elif not (steps := steps_of_text(_CALCULATOR_MARK.sub("", work))):
        yield Dropped("it has no steps, only an answer")
    else:
        yield TrainingSolution(problem=problem.strip(), steps=numbered(steps, answer), answer=answer)
