"""What is left of a journal that is damaged."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from asyncsearch.errors import JournalDamaged, JournalError
from asyncsearch.journal.reading import verify_journal
from asyncsearch.lock import locked

__all__ = ["cut_journal"]


def cut_journal(path: Path) -> Path | None:
    """Cut a journal off where it is damaged, so that its run can be gone on with from there.

    Returns:
        Where a copy of all of it is kept, None if nothing was damaged.

    Raises:
        JournalError: it cannot be read or written.
        RunDirectoryError: a process is writing to it.
    """
    try:
        with locked(path.parent):
            try:
                verify_journal(path)
            except JournalDamaged as damage:
                kept = path.with_suffix(".damaged")
                shutil.copyfile(path, kept)
                os.truncate(path, damage.offset)
                return kept
    except OSError as error:
        raise JournalError(f"{path}: cannot be cut: {error.strerror or error}") from error
    return None
