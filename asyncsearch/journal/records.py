"""What a journal says: each record a short list, many of them packed into a block (MessagePack).

Records are made by the ten thousand a second, and tuples are made and packed in half the time of dataclasses.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple, TypeAlias

import ormsgpack

from asyncsearch.journal.compression import COMPRESSIONS
from asyncsearch.scheduler.cost import Cost
from runtimes.base import FinishReason, Usage

__all__ = [
    "Began",
    "Failed",
    "Generated",
    "Header",
    "Path",
    "Record",
    "Scored",
    "pack",
    "pack_header",
    "unpack",
    "unpack_header",
]

Path: TypeAlias = tuple[int, ...]
"""A node's address in its tree: the draws from the root to it."""

_FINISHES = (FinishReason.STOP, FinishReason.END, FinishReason.LENGTH, FinishReason.CONTEXT)
_BEGAN, _GENERATED, _SCORED, _FAILED = range(4)


class Header(NamedTuple):
    """What a journal begins with: the configuration of its run, and how the blocks behind this one are compressed."""

    config: dict[str, Any]
    compression: str | None


class Began(NamedTuple):
    """The search for a problem began; its records name it by ``search``. ``answer`` is the reference."""

    search: int
    problem: str
    text: str
    answer: str | None


class Generated(NamedTuple):
    """What the policy wrote for a node. ``token_ids`` are None where its text is encoded to just these."""

    search: int
    path: Path
    text: str
    token_ids: tuple[int, ...] | None
    finish: FinishReason
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


Record: TypeAlias = Began | Generated | Scored | Failed


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


def pack(records: Iterable[Record]) -> bytes:
    """One block's payload."""
    return ormsgpack.packb([_to_list(record) for record in records])


def unpack(payload: bytes) -> list[Record]:
    """The records of a payload.

    Raises:
        ValueError: it is none.
    """
    try:
        return [_from_list(*values) for values in ormsgpack.unpackb(payload)]
    except (TypeError, IndexError) as error:
        raise ValueError(f"not a record: {error}") from error


def _to_list(record: Record) -> tuple[Any, ...]:
    match record:
        case Generated(search, path, text, token_ids, finish, cost):
            values = (_GENERATED, search, path, text, _FINISHES.index(finish), *_cost_to_list(cost))
            return values if token_ids is None else (*values, token_ids)
        case Scored(search, path, scores, cost):
            return (_SCORED, search, path, scores, *_cost_to_list(cost))
        case Failed(search, path, error, cost):
            return (_FAILED, search, path, error, *_cost_to_list(cost))
        case Began():
            return (_BEGAN, *record)


def _from_list(kind: int, search: int, *values: Any) -> Record:
    if kind == _GENERATED:
        path, text, finish, usage, queued, served, wasted, *token_ids = values
        ids = tuple(token_ids[0]) if token_ids else None
        cost = _cost_from_list(usage, queued, served, wasted)
        return Generated(search, tuple(path), text, ids, _FINISHES[finish], cost)
    if kind == _SCORED:
        path, scores, usage, queued, served, wasted = values
        return Scored(search, tuple(path), tuple(scores), _cost_from_list(usage, queued, served, wasted))
    if kind == _FAILED:
        path, error, usage, queued, served, wasted = values
        return Failed(search, tuple(path), error, _cost_from_list(usage, queued, served, wasted))
    if kind == _BEGAN:
        problem, text, answer = values
        return Began(search, problem, text, answer)
    raise ValueError(f"unknown kind {kind}")


def _cost_to_list(cost: Cost) -> tuple[Any, ...]:
    """Tokens (those of a prompt that were new, not all), milliseconds in the queue and with the runtime, waste."""
    failed, aborted = cost.failed, cost.aborted
    wasted = (tuple(map(_usage_to_list, failed)), tuple(map(_usage_to_list, aborted))) if failed or aborted else None
    queued, served = round(cost.queue_seconds * 1000), round(cost.runtime_seconds * 1000)
    return (_usage_to_list(cost.usage), queued, served, wasted)


def _cost_from_list(usage: Any, queued: int, served: int, wasted: Any) -> Cost:
    failed, aborted = wasted or ((), ())
    return Cost(
        usage=_usage_from_list(usage),
        failed=tuple(map(_usage_from_list, failed)),
        aborted=tuple(map(_usage_from_list, aborted)),
        queue_seconds=queued / 1000,
        runtime_seconds=served / 1000,
    )


def _usage_to_list(usage: Usage) -> tuple[int, int, int]:
    return (usage.prompt_tokens - usage.cached_tokens, usage.cached_tokens, usage.generated_tokens)


def _usage_from_list(values: Any) -> Usage:
    new, cached, generated = values
    return Usage(prompt_tokens=new + cached, cached_tokens=cached, generated_tokens=generated)
