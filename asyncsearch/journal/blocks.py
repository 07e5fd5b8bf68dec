"""An append-only file of blocks, each of which shows by itself whether it is whole.

    file   = MAGIC block*
    block  = length: u32, payload check: u32, header check: u32, payload, END      (little-endian, CRC-32)

The header's check covers the block's place in the file, its length and its payload's check. A block is written by
one ``write``, so a process that is killed leaves whole blocks and at most one torn at the end: fewer bytes than a
header, or than a sound header promises, or (after a power cut) zeros from some byte in it to the end of the file. That
is cut off. Anything else that does not fit is damage, and nothing behind it is believed. A whole block ends in no zero,
and no flipped bit makes it: so it is never taken for a torn one.
"""

from __future__ import annotations

import os
import struct
import zlib
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self

from asyncsearch.errors import JournalDamaged, JournalError
from asyncsearch.files import require_linked, sync_directory

__all__ = ["END", "MAGIC", "BlockReader", "BlockWriter"]

MAGIC = b"asyncsearch journal 3\n"
END = b"\xa5"

_HEADER = struct.Struct("<III")
_CHECKED = struct.Struct("<QII")
_LARGEST_READ = 1 << 20


class BlockWriter:
    """Appends blocks to a file.

    Args:
        path: of the file; made if it is not there.
        end: where the last whole block ends, as `BlockReader` says; what stands behind is cut off. 0 begins anew.

    Raises:
        JournalError: the file cannot be written.
    """

    def __init__(self, path: Path, *, end: int) -> None:
        self._path = path
        self._failure: JournalError | None = None
        self._end = end
        try:
            self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
        except OSError as error:
            raise self._failed(error) from error
        try:
            os.ftruncate(self._file, end)
            if end == 0:
                self._write(MAGIC)
                sync_directory(path.parent)
        except OSError as error:
            self.close()
            raise self._failed(error) from error
        except JournalError:
            self.close()
            raise

    def append(self, payload: bytes) -> None:
        """Write a block, which is with the operating system when this returns.

        Raises:
            JournalError: it could not be written, because the disk is full for example. The file ends with the block
                before, and takes no further one.
        """
        length, check = len(payload), zlib.crc32(payload)
        header_check = zlib.crc32(_CHECKED.pack(self._end, length, check))
        self._write(_HEADER.pack(length, check, header_check) + payload + END)

    def sync(self) -> None:
        """Have all that was written put on the disk. May be called from another thread.

        Raises:
            JournalError: the disk refuses, or the file was removed.
        """
        try:
            require_linked(self._file)
            os.fsync(self._file)
        except OSError as error:
            raise self._failed(error) from error

    def close(self) -> None:
        """Close the file."""
        os.close(self._file)

    def _write(self, content: bytes) -> None:
        if self._failure is not None:
            raise self._failure
        view = memoryview(content)
        done = 0
        try:
            while done < len(view):
                done += os.pwrite(self._file, view[done:], self._end + done)
        except OSError as error:
            failure = self._failed(error)
            with suppress(OSError):  # what is torn at the end, the next reader cuts off
                os.ftruncate(self._file, self._end)
            raise failure from error
        except BaseException:  # an interrupt: nobody knows how far it came, so nothing may follow
            self._failure = JournalError(f"{self._path}: writing to it was interrupted")
            raise
        self._end += len(content)

    def _failed(self, error: OSError) -> JournalError:
        self._failure = JournalError(f"{self._path}: cannot be written: {error.strerror or error}")
        return self._failure


class BlockReader:
    """Reads the payloads of all whole blocks, in order, each with the offset of its block.

    After the last one ``end`` is where it ends, ``size`` that of the file by then, ``torn`` the number of bytes between
    them, to be cut off, and ``count`` how many blocks there were. To iterate once more goes on behind the last block
    that there was, with what has been added since.

    Raises:
        JournalError: the file is no journal, or a block is damaged; the message names its offset.
    """

    def __init__(self, path: Path) -> None:
        self.end = 0
        self.size = 0
        self.count = 0
        self._path = path
        self._last = 0, b""
        try:
            self._descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        except OSError as error:
            raise self._unreadable(error) from error

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        os.close(self._descriptor)

    @property
    def torn(self) -> int:
        """Bytes of a block that is not whole, behind the last one that is."""
        return self.size - self.end

    @property
    def is_current(self) -> bool:
        """Whether the file at the path still holds what was read of it.

        It does not if that was cut off, whatever has been written in its place, or another file stands there.
        """
        offset, header = self._last
        try:
            there = self._path.stat()
            return (
                os.path.samestat(there, os.fstat(self._descriptor))
                and there.st_size >= self.end
                and os.pread(self._descriptor, len(header), offset) == header
            )
        except FileNotFoundError:
            return False
        except OSError as error:
            raise self._unreadable(error) from error

    def __iter__(self) -> Iterator[tuple[int, bytes]]:
        try:
            # Anew each time, lest anything is in the buffer that has been cut off since.
            with open(self._descriptor, "rb", closefd=False) as file:
                self.size = file.seek(0, os.SEEK_END)
                file.seek(self.end)
                yield from self._blocks(file)
        except OSError as error:
            raise self._unreadable(error) from error

    def _blocks(self, file: BinaryIO) -> Iterator[tuple[int, bytes]]:
        if self.end == 0:
            magic = file.read(len(MAGIC))
            if magic != MAGIC:
                begun = magic.rstrip(b"\0")
                if not MAGIC.startswith(begun) or (begun != magic and not _is_blank_from(file, len(magic))):
                    raise JournalError(
                        f"{self._path}, byte 0: no journal as this version writes them begins like this: it is "
                        "damaged, or another version's"
                    )
                return
            self.end = len(MAGIC)
        while (left := self.size - self.end) > 0:
            header = file.read(_HEADER.size)
            if len(header) < _HEADER.size:
                break
            length, check, header_check = _HEADER.unpack(header)
            if header_check != zlib.crc32(_CHECKED.pack(self.end, length, check)):
                if _is_blank_from(file, self.end + _HEADER.size):
                    break
                raise self._damaged("header")
            size = _HEADER.size + length + len(END)
            if left < size:
                break
            payload, end = file.read(length), file.read(len(END))
            if zlib.crc32(payload) != check or end != END:
                if _is_blank_from(file, self.end + size):
                    break
                raise self._damaged("content")
            self._last = offset, _ = self.end, header
            self.count += 1
            self.end += size
            yield offset, payload

    def _damaged(self, what: str) -> JournalError:
        words = f"the {what} of the block there does not match its check"
        if self.count == 0:  # it says how the others are to be read
            return JournalError(f"{self._path}, byte {self.end}: damaged: {words}, and it is the journal's first")
        return JournalDamaged(self._path, self.end, words)

    def _unreadable(self, error: OSError) -> JournalError:
        return JournalError(f"{self._path}: cannot be read: {error.strerror or error}")


def _is_blank_from(file: BinaryIO, end: int) -> bool:
    """Whether there are only zeros from some byte before ``end`` to the end of the file: never written."""
    file.seek(end - 1)
    while part := file.read(_LARGEST_READ):
        if part.strip(b"\0"):
            return False
    return True
