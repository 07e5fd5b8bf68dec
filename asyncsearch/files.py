"""Files that are there whole or not at all, and files that somebody has removed."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

__all__ = ["UNFINISHED", "require_linked", "sync_directory", "whole_file", "write_whole_file"]

UNFINISHED = ".tmp"
"""What the name of a file ends in that is not written whole yet."""


def require_linked(file: int) -> None:
    """Make sure that an open file still has a name: what is written to one without is lost.

    Raises:
        OSError: it was removed.
    """
    if os.fstat(file).st_nlink == 0:
        raise FileNotFoundError(errno.ENOENT, "it was removed")


def write_whole_file(path: Path, parts: Iterator[bytes]) -> None:
    """Write a file so that it is there whole or not at all, in the place of what was there.

    Raises:
        OSError: it cannot be written; what was there is untouched.
    """
    with whole_file(path) as file:
        for part in parts:
            file.write(part)


@contextmanager
def whole_file(path: Path) -> Iterator[BinaryIO]:
    """A file that is there whole when the block has ended, in the place of what was there; or not at all.

    Raises:
        OSError: it cannot be written; what was there is untouched, as it is when the block raises anything.
    """
    temporary = path.with_suffix(UNFINISHED)
    try:
        with temporary.open("wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    sync_directory(path.parent)


def sync_directory(path: Path) -> None:
    """Have the disk take the names in a directory, where the file system can.

    Raises:
        OSError: the disk refuses.
    """
    directory = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(directory)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):
            raise
    finally:
        os.close(directory)
