"""Candidates as flat rows, one each, as tables take them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from asyncsearch.answers.grader import Grader
from asyncsearch.errors import AsyncSearchError
from asyncsearch.results import Candidate, ProblemResult
from asyncsearch.rewards import AGGREGATIONS, aggregate

__all__ = ["COLUMNS", "TEXTS", "candidate_rows"]

TEXTS = ("problem", "text", "step_scores")
"""Columns that are long or no single value."""

COLUMNS = (
    "id",
    "level",
    "subject",
    "problem",
    "reference",
    "candidate",
    "text",
    "answer",
    "correct",
    "truncated",
    "multiplicity",
    "tokens",
    "step_scores",
    *AGGREGATIONS,
    "error",
)
"""``candidate`` counts a problem's from 0, and the aggregations of its step scores have their own names."""


async def candidate_rows(result: ProblemResult, grader: Grader) -> list[dict[str, Any]]:
    """A row for each candidate of a problem, in the order of `COLUMNS`; one without a candidate where there is none.

    Each answer is graded: ``correct`` is None where the problem has no reference, or the grader raises, and False
    where there is no answer. The aggregations are None where no step is scored.

    Raises:
        GradingError: answers cannot be compared at all.
    """
    verdicts: dict[str | None, bool | None] = {None: None if result.reference is None else False}
    for candidate in result.candidates:
        if candidate.answer not in verdicts:
            verdicts[candidate.answer] = await _is_right(result, candidate.answer, grader)
    return list(_rows(result, verdicts))


def _rows(result: ProblemResult, verdicts: dict[str | None, bool | None]) -> Iterator[dict[str, Any]]:
    of_problem = {
        "id": result.id,
        "level": result.level,
        "subject": result.subject,
        "problem": result.problem,
        "reference": result.reference,
        "error": result.error,
    }
    for number, candidate in enumerate(result.candidates):
        values = of_problem | _of_candidate(candidate) | {"candidate": number, "correct": verdicts[candidate.answer]}
        yield {name: values[name] for name in COLUMNS}
    if not result.candidates:
        yield {name: of_problem.get(name) for name in COLUMNS}


def _of_candidate(candidate: Candidate) -> dict[str, Any]:
    scores = candidate.step_scores
    return {
        "text": candidate.text,
        "answer": candidate.answer,
        "truncated": candidate.truncated,
        "multiplicity": candidate.multiplicity,
        "tokens": candidate.tokens,
        "step_scores": scores,
        **{name: aggregate(scores, name) if scores else None for name in AGGREGATIONS},
    }


async def _is_right(result: ProblemResult, answer: str | None, grader: Grader) -> bool | None:
    if result.reference is None or answer is None:
        return None
    try:
        return await grader.is_right(result.problem, result.reference, answer)
    except AsyncSearchError:
        raise
    except Exception:  # noqa: BLE001 - a grader is anybody's code
        return None
