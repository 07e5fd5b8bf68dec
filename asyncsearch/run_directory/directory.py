"""The directory that a run is kept in, over as many sessions as it takes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import orjson

from asyncsearch.errors import JournalError
from asyncsearch.files import sync_directory, write_whole_file
from asyncsearch.journal import Journal, SearchJournal, read_header
from asyncsearch.problem import Problem, digest
from asyncsearch.results import ProblemResult
from asyncsearch.run_directory.fit import (
    Resumption,
    as_recorded,
    require_fit,
    require_free,
    require_journal_of,
)
from asyncsearch.run_directory.layout import CONFIG_FILE, DATASET, JOURNAL_FILE, RESULTS_FILE, unwritable
from asyncsearch.run_directory.lock import locked
from asyncsearch.run_directory.results_file import ResultsFile

__all__ = ["RunDirectory", "open_run_directory"]


class RunDirectory:
    """A run that is being written: its journal and its results grow. See `open_run_directory`.

    ``lost`` results were there, and are made again, because the journal does not hold all that they were made of: so a
    power cut may leave them.
    """

    def __init__(self, path: Path, journal: Journal, results: ResultsFile, *, lost: int) -> None:
        self.path = path
        self.lost = lost
        self._journal = journal
        self._results = results

    def __contains__(self, problem: object) -> bool:
        """Whether there is a result for a problem, by its id."""
        return problem in self._results

    def __len__(self) -> int:
        """How many results are there."""
        return len(self._results)

    def results(self) -> Iterator[tuple[int, ProblemResult]]:
        """The results that are there, each with its problem's position in the dataset.

        Raises:
            StorageError: they cannot be read.
        """
        return self._results.results()

    def search(self, problem: Problem) -> SearchJournal:
        """What the journal has of the search for a problem, and where more is added.

        Raises:
            JournalError: nothing can be written any more.
        """
        return self._journal.search(problem)

    async def keep_synced(self) -> None:
        """See `Journal.keep_synced`."""
        await self._journal.keep_synced()

    def append(self, position: int, result: ProblemResult) -> None:
        """Write the result of a search that `search` was called for, after what the journal has of it.

        Raises:
            StorageError: one of them could not be written, because the disk is full for example.
        """
        self._journal.end(result.id)
        self._results.append(position, result)


@contextmanager
def open_run_directory(
    path: Path,
    config: Mapping[str, Any],
    problems: Sequence[Problem],
    *,
    resumption: Resumption | None = None,
    compress: bool = True,
    durability: float | None = None,
) -> Iterator[RunDirectory]:
    """Hold a run's directory, for this process alone, while the block runs.

    A process that is killed leaves readable files, and a directory that can be resumed.

    Args:
        path: of the directory. Without ``resumption`` it must not exist yet, or be empty.
        config: what is run. What is no JSON value is recorded as Python shows it.
        problems: the dataset.
        resumption: go on with the run that is there, if one is.
        compress: whether a new journal is compressed.
        durability: of the journal, see `Journal`.

    Raises:
        RunDirectoryError: the path is taken, in use, cannot be made, or holds another run.
        StorageError: what is in it is damaged or cannot be read, or nothing can be written.
    """
    if not path.exists():
        require_free(path)
    now = as_recorded(config) | {"problems": len(problems), "problems_digest": digest(problems)}
    journal_file = path / JOURNAL_FILE
    with ExitStack() as stack:
        try:
            path.mkdir(parents=True, exist_ok=True)
            sync_directory(path.parent)
            stack.enter_context(locked(path))
            require_fit(path, now, problems, resumption=resumption)
            require_journal_of(path, now)
            if not (path / CONFIG_FILE).exists():
                _write_config(path, now)
        except OSError as error:
            raise unwritable(path, error) from error
        results = ResultsFile(path / RESULTS_FILE, {problem.id: at for at, problem in enumerate(problems)})
        stack.callback(results.close)
        if len(results) and not (journal_file.exists() and read_header(journal_file)):
            raise JournalError(
                f"{journal_file}: is gone or empty, although there are {len(results)} results: they can be evaluated, "
                "but not gone on with; begin anew in another directory"
            )
        journal = stack.enter_context(
            Journal(
                journal_file,
                config={name: value for name, value in now.items() if name not in DATASET},
                compress=compress,
                durability=durability,
                unwanted=results.good,
            )
        )
        _require_recorded(journal_file, journal, problems)
        try:
            _write_config(path, now)  # it may have been extended, by what all else has borne out
        except OSError as error:
            raise unwritable(path, error) from error
        lost = _reconcile(journal, results, retry_failed=resumption is not None and resumption.retry_failed)
        yield RunDirectory(path, journal, results, lost=lost)


def _write_config(path: Path, config: Mapping[str, Any]) -> None:
    write_whole_file(path / CONFIG_FILE, iter([orjson.dumps(config, option=orjson.OPT_INDENT_2), b"\n"]))


def _require_recorded(path: Path, journal: Journal, problems: Sequence[Problem]) -> None:
    given = {problem.id: problem for problem in problems}
    for search in journal.recorded():
        if given.get(search.problem.id) != search.problem:
            raise JournalError(f"{path}: is of another dataset: {search.problem.id!r} is another problem there")


def _reconcile(journal: Journal, results: ResultsFile, *, retry_failed: bool) -> int:
    """Take out the results that are not to stay, and say how many of them the journal has lost."""
    lost = _without_end(journal, results)
    if retry_failed:
        failed = {search.problem.id for search in journal.recorded() if search.has_failures} | results.failed
        journal.retry(failed - (results.good - lost))  # before their results are gone, lest that is forgotten
    results.drop(_without_end(journal, results))
    return len(lost)


def _without_end(journal: Journal, results: ResultsFile) -> set[str]:
    """The ids of problems with a result whose search did not end, as the journal has it."""
    return results.ids - {search.problem.id for search in journal.recorded() if search.ended}
