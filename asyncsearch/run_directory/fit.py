"""Which run a directory can take."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from asyncsearch.errors import JournalError, RunDirectoryError
from asyncsearch.files import UNFINISHED
from asyncsearch.journal import journaled_problems, read_header
from asyncsearch.problem import Problem, digest
from asyncsearch.run_directory.layout import COMMAND_FILE, CONFIG_FILE, DATASET, JOURNAL_FILE, RUNS_FILE, read_config
from asyncsearch.run_directory.lock import LOCK_FILE

__all__ = ["Resumption", "as_recorded", "require_fit", "require_free", "require_journal_of", "verify_config"]

_MAY_DIFFER = DATASET | {"asyncsearch"}
"""The package's version may change between two sessions of a run; the dataset is compared on its own."""

_MODELS = ("policy", "reward")


@dataclass(frozen=True, slots=True, kw_only=True)
class Resumption:
    """How to go on with a run that was begun.

    With ``extend`` the dataset may have grown at its end; with ``retry_failed`` what failed is solved again.
    """

    extend: bool = False
    retry_failed: bool = False


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
    recorded, now = read_config(path), as_recorded(config)
    differences = _differences({name: value for name, value in recorded.items() if name in now}, now)
    count = int(recorded["problems"])
    if digest(problems[:count]) != recorded["problems_digest"]:
        differences.append(_dataset_difference(path, count, problems))
    elif len(problems) > count and not resumption.extend:
        more = len(problems) - count
        differences.append(f"the dataset has {more} problem{'s' * (more > 1)} more, which 'extend' would add")
    if differences:
        raise RunDirectoryError(f"{path}: holds another run: {'; '.join(differences)}")


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
        raise RunDirectoryError(f"{path}: cannot be written; name another directory")
    if taken:
        is_run = any(any(path.glob(f"{inner}{CONFIG_FILE}")) for inner in ("", "*/", "*/*/"))  # of a sweep, too
        hint = "--resume goes on with it; or " if is_run else ""
        raise RunDirectoryError(f"{path}: exists already; {hint}name another directory, or remove it")


def verify_config(path: Path) -> None:
    """Make sure that a run's configuration is that of its journal.

    Raises:
        RunDirectoryError: the path is not a run directory.
        StorageError: it is not, or one of them cannot be read.
    """
    require_journal_of(path, read_config(path))


def require_journal_of(path: Path, config: Mapping[str, Any]) -> None:
    """Make sure that the journal in a directory, if there is one, is that of a run with this configuration.

    Raises:
        JournalError: it is not, or cannot be read.
    """
    journal = path / JOURNAL_FILE
    if journal.exists() and (header := read_header(journal)) and (differences := _differences(header, config)):
        raise JournalError(f"{journal}: is of another run: {'; '.join(differences)}")


def as_recorded(config: Mapping[str, Any]) -> dict[str, Any]:
    """A configuration as it is read back."""
    recorded: dict[str, Any] = orjson.loads(orjson.dumps(dict(config), default=repr))
    return recorded


def _dataset_difference(path: Path, count: int, problems: Sequence[Problem]) -> str:
    """In which way a dataset is not the one of ``count`` problems that a run is of, in words."""
    if len(problems) < count:
        return f"the dataset had {count} problems and has {len(problems)}"
    given = {problem.id: problem for problem in problems}
    for problem in journaled_problems(path / JOURNAL_FILE) if (path / JOURNAL_FILE).exists() else ():
        now = given.get(problem.id)
        if now is None:
            return f"the dataset has no problem {problem.id!r} any more"
        if now != problem:
            what = next(
                name for name in ("text", "answer", "level", "subject") if getattr(now, name) != getattr(problem, name)
            )
            return f"the {what} of the problem {problem.id!r} is not the one that it had"
    return f"the dataset was {count} other problems, or in another order"


def _differences(there: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """What differs between two configurations, in words."""
    if there.get("strategy") != now.get("strategy"):  # then it does not matter what else is another
        return [f"strategy was {_shown(there.get('strategy'))} and is {_shown(now.get('strategy'))}"]
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


def _is_of_a_run(file: Path) -> bool:
    return file.name not in (COMMAND_FILE, LOCK_FILE, RUNS_FILE) and file.suffix != UNFINISHED
