"""What a journal says: each record a row of values, many of them packed into a block (MessagePack).

Rows are made by the ten thousand a second, so what is written is never a record of its own before.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple, TypeAlias

import ormsgpack

from asyncsearch.journal.compression import COMPRESSIONS
from asyncsearch.problem import Problem
from asyncsearch.scheduler.cost import Cost
from runtimes.base import FinishReason, Usage

__all__ = [
    "Abandoned",
    "Began",
    "Ended",
    "Failed",
    "Generated",
    "Header",
    "NodeRecord",
    "Path",
    "Record",
    "Retried",
    "Row",
    "Scored",
    "abandoned_row",
    "began_row",
    "ended_row",
    "failed_row",
    "generated_row",
    "pack",
    "pack_header",
    "retried_row",
    "scored_row",
    "unpack",
    "unpack_header",
]

Path: TypeAlias = tuple[int, ...]
"""A node's address in its tree: the draws from the root to it."""

Row: TypeAlias = tuple[Any, ...]
"""A record as it is packed: its kind first."""

_FINISHES = (FinishReason.STOP, FinishReason.END, FinishReason.LENGTH, FinishReason.CONTEXT)
_SCORED, _FAILED, _ABANDONED, _BEGAN, _ENDED, _RETRIED = range(2 * len(_FINISHES), 2 * len(_FINISHES) + 6)
"""Kinds of records; those of generations are how they ended, first of steps and then of whole solutions."""

_COST_FIELDS = 5
"""Of a cost without waste."""

_UNSORTED = 3
"""Values of a problem without a level or subject."""

_SCORE_UNITS = 10_000_000


class Header(NamedTuple):
    """What a journal begins with: the configuration of its run, and how the blocks behind this one are compressed."""

    config: dict[str, Any]
    compression: str | None


class Began(NamedTuple):
    """The search for a problem began; its records name it by ``search``."""

    search: int
    problem: Problem


class Generated(NamedTuple):
    """What the policy wrote for a node: a step, or a ``whole_solution``.

    ``token_ids`` are None where its text is encoded to just these.
    """

    search: int
    path: Path
    text: str
    token_ids: tuple[int, ...] | None
    finish: FinishReason
    whole_solution: bool
    cost: Cost


class Scored(NamedTuple):
    """What the reward model said of a node: a score per step."""

    search: int
    path: Path
    scores: tuple[float, ...]
    cost: Cost


class Failed(NamedTuple):
    """A node that could not be generated or scored, why, and what it took."""

    search: int
    path: Path
    error: str
    cost: Cost


class Abandoned(NamedTuple):
    """A node that was given up before it was generated or scored, and what came to nothing by that."""

    search: int
    path: Path
    cost: Cost


class Ended(NamedTuple):
    """All that the result of a search was made of is recorded before this."""

    search: int


class Retried(NamedTuple):
    """The failures that are recorded of a search until here count no more: it is made again."""

    search: int


NodeRecord: TypeAlias = Generated | Scored | Failed | Abandoned
SearchRecord: TypeAlias = Began | Ended | Retried
Record: TypeAlias = NodeRecord | SearchRecord


def pack_header(header: Header) -> bytes:
    """The first block's payload."""
    return ormsgpack.packb(header._asdict())


def unpack_header(payload: bytes) -> Header:
    """The header of a payload.

    Raises:
        ValueError: it is none, or one of a kind that is not known here.
    """
    try:
        header = Header(**ormsgpack.unpackb(payload))
        if isinstance(header.config, dict) and header.compression in COMPRESSIONS:
            return header
    except TypeError as error:
        raise ValueError(f"not a header: {error}") from error
    raise ValueError(f"not a header that is known here: {header}")


def pack(rows: Iterable[Row]) -> bytes:
    """One block's payload."""
    return ormsgpack.packb(list(rows))


def unpack(payload: bytes) -> list[Record]:
    """The records of a payload.

    Raises:
        ValueError: it is none.
    """
    try:
        return [_from_row(*values) for values in ormsgpack.unpackb(payload)]
    except (TypeError, IndexError) as error:
        raise ValueError(f"not a record: {error}") from error


def began_row(search: int, problem: Problem) -> Row:
    """Of `Began`."""
    row = (_BEGAN, search, problem.id, problem.text, problem.answer)
    return (*row, problem.level, problem.subject) if problem.level or problem.subject else row


