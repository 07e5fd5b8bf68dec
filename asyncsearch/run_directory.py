"""The directory that a run is kept in, over as many sessions as it takes."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from asyncsearch.errors import JournalError, RunDirectoryError
from asyncsearch.files import UNFINISHED, write_whole_file
from asyncsearch.journal import (
    Journal,
    JournalContents,
    SearchJournal,
    journaled_problems,
    read_header,
    verify_journal,
)
from asyncsearch.lock import LOCK_FILE, locked
from asyncsearch.problem import Problem, digest
from asyncsearch.results import COMMAND_FILE, CONFIG_FILE, JOURNAL_FILE, RESULTS_FILE, ProblemResult, read_config
from asyncsearch.results_file import ResultsFile

__all__ = [
    "Resumption",
    "RunDirectory",
    "is_journaled",
    "open_run_directory",
    "require_fit",
    "require_free",
    "verify_config",
]

_DATASET = frozenset({"problems", "problems_digest"})
_MAY_DIFFER = _DATASET | {"asyncsearch"}
"""The package's version may change between two sessions of a run; the dataset is compared on its own."""

_MODELS = ("policy", "reward")


@dataclass(frozen=True, slots=True, kw_only=True)
class Resumption:
    """How to go on with a run that was begun.

    With ``extend`` the dataset may have grown at its end; with ``retry_failed`` what failed is solved again.
    """

    extend: bool = False
    retry_failed: bool = False


