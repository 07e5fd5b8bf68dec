"""Blocks that are compressed with Zstandard (RFC 8878), each with what stood in those before it.

The blocks of one session are one frame, of which each block of the file holds a part that can be read as soon as it
is there. Another session begins another frame; a frame's first bytes begin no part of one.
"""

from __future__ import annotations

from types import ModuleType
from typing import TYPE_CHECKING

from asyncsearch.errors import ConfigurationError

if TYPE_CHECKING:
    import zstandard

__all__ = ["COMPRESSIONS", "Compressor", "Decompressor"]

COMPRESSIONS = (None, "zstd")

_LEVEL = 3
_MOST_BYTES = 1 << 30


class Compressor:
    """Compresses the payloads of a session's blocks, in order; with ``None`` they stay as they are.

    Raises:
        ConfigurationError: the library for it is not installed.
    """

    def __init__(self, compression: str | None) -> None:
        self._frame = None
        if compression is not None:
            library = _library()
            self._frame = library.ZstdCompressor(level=_LEVEL).compressobj()
            self._flush = library.COMPRESSOBJ_FLUSH_BLOCK

    def compress(self, payload: bytes) -> bytes:
        """What to write for a payload."""
        return payload if self._frame is None else self._frame.compress(payload) + self._frame.flush(self._flush)


class Decompressor:
    """The payloads of blocks that a `Compressor` made; likewise."""

    def __init__(self, compression: str | None) -> None:
        self._library = None if compression is None else _library()
        self._frame: zstandard.ZstdDecompressionObj | None = None

    def decompress(self, content: bytes) -> bytes:
        """The payload of what was written.

        Raises:
            ValueError: it is none.
        """
        if self._library is None:
            return content
        if self._frame is None or content.startswith(self._library.FRAME_HEADER):
            self._frame = self._library.ZstdDecompressor(max_window_size=_MOST_BYTES).decompressobj()
        try:
            return self._frame.decompress(content)
        except self._library.ZstdError as error:
            raise ValueError(f"cannot be decompressed: {error}") from error


def _library() -> ModuleType:
    try:
        import zstandard  # noqa: PLC0415 - an extra
    except ImportError:
        raise ConfigurationError(
            "a compressed journal needs the extra 'zstd': pip install 'asyncsearch[zstd]'"
        ) from None
    return zstandard
