"""What is left of a journal that is damaged."""

from __future__ import annotations

import os
from collections.abc import Iterator
from itertools import count
from pathlib import Path

from asyncsearch.errors import JournalDamaged, JournalError
from asyncsearch.files import write_whole_file
from asyncsearch.journal import verify_journal
from asyncsearch.run_directory.layout import JOURNAL_FILE
from asyncsearch.run_directory.lock import locked

__all__ = ["cut_journal"]

_AT_A_TIME = 1 << 20


def cut_journal(run: Path) -> Path | None:
    """Cut a run's journal off where it is damaged, so that the run can be gone on with from there.

    Returns:
        Where a copy of all of it is kept, None if nothing was damaged.

    Raises:
        JournalError: it cannot be read or written.
        RunDirectoryError: a process is writing to the run.
    """
    journal = run / JOURNAL_FILE
    try:
        verify_journal(journal)
    except JournalDamaged as damage:
        try:
            with locked(run):
                kept = _free_name_beside(journal)
                write_whole_file(kept, _content(journal))
                os.truncate(journal, damage.offset)
                return kept
        except OSError as error:
            raise JournalError(f"{journal}: cannot be cut: {error.strerror or error}") from error
    return None


def _free_name_beside(journal: Path) -> Path:
    names = (journal.with_suffix(f".damaged-{number}") for number in count(1))
    return next(name for name in names if not name.exists())


def _content(file: Path) -> Iterator[bytes]:
    with file.open("rb") as source:
        while part := source.read(_AT_A_TIME):
            yield part
