"""What the reference's searches and baselines wrote, as results."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from asyncsearch.accounting import Accounts, ModelAccount, forward_flops
from asyncsearch.answers.extraction import extract_answer
from asyncsearch.datasets.files import Record
from asyncsearch.datasets.record import reference_in
from asyncsearch.errors import DatasetError, printable, shown
from asyncsearch.json_records import read_json_records
from asyncsearch.reference.prompts import problem_of, solution_of
from asyncsearch.results import Candidate, ProblemResult
from runtimes.base import ModelSize, Usage

__all__ = ["is_reference_file", "read_reference_results"]

_SOLUTIONS = "model_answer"
_HAS_SOLUTIONS = re.compile(rb'"model_answer"\s*:')
_BEGINNING = 1 << 20
"""Bytes of a file in which its first problem's solutions begin."""

_ONE_A_PROBLEM = "answer_q*.json"
_NUMBER = re.compile(r"\d+")
_END = "<|endoftext|>"
"""``sgl_baseline.py`` puts it behind the worked solutions of GSM8K."""

_STATES_ANSWER = re.compile(r"answer(?:\s+is|[\s*_]*[:=])|####|\\f?boxed", re.IGNORECASE)


def is_reference_file(path: Path) -> bool:
    """Whether a path is a file as ``rebase.py``, ``sgl_baseline.py`` or ``hf_score.py`` writes it.

    Or a directory that ``rebase.py`` writes a file a problem to. It is told by its content, and may be damaged still.
    """
    try:
        if path.is_dir():
            return any(map(is_reference_file, path.glob(_ONE_A_PROBLEM)))
        if not path.is_file():
            return False
        with path.open("rb") as file:
            return _HAS_SOLUTIONS.search(file.read(_BEGINNING)) is not None
    except OSError:
        return False


def read_reference_results(
    path: Path,
    *,
    extract: Callable[[str], str | None] = extract_answer,
    policy_parameters: float | None = None,
) -> Iterator[ProblemResult]:
    r"""Yield what came of each problem in such a file, or in the files of such a directory, without holding it all.

    A problem is its ``question`` without the prompt around it, and the reference its ``ground_truth_answer``: of a
    worked solution what stands behind "####" or in the last ``\boxed{}``. A candidate is an entry of ``model_answer``:
    its ``text`` without the prompt, the answer that ``extract`` finds in it, its ``step_scores``, and its tokens where
    ``num_gen_tokens`` are given. Which of them were cut off is not: those are, that state no answer. A step without a
    score, None or NaN, counts 0, as the reference has it for the last one. Without any candidate a problem has failed.

    ``total_tokens`` are the tokens that the policy generated. Nothing else is known of what it cost: neither its
    prompts nor the reward model; so operations are None, but those of the policy's new tokens where
    ``policy_parameters`` are given. Nothing is voted on or graded: ``answer`` and ``correct`` are None.

    Raises:
        DatasetError: a file cannot be read, or a record is none of the reference's; the message names it.
    """
    files = sorted(path.glob(_ONE_A_PROBLEM), key=_by_number) if path.is_dir() else [path]
    if not files:
        raise DatasetError(f"{path}: holds none of the reference's files, {_ONE_A_PROBLEM}")
    places: dict[str, str] = {}
    size = None if policy_parameters is None else ModelSize(parameters=int(policy_parameters))
    for record in (record for file in files for record in read_json_records(file)):
        result = _result_of(record, extract, size)
        if result.id in places:
            raise DatasetError(f"{record.where}: the id {result.id!r} is that of {places[result.id]} too")
        places[result.id] = record.where.removeprefix(f"{path}, ")
        yield result


def _by_number(file: Path) -> tuple[int, str]:
    found = _NUMBER.findall(file.name)
    return int(found[-1]) if found else -1, file.name


