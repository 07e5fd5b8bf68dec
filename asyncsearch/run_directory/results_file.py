"""The results of a run as lines of a file, which is readable at any time."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from asyncsearch.errors import StorageError
from asyncsearch.files import require_linked, write_whole_file
from asyncsearch.results import ProblemResult
from asyncsearch.run_directory.layout import RESULTS_FILE, read_config

__all__ = ["ResultsFile", "has_torn_line", "read_line", "read_results"]

_REMEDY = "remove the file, and --resume makes it anew from the journal"


def read_results(path: Path) -> Iterator[ProblemResult]:
    """Yield the results in a run's directory one by one, without holding them all.

    A torn last line, as a killed run may leave, is passed over.

    Raises:
        RunDirectoryError: the path is not a run directory.
        StorageError: the results cannot be read, or a line is damaged; the message names it.
    """
    file = path / RESULTS_FILE
    try:
        for _, result in _read_lines(file):
            yield result
    except FileNotFoundError:
        read_config(path)
        raise StorageError(f"{file}: is gone; --resume makes it anew from the journal") from None


def has_torn_line(path: Path) -> bool:
    """Whether the results in a run's directory end in a line that is not whole, which `read_results` passes over.

    Raises:
        StorageError: they cannot be read.
    """
    file = path / RESULTS_FILE
    try:
        with file.open("rb") as results:
            size = results.seek(0, os.SEEK_END)
            results.seek(max(size - 1, 0))
            return results.read() not in (b"", b"\n")
    except OSError as error:
        raise StorageError(f"{file}: cannot be read: {error.strerror or error}") from error


class ResultsFile:
    """Appends results, a JSON object a line, and takes up those that are there.

    Each line is written whole and handed to the operating system before the next. `close` puts the lines into the
    order of the problems.

    Args:
        path: of the file; made if it is not there. A torn last line is cut off.
        positions: each problem's place in the dataset, by its id.

    ``good`` and ``failed`` are the ids of the problems whose results are there, by whether they have an error.

    Raises:
        StorageError: the file cannot be read or written, or a line is damaged or of another dataset.
    """

    def __init__(self, path: Path, positions: Mapping[str, int]) -> None:
        self.good: set[str] = set()
        self.failed: set[str] = set()
        self._path = path
        self._failure: StorageError | None = None
        self._lines: list[_Line] = []
        self._end = 0
        try:
            with suppress(FileNotFoundError):
                for slice, result in _read_lines(path):
                    if result.id not in positions:
                        raise StorageError(f"{path}: the problem {result.id!r} is not in the dataset")
                    self._note(result, _Line(positions[result.id], slice, result.id))
            self._file = path.open("ab", buffering=0)
            if self._file.tell() > self._end:
                self._file.truncate(self._end)
        except OSError as error:
            raise self._failed(error) from error

    @property
    def ids(self) -> set[str]:
        """The ids of all problems that have a result."""
        return self.good | self.failed

    def __contains__(self, problem: object) -> bool:
        """Whether there is a result for a problem, by its id."""
        return problem in self.good or problem in self.failed

    def __len__(self) -> int:
        return len(self._lines)

    def results(self) -> Iterator[tuple[int, ProblemResult]]:
        """The results that are there, each with its problem's position, as they were written.

        Raises:
            StorageError: they cannot be read.
        """
        try:
            with self._path.open("rb") as file:
                for line in self._lines:
                    yield line.position, ProblemResult.from_json(line.slice.read(file))
        except (OSError, ValueError) as error:
            raise StorageError(f"{self._path}: cannot be read: {error}") from error

    def append(self, position: int, result: ProblemResult) -> None:
        """Write the result of the problem at ``position``.

        Raises:
            StorageError: it could not be written, because the disk is full for example. The file ends with the line
                before, and takes no further one.
        """
        if self._failure is not None:
            raise self._failure
        try:
            content = result.to_json() + b"\n"
        except TypeError as error:
            raise StorageError(f"{self._path}: the result of {result.id!r} cannot be written: {error}") from error
        try:
            require_linked(self._file.fileno())
            view = memoryview(content)
            while view:
                view = view[self._file.write(view) or 0 :]
        except OSError as error:
            failure = self._failed(error)
            with suppress(OSError):  # what is torn at the end, the next reader passes over
                self._file.truncate(self._end)
            raise failure from error
        self._note(result, _Line(position, _Slice(self._end, len(content)), result.id))

    def drop(self, problems: Collection[str]) -> None:
        """Take out the results of problems, by their ids.

        Raises:
            StorageError: it cannot be done; then all are still there.
        """
        if problems:
            self.good.difference_update(problems)
            self.failed.difference_update(problems)
            self._rewrite(line for line in self._lines if line.problem not in problems)

    def close(self) -> None:
        """Order the lines by problem and close the file.

        Raises:
            StorageError: they cannot be ordered; they stay as they were written.
        """
        try:
            if self._failure is None and self._lines != (ordered := sorted(self._lines)):
                self._rewrite(ordered)
        finally:
            self._file.close()

    def _note(self, result: ProblemResult, line: _Line) -> None:
        (self.good if result.error is None else self.failed).add(result.id)
        self._lines.append(line)
        self._end += line.slice.size

    def _rewrite(self, lines: Iterable[_Line]) -> None:
        """Make the file one of these lines."""
        kept = list(lines)
        try:
            with self._path.open("rb") as source:
                write_whole_file(self._path, (line.slice.read(source) for line in kept))
            self._file.close()
            self._file = self._path.open("ab", buffering=0)
        except OSError as error:
            raise self._failed(error) from error
        self._lines, self._end = [], 0
        for line in kept:
            self._lines.append(_Line(line.position, _Slice(self._end, line.slice.size), line.problem))
            self._end += line.slice.size

    def _failed(self, error: OSError) -> StorageError:
        self._failure = StorageError(f"{self._path}: cannot be written: {error.strerror or error}")
        return self._failure


@dataclass(frozen=True, slots=True, order=True)
class _Slice:
    """Bytes of a file."""

    offset: int
    size: int

    def read(self, file: BinaryIO) -> bytes:
        file.seek(self.offset)
        return file.read(self.size)


@dataclass(frozen=True, slots=True, order=True)
class _Line:
    """Where a result stands, and what it is of."""

    position: int
    slice: _Slice
    problem: str


def read_line(file: Path, number: int, line: bytes) -> ProblemResult:
    """The result in one line of a file.

    Raises:
        StorageError: it is damaged.
    """
    try:
        return ProblemResult.from_json(line)
    except ValueError as error:
        raise StorageError(f"{file}, line {number}: damaged: {error}; {_REMEDY}") from error


def _read_lines(file: Path) -> Iterator[tuple[_Slice, ProblemResult]]:
    """Each whole line of a file, and where it stands.

    Raises:
        FileNotFoundError: there is none.
        StorageError: it cannot be read, or a line is damaged.
    """
    offset = 0
    seen: set[str] = set()
    try:
        with file.open("rb") as lines:
            for number, line in enumerate(lines, 1):
                if not line.endswith(b"\n"):
                    return
                result = read_line(file, number, line)
                if result.id in seen:
                    what = f"a second result of the problem {result.id!r}"
                    raise StorageError(f"{file}, line {number}: damaged: {what}; {_REMEDY}")
                seen.add(result.id)
                yield _Slice(offset, len(line)), result
                offset += len(line)
    except FileNotFoundError:
        raise
    except OSError as error:
        raise StorageError(f"{file}: cannot be read: {error.strerror or error}") from error
