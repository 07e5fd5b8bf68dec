"""Scores as they come, in a file beside the one that they are for."""

from __future__ import annotations

import fcntl
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, BinaryIO

import msgspec
import orjson

from asyncsearch.accounting import ModelAccount
from asyncsearch.errors import ConfigurationError, StorageError
from asyncsearch.files import require_linked
from asyncsearch.run_directory import unwritable

__all__ = ["PartialScores", "Place", "open_partial_scores"]

Place = tuple[int, int]
"""The number of a record in its file, and of a solution in that, from 0."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Line:
    record: int
    solution: int
    step_scores: tuple[float, ...]
    account: ModelAccount


class PartialScores:
    """The scores of solutions that are there, by their places; more are added. See `open_partial_scores`.

    ``account`` is what all of them took.
    """

    def __init__(
        self, path: Path, file: BinaryIO, scores: dict[Place, tuple[float, ...]], account: ModelAccount
    ) -> None:
        self.account = account
        self._path = path
        self._file = file
        self._scores = scores

    def __contains__(self, place: object) -> bool:
        return place in self._scores

    def __len__(self) -> int:
        return len(self._scores)

    def __getitem__(self, place: Place) -> tuple[float, ...]:
        return self._scores[place]

    def add(self, place: Place, step_scores: tuple[float, ...], account: ModelAccount) -> None:
        """Write down a solution's scores, and hand them to the operating system.

        Raises:
            StorageError: it cannot be done, because the disk is full for example.
            RunDirectoryError: nor can it be done by whoever runs this.
        """
        record, solution = place
        line = _Line(record=record, solution=solution, step_scores=step_scores, account=account)
        try:
            require_linked(self._file.fileno())
            _append(self._file, asdict(line))
        except OSError as error:
            raise unwritable(self._path, error) from error
        self._scores[place] = step_scores
        self.account += account


@contextmanager
def open_partial_scores(path: Path, made_of: Mapping[str, Any]) -> Iterator[PartialScores]:
    """Hold a file of scores for this process alone while the block runs, and take up what it has.

    A line that a killed process left torn is cut off. ``made_of`` says what they are the scores of.

    Raises:
        ConfigurationError: the file holds something else, or another process holds it.
        RunDirectoryError: it cannot be written here.
        StorageError: it is damaged, or the disk is full.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        file = path.open("a+b", buffering=0)
    except OSError as error:
        raise unwritable(path, error) from error
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ConfigurationError(f"{path}: another process is writing it") from None
        try:
            file.seek(0)
            *lines, torn = file.read().split(b"\n")
            file.truncate(file.tell() - len(torn))
            if not lines:
                _append(file, dict(made_of))
        except OSError as error:
            raise unwritable(path, error) from error
        if lines:
            _require_same(path, lines[0], made_of)
        scores: dict[Place, tuple[float, ...]] = {}
        account = ModelAccount()
        for number, line in enumerate(lines[1:], 2):
            try:
                found = _FROM_JSON.decode(line)
            except ValueError as error:
                raise StorageError(f"{path}, line {number}: damaged: {error}; remove the file to begin anew") from error
            scores[found.record, found.solution] = found.step_scores
            account += found.account
        try:
            yield PartialScores(path, file, scores, account)
        finally:
            if not scores:
                path.unlink(missing_ok=True)


def _append(file: BinaryIO, content: dict[str, Any]) -> None:
    view = memoryview(orjson.dumps(content, option=orjson.OPT_APPEND_NEWLINE))
    while view:
        view = view[file.write(view) or 0 :]


def _require_same(path: Path, line: bytes, made_of: Mapping[str, Any]) -> None:
    try:
        recorded = orjson.loads(line)
    except orjson.JSONDecodeError:
        recorded = None
    if not isinstance(recorded, dict) or recorded.keys() != made_of.keys():
        raise ConfigurationError(f"{path}: is in the way, and no file of scores; name another file with --out")
    differing = [name for name, value in made_of.items() if recorded[name] != value]
    if differing:
        raise ConfigurationError(
            f"{path}: holds scores that were made with another {', '.join(differing)}; go on with the same, "
            "or remove it to begin anew"
        )


_FROM_JSON = msgspec.json.Decoder(_Line)
