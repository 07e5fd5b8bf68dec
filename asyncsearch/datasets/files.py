"""Records of a dataset in files of JSON."""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from asyncsearch.errors import DatasetError

__all__ = ["Record", "read_records"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """An object of a dataset; ``name`` is what it is known by without an id, ``where`` its place in messages."""

    name: str
    where: str
    content: Mapping[str, Any]


def read_records(path: Path, *, called: str) -> Iterator[Record]:
    """The records of a file, one a line or as a list, or of all JSON files in a directory and those in it.

    Records in files of their own are known by their names. ``called`` is what messages call the path.

    Raises:
        DatasetError: a file cannot be read, or holds something else; the message names the line.
    """
    if not path.is_dir():
        yield from _of_file(path, called, alone=path.name, prefix="")
        return
    for file in sorted((found for pattern in ("*.json", "*.jsonl") for found in path.rglob(pattern)), key=_in_order):
        name = str(file.relative_to(path))
        yield from _of_file(file, f"{called}/{name}", alone=name, prefix=f"{name}:")


def _in_order(file: Path) -> list[tuple[str, int, str]]:
    """So that 10.json is behind 9.json."""
    parts = re.split(r"(\d+)", str(file))
    return [(text, int(number or -1), number) for text, number in zip(parts[::2], [*parts[1::2], ""], strict=True)]


def _of_file(path: Path, called: str, *, alone: str, prefix: str) -> Iterator[Record]:
    """The records of a file; ``alone`` is the name of one that is all of it, ``prefix`` stands before a number."""
    try:
        content = path.read_bytes().removeprefix(codecs.BOM_UTF8)
    except OSError as error:
        raise DatasetError(f"{called}: cannot be read: {error.strerror or error}") from error
    if path.suffix == ".json" or content.lstrip()[:1] == b"[":
        whole = _parsed(content, called)
        if not isinstance(whole, list):
            yield _record(whole, alone, called)
            return
        for number, one in enumerate(whole, 1):
            yield _record(one, f"{prefix}{number}", f"{called}, record {number}")
        return
    for number, line in enumerate(content.splitlines(), 1):
        if line.strip():
            where = f"{called}, line {number}"
            yield _record(_parsed(line, where), f"{prefix}{number}", where)


def _parsed(content: bytes, where: str) -> Any:
    try:
        return orjson.loads(content)
    except orjson.JSONDecodeError as error:
        place = f"line {error.lineno}, character {error.colno}" if error.lineno > 1 else f"character {error.pos + 1}"
        raise DatasetError(f"{where}: not valid JSON: {error.msg.partition(': line')[0]}, at {place}") from None


def _record(content: Any, name: str, where: str) -> Record:
    if not isinstance(content, dict):
        raise DatasetError(f"{where}: must be a JSON object with 'problem' and 'answer'")
    return Record(name=name, where=where, content=content)
