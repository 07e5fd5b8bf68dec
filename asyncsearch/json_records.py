"""The objects of a JSON file one by one, however large it is: a list of them, or one after the other, as lines."""

from __future__ import annotations

import codecs
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

import orjson

from asyncsearch.datasets.files import Record
from asyncsearch.errors import DatasetError

__all__ = ["is_json_list", "read_json_records"]

_TOKEN = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"|["{}\[\]]', re.DOTALL)
"""A text, whatever it holds; a text that has not ended yet; or what opens or closes."""

_AT_A_TIME = 1 << 20


def read_json_records(path: Path) -> Iterator[Record]:
    """Yield the objects of a file. No more than one of them is held, and a piece of the file.

    What Python writes into JSON although it is none is understood: NaN and infinities, and half characters.

    Raises:
        DatasetError: the file cannot be read, or holds something else; the message names the record and its line.
    """
    try:
        with path.open("rb") as file:
            number = 0
            for number, (line, content) in enumerate(_objects(file, path), 1):
                where = f"{path}, record {number}, line {line}"
                yield Record(name=str(number), where=where, content=_parsed(content, where))
    except OSError as error:
        raise DatasetError(f"{path}: cannot be read: {error.strerror or error}") from error
    if not number:
        raise DatasetError(f"{path}: holds no records")


def is_json_list(path: Path) -> bool:
    """Whether a file holds a list, and not objects one after the other.

    Raises:
        DatasetError: it cannot be read.
    """
    try:
        with path.open("rb") as file:
            return file.read(_AT_A_TIME).removeprefix(codecs.BOM_UTF8).lstrip()[:1] == b"["
    except OSError as error:
        raise DatasetError(f"{path}: cannot be read: {error.strerror or error}") from error


def _objects(file: BinaryIO, path: Path) -> Iterator[tuple[int, bytes]]:
    """The objects of a file as they stand there, each with the line that it begins in."""
    text = _Text(file)
    number = 1
    depth = outside = 0  # how many lists and objects are open, and how many of them the objects are in: a list, or none
    is_over = False

    def complaint(what: str) -> DatasetError:
        return DatasetError(f"{path}, record {number}, line {text.line}: {what}")

    while (token := text.next_token()) is not None:
        if depth > outside:
            depth += 1 if token.group() in (b"{", b"[") else -1 if token.group() in (b"}", b"]") else 0
            if depth == outside:
                line = text.line
                yield line, text.take(token.end())
                number += 1
            continue
        between = text.take(token.start()).strip()
        if is_over:
            raise complaint("stands behind the end of the list")
        match token.group():
            case b"[" if number == 1 and not (outside or between):
                depth = outside = 1
                text.take(token.end())
            case b"]" if outside and not between:
                depth = outside = 0
                is_over = True
                text.take(token.end())
            case b"{" if between == (b"," if outside and number > 1 else b""):
                depth += 1
            case _:
                raise complaint("must be a JSON object")
    if depth > outside:
        raise complaint("is cut off in the middle")
    if text.rest():
        raise complaint("must be a JSON object")
    if outside:
        raise complaint("the list is cut off")


class _Text:
    """What of a file has not been taken yet, as far as it had to be read; ``line`` is where that begins."""

    def __init__(self, file: BinaryIO) -> None:
        self.line = 1
        self._file = file
        self._content = file.read(_AT_A_TIME).removeprefix(codecs.BOM_UTF8)
        self._begin = 0
        self._at = 0

    def next_token(self) -> re.Match[bytes] | None:
        """The next token; None where there is none, or a text that does not end. Its place counts until the next."""
        while (token := _TOKEN.search(self._content, self._at)) is None or token.group() == b'"':
            more = self._file.read(_AT_A_TIME)
            if not more:
                return None
            self._at = (len(self._content) if token is None else token.start()) - self._begin
            self._content = self._content[self._begin :] + more
            self._begin = 0
        self._at = token.end()
        return token

    def take(self, end: int) -> bytes:
        """What stands up to a place."""
        taken = self._content[self._begin : end]
        self.line += taken.count(b"\n")
        self._begin = end
        return taken

    def rest(self) -> bytes:
        """What is left behind the last token, and no white space before it."""
        left = self._content[self._begin :].lstrip()
        self.take(len(self._content) - len(left))
        return left


def _parsed(content: bytes, where: str) -> dict[str, Any]:
    try:
        found: dict[str, Any] = orjson.loads(content)
    except orjson.JSONDecodeError as error:
        try:
            found = json.loads(content)
        except (ValueError, RecursionError):
            reason = f"{error.msg.partition(': line')[0]}, at its character {error.pos + 1}"
            raise DatasetError(f"{where}: not valid JSON: {reason}") from None
    return found