def generated_row(
    search: int,
    path: Path,
    text: str,
    token_ids: tuple[int, ...] | None,
    finish: FinishReason,
    whole_solution: bool,
    cost: Cost,
) -> Row:
    """Of `Generated`."""
    kind = _FINISHES.index(finish)
    if whole_solution:
        kind += len(_FINISHES)
    row = (kind, search, path, text, *_cost_to_values(cost))
    if token_ids is None:
        return row
    return (*row, token_ids) if cost.failed or cost.aborted else (*row, None, token_ids)  # None stands for the waste


def scored_row(search: int, path: Path, scores: tuple[float, ...], cost: Cost) -> Row:
    """Of `Scored`."""
    # A score that has but seven decimals is a whole number of them, which takes half the room.
    numbers = [
        number if (number := int(score * _SCORE_UNITS + 0.5)) / _SCORE_UNITS == score else score for score in scores
    ]
    return (_SCORED, search, path, numbers, *_cost_to_values(cost))


def failed_row(search: int, path: Path, error: str, cost: Cost) -> Row:
    """Of `Failed`."""
    return (_FAILED, search, path, error, *_cost_to_values(cost))


def abandoned_row(search: int, path: Path, cost: Cost) -> Row:
    """Of `Abandoned`."""
    return (_ABANDONED, search, path, *_cost_to_values(cost))


def ended_row(search: int) -> Row:
    """Of `Ended`."""
    return (_ENDED, search)


def retried_row(search: int) -> Row:
    """Of `Retried`."""
    return (_RETRIED, search)


def _from_row(kind: int, search: int, *values: Any) -> Record:
    if 0 <= kind < _SCORED:
        path, text, *cost = values
        ids = tuple(cost.pop()) if len(cost) == _COST_FIELDS + 2 else None
        whole_solution, finish = divmod(kind, len(_FINISHES))
        return Generated(
            search, tuple(path), text, ids, _FINISHES[finish], bool(whole_solution), _cost_from_values(*cost)
        )
    if kind == _SCORED:
        path, scores, *cost = values
        return Scored(search, tuple(path), tuple(map(_score_from_number, scores)), _cost_from_values(*cost))
    if kind == _FAILED:
        path, error, *cost = values
        return Failed(search, tuple(path), error, _cost_from_values(*cost))
    if kind == _ABANDONED:
        path, *cost = values
        return Abandoned(search, tuple(path), _cost_from_values(*cost))
    if kind == _BEGAN:
        id, text, answer, level, subject = values if len(values) > _UNSORTED else (*values, None, None)
        return Began(search, Problem(id=id, text=text, answer=answer, level=level, subject=subject))
    if kind == _ENDED and not values:
        return Ended(search)
    if kind == _RETRIED and not values:
        return Retried(search)
    raise ValueError(f"unknown kind {kind}")


def _score_from_number(number: float) -> float:
    return number / _SCORE_UNITS if isinstance(number, int) else number


def _cost_to_values(cost: Cost) -> tuple[Any, ...]:
    """Tokens (those of a prompt that were new, not all), hundredths of seconds, and waste, if there is any."""
    usage = cost.usage
    cached = usage.cached_tokens
    values = (
        usage.prompt_tokens - cached,
        cached,
        usage.generated_tokens,
        int(cost.queue_seconds * 100 + 0.5),
        int(cost.runtime_seconds * 100 + 0.5),
    )
    if not (cost.failed or cost.aborted):
        return values
    return (*values, [[*map(_usage_to_values, cost.failed)], [*map(_usage_to_values, cost.aborted)]])


def _cost_from_values(new: int, cached: int, generated: int, queued: int, served: int, wasted: Any = None) -> Cost:
    failed, aborted = wasted or ((), ())
    return Cost(
        usage=Usage(prompt_tokens=new + cached, cached_tokens=cached, generated_tokens=generated),
        failed=tuple(map(_usage_from_values, failed)),
        aborted=tuple(map(_usage_from_values, aborted)),
        queue_seconds=queued / 100,
        runtime_seconds=served / 100,
    )


def _usage_to_values(usage: Usage) -> tuple[int, int, int]:
    return (usage.prompt_tokens - usage.cached_tokens, usage.cached_tokens, usage.generated_tokens)


def _usage_from_values(values: Any) -> Usage:
    new, cached, generated = values
    return Usage(prompt_tokens=new + cached, cached_tokens=cached, generated_tokens=generated)
