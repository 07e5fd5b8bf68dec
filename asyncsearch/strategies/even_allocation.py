"""How a width is shared evenly: pure arithmetic, no I/O, no clock."""

from __future__ import annotations

__all__ = ["even_shares"]


def even_shares(count: int, width: int) -> list[int]:
    """Share ``width`` among ``count`` takers as evenly as whole numbers allow, the first ones getting one more.

    Returns:
        A share for each, which sum to exactly ``width``; nothing where there are none.

    Raises:
        ValueError: a number is negative.
    """
    if count < 0 or width < 0:
        raise ValueError(f"count {count}, width {width}: must not be negative")
    return [width // count + (index < width % count) for index in range(count)]
