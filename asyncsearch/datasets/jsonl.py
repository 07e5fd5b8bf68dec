"""Problems from a file with one JSON object a line."""

from __future__ import annotations

import codecs
from pathlib import Path
from typing import Any

import orjson

from asyncsearch.datasets.bundled import BUNDLED
from asyncsearch.errors import DatasetError
from asyncsearch.problem import Problem

__all__ = ["load_problems"]

_QUESTION_FIELDS = ("problem", "question")
_ID_FIELDS = ("id", "unique_id")


def load_problems(source: str | Path, *, limit: int | None = None) -> list[Problem]:
    """Read the problems of a file, or of a bundled dataset by name.

    A record has its question under ``problem`` or ``question``, its reference under ``answer`` (of a worked
    solution that ends in "#### 18", as GSM8K's, that number is taken), and perhaps an ``id`` or
    ``unique_id``; without one it is known by its line number. Further fields are allowed.

    Args:
        source: a path, or a name in `BUNDLED`.
        limit: the number of problems to read at most.

    Raises:
        DatasetError: the file is missing, a line is not such a record, or two ids are the same; the message
            names the line.
    """
    path = BUNDLED[str(source)].problems() if str(source) in BUNDLED else Path(source)
    try:
        content = path.read_bytes().removeprefix(codecs.BOM_UTF8)
    except FileNotFoundError:
        names = ", ".join(BUNDLED)
        raise DatasetError(f"{source}: no such file, and no bundled dataset either (those are: {names})") from None
    except OSError as error:
        raise DatasetError(f"{source}: cannot be read: {error.strerror or error}") from error
    problems: list[Problem] = []
    lines: dict[str, int] = {}
    for number, line in enumerate(content.splitlines(), 1):
        if not line.strip():
            continue
        if limit is not None and len(problems) == limit:
            break
        problem = _read_problem(line, number, f"{source}, line {number}")
        if problem.id in lines:
            given = "" if problem.id != str(number) else ", where a line without an id has its number"
            raise DatasetError(
                f"{source}, line {number}: the id {problem.id!r} is that of line {lines[problem.id]} too{given}"
            )
        lines[problem.id] = number
        problems.append(problem)
    if not problems:
        raise DatasetError(f"{source}: holds no problems")
    return problems


def _read_problem(line: bytes, number: int, where: str) -> Problem:
    try:
        record: Any = orjson.loads(line)
    except orjson.JSONDecodeError as error:
        # Its own idea of the line is of no use: it has seen but one.
        reason = f"{error.msg.partition(': line')[0]}, at character {error.pos + 1}"
        raise DatasetError(f"{where}: not valid JSON: {reason}") from None
    if not isinstance(record, dict):
        raise DatasetError(f"{where}: must be a JSON object with 'problem' and 'answer'")
    text = next((record[field] for field in _QUESTION_FIELDS if field in record), None)
    if text is None:
        fields = ", ".join(map(repr, record)) or "nothing"
        raise DatasetError(f"{where}: has no 'problem' (or 'question'); it has {fields}")
    if not isinstance(text, str):
        raise DatasetError(f"{where}: the problem must be a text, not {text!r}")
    answer = record.get("answer")
    if isinstance(answer, bool) or not isinstance(answer, str | int | float | None):
        raise DatasetError(f"{where}: 'answer' must be a text or a number, not {answer!r}")
    if isinstance(answer, str) and "####" in answer:
        answer = answer.rpartition("####")[2].strip()
    identity = next((record[field] for field in _ID_FIELDS if field in record), number)
    reference = None if answer is None else str(answer).strip() or None
    return Problem(id=str(identity), text=text, answer=reference)
