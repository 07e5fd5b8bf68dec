"""What the page reads, made small: JSON, compressed with DEFLATE in a zlib stream (RFC 1950), which browsers know."""

from __future__ import annotations

import json
import zlib
from typing import Any

__all__ = ["pack", "unpack"]


def pack(value: Any) -> bytes:
    """Compress a JSON value. Half of a surrogate pair, which no encoding takes, stays what it is."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    # Inside of a JSON string, and it can be nowhere else, what Python escapes so is what JSON means.
    return zlib.compress(text.encode("utf-8", "backslashreplace"))


def unpack(packed: bytes) -> Any:
    """The value that `pack` was given, its tuples as lists.

    Raises:
        ValueError: it is none.
    """
    try:
        return json.loads(zlib.decompress(packed))
    except zlib.error as error:
        raise ValueError(f"cannot be decompressed: {error}") from error
