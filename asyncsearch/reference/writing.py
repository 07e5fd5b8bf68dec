"""Results as the reference's ``math_evaluate.py`` reads them."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from asyncsearch.results import Candidate, ProblemResult
from asyncsearch.rewards import REWARD_FORMATS

__all__ = ["ReferenceRecord", "answer_taken", "reference_record"]

_TAG = "".join(piece.text for piece in REWARD_FORMATS["reference-head"].tag)
"""What the reference's policies write behind a step, with the space before it."""

_MARKER = "The answer is:"
_TAKEN = re.compile(f"{_MARKER}(.+){_TAG}")


@dataclass(frozen=True, slots=True)
class ReferenceRecord:
    """A problem as the reference writes it, and of how many solutions it would take another answer than theirs."""

    content: dict[str, Any]
    misread: int


def reference_record(result: ProblemResult, split: Callable[[str], Sequence[str]]) -> ReferenceRecord:
    """A problem's result as ``rebase.py`` would have written it; ``split`` says how a solution falls into steps.

    There are only solutions that have an answer, as often as they vote, and none of a problem that failed: without any
    the reference's evaluation counts it as wrong. A text has the problem in front, and a tag behind each step, or at
    its end where there is not a score for each; where the reference would not find the answer in that, a last line
    states it.

    Beside the reference's fields there are ``num_gen_tokens``, as in its baseline, and of this project ``error``,
    ``level`` and ``subject``, where they are known.
    """
    voters = [one for one in result.candidates if one.answer is not None] if result.error is None else []
    question = f"{result.problem}\n"
    solutions = []
    misread = 0
    for candidate in voters:
        text, is_found = _text_of(candidate, question, split)
        misread += not is_found
        solution = {"text": text, "step_scores": candidate.step_scores, "num_gen_tokens": candidate.tokens}
        solutions += [solution] * candidate.multiplicity
    extra = {"error": result.error, "level": result.level, "subject": result.subject}
    return ReferenceRecord(
        {
            "id": result.id,
            "question": question,
            "model_answer": solutions,
            "ground_truth_answer": result.reference,
            "total_tokens": result.accounts.policy.generated_tokens,
            **{name: value for name, value in extra.items() if value is not None},
        },
        misread,
    )


def answer_taken(text: str) -> str | None:
    """The answer that ``math_evaluate.py`` takes from a text, prompt and all: the first one with a tag behind it.

    Commas are taken out of it, wherever they stand. None where there is none, and a candidate votes for "[invalid]".
    """
    found = _TAKEN.search(text)
    return None if found is None else _as_taken(found[1])


def _text_of(candidate: Candidate, question: str, split: Callable[[str], Sequence[str]]) -> tuple[str, bool]:
    """A solution with the prompt in front, and whether the reference finds its answer in it."""
    assert candidate.answer is not None
    answer = " ".join(candidate.answer.split())
    steps = split(candidate.text)
    tagged = "".join(map(_tagged, steps)) if len(steps) == len(candidate.step_scores) else candidate.text
    stated = f"{candidate.text.rstrip()}\n{_MARKER} {answer}{_TAG}\n"
    for solution in (tagged, _tagged(candidate.text), stated):
        if answer_taken(question + solution) == _as_taken(answer):
            return question + solution, True
    return question + stated, False


def _tagged(step: str) -> str:
    body = step.rstrip()
    return step if body.endswith(_TAG) else f"{body}{_TAG}{step[len(body) :]}"


def _as_taken(answer: str) -> str:
    return answer.strip().replace(",", "")
