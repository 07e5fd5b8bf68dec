"""A directory that only one process at a time may write to."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from asyncsearch.errors import RunDirectoryError

__all__ = ["LOCK_FILE", "locked"]

LOCK_FILE = ".lock"


@contextmanager
def locked(directory: Path) -> Iterator[None]:
    """Hold a directory for this process while the block runs.

    The lock is the kernel's, which takes it back from a process however it ends: none is ever stale.

    Raises:
        RunDirectoryError: another process holds it; the message names its id.
        OSError: it cannot be written to.
    """
    lock = os.open(directory / LOCK_FILE, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.read(lock, 100).decode("ascii", "replace").strip()
            which = f", {holder}" if holder else ""
            raise RunDirectoryError(f"{directory}: is in use by another process{which}") from None
        os.ftruncate(lock, 0)
        os.write(lock, f"{os.getpid()}\n".encode())
        yield
    finally:
        os.close(lock)
