"""The fields of a published record."""

from __future__ import annotations

from asyncsearch.datasets.files import Record
from asyncsearch.errors import DatasetError, printable, shown

__all__ = ["text_in"]


def text_in(record: Record, name: str) -> str:
    """The text of a field.

    Raises:
        DatasetError: there is none; the message says what is there.
    """
    value = record.content.get(name)
    if isinstance(value, str):
        return printable(value)
    if name in record.content:
        raise DatasetError(f"{record.where}: {name!r} must be a text, not {shown(value)}")
    names = ", ".join(map(repr, record.content)) or "nothing"
    raise DatasetError(f"{record.where}: has no {name!r}; it has {names}: is it another format?")
