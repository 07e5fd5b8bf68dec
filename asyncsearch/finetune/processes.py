"""The processes of a training, as accelerate's launcher tells each of them."""

from __future__ import annotations

import os

__all__ = ["is_alone", "is_launched", "is_main"]


def is_launched() -> bool:
    """Whether this process was started by the launcher."""
    return "LOCAL_RANK" in os.environ


def is_main() -> bool:
    """Whether it is the one that writes and tells."""
    return os.environ.get("RANK", "0") == "0"


def is_alone() -> bool:
    """Whether there is no other."""
    return os.environ.get("WORLD_SIZE", "1") == "1"
