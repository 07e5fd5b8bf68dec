"""The results of a run as lines of a file, which is readable at any time."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

from asyncsearch.errors import RunDirectoryError
from asyncsearch.files import require_linked, write_whole_file
from asyncsearch.results import ProblemResult

__all__ = ["ResultsFile"]


class ResultsFile:
    """Appends results, a JSON object a line, and takes up those that are there.

    Each line is written whole and handed to the operating system before the next. `close` puts the lines into the
    order of the problems.

    Args:
        path: of the file; made if it is not there. A torn last line is cut off.
        positions: each problem's place in the dataset, by its id.
        drop: which of the results that are there are to be taken out.

    Raises:
        RunDirectoryError: the file cannot be read or written, or a line is damaged or of another dataset.
    """

    def __init__(
        self, path: Path, positions: Mapping[str, int], *, drop: Callable[[ProblemResult], bool] = lambda _: False
    ) -> None:
        self.finished: set[str] = set()
        self._path = path
        self._failure: RunDirectoryError | None = None
        self._lines: list[tuple[int, int, int]] = []  # position, offset and size of each
        self._end = 0
        try:
            if path.exists():
                self._take_up(positions, drop)
            self._file = path.open("ab", buffering=0)
        except OSError as error:
            raise self._failed(error) from error

    def results(self) -> Iterator[tuple[int, ProblemResult]]:
        """The results that are there, each with its problem's position, as they were written."""
        with self._path.open("rb") as file:
            for position, offset, size in self._lines:
                file.seek(offset)
                yield position, ProblemResult.from_json(file.read(size))

    def append(self, position: int, result: ProblemResult) -> None:
        """Write the result of the problem at ``position``.

        Raises:
            RunDirectoryError: it could not be written, because the disk is full for example. The file ends with the
                line before, and takes no further one.
        """
        if self._failure is not None:
            raise self._failure
        line = result.to_json() + b"\n"
        try:
            require_linked(self._file.fileno())
            view = memoryview(line)
            while view:
                view = view[self._file.write(view) or 0 :]
        except OSError as error:
            failure = self._failed(error)
            with suppress(OSError):  # what is torn at the end, the next reader passes over
                self._file.truncate(self._end)
            raise failure from error
        self._lines.append((position, self._end, len(line)))
        self._end += len(line)
        self.finished.add(result.id)

    def close(self) -> None:
        """Order the lines by problem and close the file.

        Raises:
            RunDirectoryError: they cannot be ordered; they stay as they were written.
        """
        self._file.close()
        if self._lines != sorted(self._lines):
            try:
                self._rewrite(sorted(self._lines))
            except OSError as error:
                raise self._failed(error) from error

    def _take_up(self, positions: Mapping[str, int], drop: Callable[[ProblemResult], bool]) -> None:
        with self._path.open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            offset = 0
            for line in file:
                if not line.endswith(b"\n"):
                    break
                try:
                    result = ProblemResult.from_json(line)
                    position = positions[result.id]
                except ValueError as error:
                    raise RunDirectoryError(f"{self._path}, byte {offset}: damaged: {error}") from error
                except KeyError:
                    raise RunDirectoryError(
                        f"{self._path}, byte {offset}: the problem {result.id!r} is not in the dataset"
                    ) from None
                if not drop(result):
                    self.finished.add(result.id)
                    self._lines.append((position, offset, len(line)))
                offset += len(line)
        self._end = sum(length for _, _, length in self._lines)
        if self._end != size:
            self._rewrite(self._lines)
            offset = 0
            for index, (position, _, length) in enumerate(self._lines):
                self._lines[index] = position, offset, length
                offset += length

    def _rewrite(self, lines: list[tuple[int, int, int]]) -> None:
        def slices(source: BinaryIO) -> Iterator[bytes]:
            for _, offset, size in lines:
                source.seek(offset)
                yield source.read(size)

        with self._path.open("rb") as source:
            write_whole_file(self._path, slices(source))

    def _failed(self, error: OSError) -> RunDirectoryError:
        self._failure = RunDirectoryError(f"{self._path}: cannot be written: {error.strerror or error}")
        return self._failure
