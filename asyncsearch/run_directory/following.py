"""How far a run is, read from its directory while another process writes it."""

from __future__ import annotations

import os
from contextlib import ExitStack, suppress
from pathlib import Path
from types import TracebackType
from typing import Self

from asyncsearch.errors import StorageError
from asyncsearch.journal import JournalFollower, JournalTally
from asyncsearch.results_tally import ResultsTally
from asyncsearch.run_directory.layout import JOURNAL_FILE, RESULTS_FILE, read_config
from asyncsearch.run_directory.lock import LOCK_FILE, Holder, holder_of
from asyncsearch.run_directory.results_file import read_line

__all__ = ["ResultsFollower", "RunFollower"]

_AT_A_TIME = 16 << 20
"""Bytes of results: some tenths of a second."""


class ResultsFollower:
    """Reads what has been added to the results of a run, as often as it is asked to, and keeps a ``tally`` of it.

    Only whole lines are read. Where another file takes this one's place, because the lines were put into order for
    example, that is read anew.

    Args:
        path: of the file, which need not be there yet.
    """

    def __init__(self, path: Path) -> None:
        self.tally = ResultsTally()
        self.is_behind = True
        self.end = 0
        self._path = path
        self._lines = 0
        self._file: int | None = None

    def close(self) -> None:
        """Close the file."""
        if self._file is not None:
            os.close(self._file)
            self._file = None

    @property
    def size(self) -> int:
        """How many bytes there are by now, of which ``end`` have been read."""
        return 0 if self._file is None else os.fstat(self._file).st_size

    def look(self) -> None:
        """Take up what has been added, or a part of that: afterwards ``is_behind`` says whether there is more.

        Raises:
            StorageError: it cannot be read, or a line is damaged.
        """
        try:
            self._look()
        except OSError as error:
            raise StorageError(f"{self._path}: cannot be read: {error.strerror or error}") from error

    def _look(self) -> None:
        if self._file is not None and not self._is_current(self._file):
            self.close()
            self.tally, self.end, self._lines = ResultsTally(), 0, 0
        self.is_behind = False
        if self._file is None:
            try:
                self._file = os.open(self._path, os.O_RDONLY | os.O_CLOEXEC)
            except FileNotFoundError:
                return
        enough = self.end + _AT_A_TIME
        # Anew each time, lest anything is in the buffer that has been cut off since.
        with open(self._file, "rb", closefd=False) as lines:
            lines.seek(self.end)
            for line in lines:
                if not line.endswith(b"\n"):
                    return
                self.tally = self.tally.plus(read_line(self._path, self._lines + 1, line))
                self._lines += 1
                self.end += len(line)
                if self.end >= enough:
                    self.is_behind = True
                    return

    def _is_current(self, file: int) -> bool:
        mine = os.fstat(file)
        with suppress(FileNotFoundError):
            return os.path.samestat(self._path.stat(), mine) and mine.st_size >= self.end
        return False


class RunFollower:
    """What has become of a run: ``results`` that are there, of ``total`` problems, and its ``journal``.

    ``holder`` is the process that writes it, None where there is none. The last result, or else the ``holder``, came
    ``since`` some time, in seconds since 1970. Nothing is locked or written. What seems to be damaged is believed when
    it still does after all has been read anew, as somebody may have cut it off meanwhile.

    Args:
        path: of the run's directory.

    Raises:
        RunDirectoryError: it is no run directory.
        StorageError: what is in it cannot be read.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.total: int = read_config(path)["problems"]
        self.holder: Holder | None = None
        self.since = 0.0
        self._doubted = ""
        self._open = ExitStack()
        self._begin()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._open.close()

    @property
    def results(self) -> ResultsTally:
        """What its results come to."""
        return self._results.tally

    @property
    def journal(self) -> JournalTally:
        """What its journal holds."""
        return self._journal.tally

    @property
    def is_behind(self) -> bool:
        """Whether there is more to be read than was by the last look."""
        return self._results.is_behind or self._journal.is_behind

    @property
    def is_complete(self) -> bool:
        """Whether every problem has a result."""
        return self.results.done >= self.total

    @property
    def end(self) -> int:
        """How many bytes have been read."""
        return self._results.end + self._journal.end

    @property
    def size(self) -> int:
        """How many there are."""
        return self._results.size + self._journal.size

    def look(self) -> None:
        """Take up what has been added, or a part of that: afterwards `is_behind` says whether there is more.

        Raises:
            RunDirectoryError: it is no run directory, or not any more.
            StorageError: what is in it cannot be read, or is damaged.
        """
        self.holder = holder_of(self.path)  # first: what it has written until it left is seen
        self.total = read_config(self.path)["problems"]
        self.since = max(map(_written, (self.path / RESULTS_FILE, self.path / LOCK_FILE)))
        try:
            self._results.look()
            self._journal.look()
        except StorageError as error:
            if str(error) == self._doubted:
                raise
            self._doubted = str(error)
            self._begin()

    def _begin(self) -> None:
        self._open.close()
        self._results = ResultsFollower(self.path / RESULTS_FILE)
        self._open.callback(self._results.close)
        self._journal = self._open.enter_context(JournalFollower(self.path / JOURNAL_FILE))


def _written(file: Path) -> float:
    """When a file was last written to, in seconds since 1970; 0.0 if it is not there."""
    try:
        return file.stat().st_mtime
    except OSError:
        return 0.0
