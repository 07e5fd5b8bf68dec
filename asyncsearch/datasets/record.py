"""From a record of a dataset to a problem."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from asyncsearch.answers.extraction import last_boxed
from asyncsearch.datasets.files import Record
from asyncsearch.errors import ConfigurationError, DatasetError, shown
from asyncsearch.plugins import suggestion
from asyncsearch.problem import Problem

__all__ = ["Record", "check_fields", "read_problem", "reference_in"]

_KNOWN_NAMES: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "problem": ("problem", "question"),
        "answer": ("answer", "final_answer", "expected_answer", "target", "solution"),
        "id": ("id", "unique_id", "problem_id"),
        "level": ("level", "difficulty"),
        "subject": ("subject", "type", "category"),
    }
)
"""What datasets call the fields of a problem, the likeliest first."""

_WORKED = "solution"
"""A field whose text is a reference only where it ends in one."""


@dataclass(frozen=True, slots=True)
class _Field:
    """A record's field, and whether somebody has asked for just this one."""

    name: str
    value: Any
    asked_for: bool


def check_fields(fields: Mapping[str, str]) -> None:
    """Make sure that fields of a problem are named, and no others.

    Raises:
        ConfigurationError: one is no field of a problem.
    """
    for name in fields:
        if name not in _KNOWN_NAMES:
            raise ConfigurationError(f"a problem has no {name!r}; {suggestion(name, [*_KNOWN_NAMES])}")


def read_problem(record: Record, fields: Mapping[str, str]) -> Problem:
    """The problem that a record holds, of which some ``fields`` have the names given.

    Raises:
        DatasetError: it holds none; the message says where.
    """
    found = {name: _find(record, name, fields.get(name)) for name in _KNOWN_NAMES}
    text, answer, identity = found["problem"], found["answer"], found["id"]
    if text is None:
        names = ", ".join(map(repr, record.content)) or "nothing"
        raise DatasetError(
            f"{record.where}: has no 'problem' (or 'question'); it has {names}; --field problem=NAME says which it is"
        )
    if not isinstance(text.value, str):
        raise DatasetError(f"{record.where}: {text.name!r} must be a text, not {shown(text.value)}")
    return Problem(
        id=record.name if identity is None else str(identity.value),
        text=text.value,
        answer=None if answer is None else _reference(answer, record.where),
        level=_label(found["level"], record.where),
        subject=_label(found["subject"], record.where),
    )


def reference_in(text: str) -> str | None:
    r"""The reference that a text ends in: what stands behind "####" or in the last ``\boxed{}``, else all of it.

    None where that is blank.
    """
    if "####" in text:
        text = text.rpartition("####")[2]
    elif (boxed := last_boxed(text)) is not None:
        text = boxed
    return text.strip() or None


def _find(record: Record, name: str, asked_for: str | None) -> _Field | None:
    """A record's field of this meaning; None where it has none, or null."""
    if asked_for is not None:
        if asked_for not in record.content:
            names = ", ".join(map(repr, record.content)) or "nothing"
            raise DatasetError(f"{record.where}: has no {asked_for!r}; it has {names}")
        value = record.content[asked_for]
        return None if value is None else _Field(asked_for, value, asked_for=True)
    by_lower_name = {str(key).lower(): key for key in reversed([*record.content])}
    for known in _KNOWN_NAMES[name]:
        key = by_lower_name.get(known)
        if key is not None and record.content[key] is not None:
            return _Field(str(key), record.content[key], asked_for=False)
    return None


def _reference(field: _Field, where: str) -> str | None:
    value = field.value
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise DatasetError(f"{where}: {field.name!r} must be a text or a number, not {shown(value)}")
    reference = reference_in(str(value))
    worked = field.name.lower() == _WORKED and not field.asked_for
    return None if worked and reference == str(value).strip() else reference


def _label(field: _Field | None, where: str) -> str | None:
    if field is None:
        return None
    if isinstance(field.value, str | int) and not isinstance(field.value, bool):
        return str(field.value).strip() or None
    if field.asked_for:
        raise DatasetError(f"{where}: {field.name!r} must be a text or a number, not {shown(field.value)}")
    return None