class RunDirectory:
    """A run that is being written: its journal and its results grow. See `open_run_directory`."""

    def __init__(self, path: Path, journal: Journal, results: ResultsFile) -> None:
        self.path = path
        self._journal = journal
        self._results = results

    def is_finished(self, problem: str) -> bool:
        """Whether there is a result for a problem, by its id."""
        return problem in self._results.finished

    def results(self) -> Iterator[tuple[int, ProblemResult]]:
        """The results that are there, each with its problem's position in the dataset."""
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
        """Write a result, after what the journal has of its problem.

        Raises:
            RunDirectoryError: one of them could not be written, because the disk is full for example.
        """
        self._journal.flush()
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
        RunDirectoryError: the path is taken, in use, cannot be written or is damaged, or holds another run.
    """
    how = resumption or Resumption()
    if not path.exists():
        require_free(path)
    now = _as_recorded(config) | {"problems": len(problems), "problems_digest": digest(problems)}
    with ExitStack() as stack:
        try:
            path.mkdir(parents=True, exist_ok=True)
            stack.enter_context(locked(path))
            require_fit(path, now, problems, resumption=resumption)
            _require_journal_of(path, now)
            write_whole_file(path / CONFIG_FILE, iter([orjson.dumps(now, option=orjson.OPT_INDENT_2), b"\n"]))
        except OSError as error:
            raise RunDirectoryError(f"{path}: cannot be written: {error.strerror or error}") from error
        positions = {problem.id: position for position, problem in enumerate(problems)}
        journaled = verify_journal(path / JOURNAL_FILE) if (path / JOURNAL_FILE).exists() else JournalContents()
        retried: set[str] = set()

        def drop(result: ProblemResult) -> bool:
            if how.retry_failed and result.error is not None:
                retried.add(result.id)
                return True
            return not is_journaled(result, journaled)  # after a power cut

        results = ResultsFile(path / RESULTS_FILE, positions, drop=drop)
        stack.callback(results.close)
        journal = stack.enter_context(
            Journal(
                path / JOURNAL_FILE,
                config={name: value for name, value in now.items() if name not in _DATASET},
                compress=compress,
                durability=durability,
                finished=frozenset(results.finished),
                retried=frozenset(retried),
            )
        )
        yield RunDirectory(path, journal, results)


def is_journaled(result: ProblemResult, journal: JournalContents) -> bool:
    """Whether a journal holds what a result was made of, by the tokens of both models."""
    generated, scored = journal.tokens.get(result.id, (0, 0))
    accounts = result.accounts
    return accounts.policy.generated_tokens <= generated and accounts.reward.prompt_tokens <= scored


def verify_config(path: Path) -> None:
    """Make sure that a run's configuration is that of its journal.

    Raises:
        RunDirectoryError: it is not, or one of them cannot be read.
    """
    _require_journal_of(path, read_config(path))


def _require_journal_of(path: Path, config: Mapping[str, Any]) -> None:
    journal = path / JOURNAL_FILE
    if journal.exists() and (header := read_header(journal)) and (differences := _differences(header, config)):
        raise JournalError(f"{journal}: is of another run: {'; '.join(differences)}")


def require_fit(
    path: Path, config: Mapping[str, Any], problems: Sequence[Problem], *, resumption: Resumption | None
) -> None:
    """Make sure that a run can be begun in a directory, or gone on with, as far as ``config`` says what it is.

    Raises:
        RunDirectoryError: the path is taken or cannot be written, or holds another run; the message lists differences.
    """
    if resumption is None or not (path / CONFIG_FILE).exists():
        require_free(path)
        return
    recorded, now = read_config(path), _as_recorded(config)
    differences = _differences({name: value for name, value in recorded.items() if name in now}, now)
    count = int(recorded.get("problems", 0))
    if digest(problems[:count]) != recorded.get("problems_digest"):
        differences.append(_dataset_difference(path, count, problems))
    elif len(problems) > count and not resumption.extend:
        differences.append(f"the dataset has {len(problems) - count} problems more (--extend adds them)")
    if differences:
        raise RunDirectoryError(f"{path}: holds another run: {'; '.join(differences)}")


def _as_recorded(config: Mapping[str, Any]) -> dict[str, Any]:
    """A configuration as it is read back."""
    recorded: dict[str, Any] = orjson.loads(orjson.dumps(dict(config), default=repr))
    return recorded


def _dataset_difference(path: Path, count: int, problems: Sequence[Problem]) -> str:
    """In which way a dataset is not the one of ``count`` problems that a run is of, in words."""
    if len(problems) < count:
        return f"the dataset had {count - len(problems)} problems more"
    given = {problem.id: problem for problem in problems}
    for problem in journaled_problems(path / JOURNAL_FILE) if (path / JOURNAL_FILE).exists() else ():
        now = given.get(problem.id)
        if now is None:
            return f"the dataset has no problem {problem.id!r} any more"
        if now != problem:
            return f"in the dataset the {'text' if now.text != problem.text else 'answer'} of {problem.id!r} is another"
    return f"the dataset was {count} other problems, or in another order"


def _differences(there: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """What differs between two configurations, in words."""
    there, now = _flat(there), _flat(now)
    may_differ = set(_MAY_DIFFER)
    for role in _MODELS:  # the same weights are the same model, wherever they are; unknown ones go by their name
        fingerprint = f"{role}_fingerprint"
        may_differ.add(role if there.get(fingerprint) and now.get(fingerprint) else fingerprint)
    return [
        f"{name} was {_shown(there.get(name))} and is {_shown(now.get(name))}"
        for name in sorted({*there, *now} - may_differ)
        if there.get(name) != now.get(name)
    ]


def _flat(config: Mapping[str, Any]) -> dict[str, Any]:
    """A configuration with the strategy's parameters beside everything else."""
    return {**config, **config.get("parameters", {}), "parameters": None}


def _shown(value: Any) -> str:
    return orjson.dumps(value).decode()


def require_free(path: Path) -> None:
    """Make sure that a run can be written to a path: there is nothing, or an empty directory.

    What a start leaves that came to nothing does not matter: a lock, the command, a file that was not written whole.

    Raises:
        RunDirectoryError: it is taken, or cannot be looked at or written.
    """
    try:
        taken = path.exists() and (not path.is_dir() or any(map(_is_of_a_run, path.iterdir())))
        nearest = next(parent for parent in (path, *path.absolute().parents) if parent.exists())
    except OSError as error:
        raise RunDirectoryError(f"{path}: cannot be read: {error.strerror or error}") from error
    if not taken and not (nearest.is_dir() and os.access(nearest, os.W_OK)):
        raise RunDirectoryError(f"{path}: cannot be written; name another directory with --out")
    if taken:
        is_run = (path / CONFIG_FILE).exists() or any(path.glob(f"*/{CONFIG_FILE}"))
        hint = "go on with it by --resume, or " if is_run else ""
        raise RunDirectoryError(f"{path}: exists already; {hint}name another directory with --out, or remove it")


def _is_of_a_run(file: Path) -> bool:
    return file.name not in (COMMAND_FILE, LOCK_FILE) and file.suffix != UNFINISHED
