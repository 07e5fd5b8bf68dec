"""A directory that only one process at a time may write to."""

from __future__ import annotations

import fcntl
import os
import platform
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from asyncsearch.errors import RunDirectoryError

__all__ = ["LOCK_FILE", "Holder", "holder_of", "locked"]

LOCK_FILE = ".lock"

_OPEN_FILES = "/proc/{process}/fd"
"""Where Linux says which files a process has open."""


@dataclass(frozen=True, slots=True)
class Holder:
    """Who wrote into a lock that they hold it, or held it last: a process, on a host."""

    process: int
    host: str

    def __str__(self) -> str:
        return f"{self.process} on {self.host}"

    @property
    def is_elsewhere(self) -> bool:
        """Whether it is out of sight: on another host than this one."""
        return self.host != platform.node()


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
        os.ftruncate(lock, os.pwrite(lock, f"{Holder(os.getpid(), platform.node())}\n".encode(), 0))
        yield
    finally:
        os.close(lock)


def holder_of(directory: Path) -> Holder | None:
    """Who holds a directory, None if nobody does; found without touching the lock, which would be in the way.

    Of a process on another host nothing is known here but that it held the directory last.
    """
    lock = directory / LOCK_FILE
    try:
        said, there = lock.read_bytes(), lock.stat()
        process, host = said.decode().partition("\n")[0].split(" on ", 1)
        holder = Holder(int(process), host)
    except (OSError, ValueError):  # not locked yet
        return None
    return holder if holder.is_elsewhere or _has_open(holder.process, there) else None


def _has_open(process: int, file: os.stat_result) -> bool:
    """Whether a process is there and has a file open, as far as the system says which files it has."""
    try:
        with os.scandir(_OPEN_FILES.format(process=process)) as links:
            for link in links:
                with suppress(OSError):  # closed by now
                    if os.path.samestat(os.stat(link.path), file):
                        return True
            return False
    except OSError:  # not Linux, or not our process
        return _is_there(process)


def _is_there(process: int) -> bool:
    try:
        os.kill(process, 0)
    except PermissionError:
        return True
    except OSError:
        return False
    return True
