"""Math-Shepherd's solutions, labelled by rollouts (Wang et al., arXiv 2312.08935; math-shepherd.jsonl)."""

from __future__ import annotations

import re
from collections.abc import Iterator

from asyncsearch.answers.extraction import extract_answer
from asyncsearch.datasets.files import Record
from asyncsearch.training_data.fields import text_in
from asyncsearch.training_data.solution import Dropped, TrainingSolution

__all__ = ["from_math_shepherd"]

_TAG = "ки"
_FIRST_STEP = re.compile(r"\bStep\s+1\s*:")
_SIGN = re.compile(rf"\s*(?:{_TAG}\s*)?(?P<sign>[+-])")  # the older files keep the tag in front
_BLANK = re.compile(r"\s+")


def from_math_shepherd(record: Record) -> Iterator[TrainingSolution | Dropped]:
    """``input``: the problem and "Step 1: ... ки" and so on; ``label``: the same text with + or - for each tag.

    Raises:
        DatasetError: the record has other fields.
    """
    text, labelled = text_in(record, "input"), text_in(record, "label")
    *tagged, rest = text.split(_TAG)
    begin = _FIRST_STEP.search(tagged[0]) if tagged else None
    if not tagged:
        yield Dropped("it has no step tags")
    elif begin is None:
        yield Dropped('it has no "Step 1:"')
    elif not (problem := tagged[0][: begin.start()].strip()):
        yield Dropped("it has no problem")
    elif rest.strip(" ?\n"):
        yield Dropped("text stands behind its last step tag")
    elif (labels := _signs(tagged, labelled)) is None:
        yield Dropped("its label is not its input with a sign for each step tag")
    else:
        steps = [tagged[0][begin.start() :], *tagged[1:]]
        # The older files put a question mark where the label will be.
        steps = [step.strip().removeprefix("?").strip() for step in steps]
        if not all(steps):
            yield Dropped("one of its steps is blank")
        else:
            answer = extract_answer(steps[-1], marker="The answer is:")
            yield TrainingSolution(problem=problem, steps=tuple(steps), labels=labels, answer=answer)


def _signs(tagged: list[str], labelled: str) -> tuple[float, ...] | None:
    """What stands for each tag; None where the texts between differ in more than white space."""
    labels: list[float] = []
    at = 0
    for index, text in enumerate(tagged):
        words = _BLANK.split(text.strip().removeprefix("?").strip() if index else text.strip())
        found = re.compile(r"\s*" + r"\s+".join(map(re.escape, words))).match(labelled, at)
        sign = None if found is None else _SIGN.match(labelled, found.end())
        if sign is None:
            return None
        labels.append(1.0 if sign["sign"] == "+" else 0.0)
        at = sign.end()
    return None if labelled[at:].strip() else tuple(labels)
