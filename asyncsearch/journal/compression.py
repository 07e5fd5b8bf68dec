"""Blocks that are compressed with Zstandard (RFC 8878), each with what stood in those before it.

The blocks of one session are one frame, of which each block of the file holds a part that can be read as soon as it
is there. Another session begins another frame; a frame's first bytes begin no part of one.
"""

from __future__ import annotations

import zstandard

__all__ = ["COMPRESSIONS", "Compressor", "Decompressor"]

COMPRESSIONS = (None, "zstd")

_LEVEL = 1
"""The next ones take half as long again for a twentieth less."""


class Compressor:
    """Compresses the payloads of a session's blocks, in order; with ``None`` they stay as they are."""

    def __init__(self, compression: str | None) -> None:
        self._frame = None if compression is None else zstandard.ZstdCompressor(level=_LEVEL).compressobj()

    def compress(self, payload: bytes) -> bytes:
        """What to write for a payload."""
        if self._frame is None:
            return payload
        return self._frame.compress(payload) + self._frame.flush(zstandard.COMPRESSOBJ_FLUSH_BLOCK)


class Decompressor:
    """The payloads of blocks that a `Compressor` made; likewise."""

    def __init__(self, compression: str | None) -> None:
        self._compressed = compression is not None
        self._frame = zstandard.ZstdDecompressor().decompressobj()

    def decompress(self, content: bytes) -> bytes:
        """The payload of what was written.

        Raises:
            ValueError: it is none.
        """
        if not self._compressed:
            return content
        if content.startswith(zstandard.FRAME_HEADER):
            self._frame = zstandard.ZstdDecompressor().decompressobj()
        try:
            return self._frame.decompress(content)
        except zstandard.ZstdError as error:
            raise ValueError(f"cannot be decompressed: {error}") from error
