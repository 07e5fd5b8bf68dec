"""What a journal says: each record a short list, many of them packed into a block (MessagePack).

Records are made by the ten thousand a second, and tuples are made and packed in half the time of dataclasses.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple, TypeAlias

import ormsgpack

from runtimes.base import FinishReason

__all__ = ["Began", "Failed", "Generated", "Path", "Record", "Scored", "pack", "unpack"]

Path: TypeAlias = tuple[int, ...]
"""A node's address in its tree: the draws from the root to it."""

_FINISHES = (FinishReason.STOP, FinishReason.END, FinishReason.LENGTH, FinishReason.CONTEXT)
_BEGAN, _GENERATED, _SCORED, _FAILED = range(4)


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
    prompt_tokens: int
    cached_tokens: int
    generated_tokens: int


class Scored(NamedTuple):
    """What the reward model said of a node: a score per step, and how many tokens it computed for that."""

    search: int
    path: Path
    scores: tuple[float, ...]
    tokens: int


class Failed(NamedTuple):
    """A node that could not be generated or scored, and why."""

    search: int
    path: Path
    error: str


Record: TypeAlias = Began | Generated | Scored | Failed
_KINDS: dict[type, int] = {Began: _BEGAN, Scored: _SCORED, Failed: _FAILED}


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
    if isinstance(record, Generated):
        search, path, text, token_ids, finish, prompt, cached, generated = record
        values = (_GENERATED, search, path, text, _FINISHES.index(finish), prompt - cached, cached, generated)
        return values if token_ids is None else (*values, token_ids)
    return (_KINDS[type(record)], *record)


def _from_list(kind: int, search: int, *values: Any) -> Record:
    if kind == _GENERATED:
        path, text, finish, new, cached, generated, *token_ids = values
        ids = tuple(token_ids[0]) if token_ids else None
        return Generated(search, tuple(path), text, ids, _FINISHES[finish], new + cached, cached, generated)
    if kind == _SCORED:
        path, scores, tokens = values
        return Scored(search, tuple(path), tuple(scores), tokens)
    if kind == _FAILED:
        path, error = values
        return Failed(search, tuple(path), error)
    if kind == _BEGAN:
        problem, text, answer = values
        return Began(search, problem, text, answer)
    raise ValueError(f"unknown kind {kind}")