def _result_of(record: Record, extract: Callable[[str], str | None], size: ModelSize | None) -> ProblemResult:
    content, where = record.content, record.where
    if _SOLUTIONS not in content:
        names = ", ".join(map(repr, content)) or "nothing"
        raise DatasetError(f"{where}: has no '{_SOLUTIONS}', as the reference's files have; it has {names}")
    if not isinstance(solutions := content[_SOLUTIONS], list):
        raise DatasetError(f"{where}: '{_SOLUTIONS}' must be a list of solutions, not {shown(solutions)}")
    question = _text(content, "question", where)
    candidates = tuple(
        _candidate_of(solution, question, extract, f"{where}, solution {number}")
        for number, solution in enumerate(solutions, 1)
    )
    tokens = _count(content, "total_tokens", where)
    usage = Usage(generated_tokens=tokens)
    is_scored = any(candidate.step_scores for candidate in candidates)
    error = content.get("error")
    return ProblemResult(
        id=_identity(record),
        problem=problem_of(question),
        answer=None,
        reference=_reference(content.get("ground_truth_answer"), where),
        correct=None,
        candidates=candidates,
        accounts=Accounts(
            policy=ModelAccount(generated_tokens=tokens, flops=None if size is None else forward_flops(size, usage)),
            reward=ModelAccount(flops=None if is_scored else 0.0),
        ),
        error=printable(error) if isinstance(error, str) else None if candidates else "it has no solutions",
        level=_label(content.get("level")),
        subject=_label(content.get("subject")),
    )


def _candidate_of(solution: Any, question: str, extract: Callable[[str], str | None], where: str) -> Candidate:
    if not isinstance(solution, dict):
        raise DatasetError(f"{where}: must be an object with 'text', not {shown(solution)}")
    text = solution_of(_text(solution, "text", where), question)
    answer = extract(text) if _STATES_ANSWER.search(text) else None
    return Candidate(
        text=text,
        answer=answer,
        truncated=answer is None,
        tokens=_count(solution, "num_gen_tokens", where),
        step_scores=_scores(solution.get("step_scores"), where),
    )


def _scores(values: Any, where: str) -> tuple[float, ...]:
    if values is None:
        return ()
    if not isinstance(values, list):
        raise DatasetError(f"{where}: 'step_scores' must be a list of numbers, not {shown(values)}")
    scores = []
    for value in values:
        score = math.nan if value is None else value
        if isinstance(score, bool) or not isinstance(score, int | float):
            raise DatasetError(f"{where}: a step score must be a number, not {shown(value)}")
        if not (math.isnan(score) or 0 <= score <= 1):
            raise DatasetError(f"{where}: a step score must be from 0 to 1, not {shown(value)}")
        scores.append(0.0 if math.isnan(score) else float(score))
    return tuple(scores)


def _identity(record: Record) -> str:
    identity = record.content.get("id")
    if identity is None:
        return record.name
    if isinstance(identity, bool) or not isinstance(identity, str | int):
        raise DatasetError(f"{record.where}: 'id' must be a number or a text, not {shown(identity)}")
    return printable(str(identity))


def _reference(value: Any, where: str) -> str | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise DatasetError(f"{where}: 'ground_truth_answer' must be a text or a number, not {shown(value)}")
    return reference_in(printable(str(value)).strip().removesuffix(_END))


def _text(content: Mapping[str, Any], field: str, where: str) -> str:
    value = content.get(field)
    if not isinstance(value, str):
        has = f"not {shown(value)}" if field in content else "and is not there"
        raise DatasetError(f"{where}: '{field}' must be a text, {has}")
    return printable(value)


def _count(content: Mapping[str, Any], field: str, where: str) -> int:
    value = content.get(field)
    if value is None:
        return 0
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise DatasetError(f"{where}: '{field}' must be a number of tokens, not {shown(value)}")
    return value


def _label(value: Any) -> str | None:
    return printable(value) if isinstance(value, str) else None
