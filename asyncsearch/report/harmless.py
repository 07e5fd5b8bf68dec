"""Text of anybody's making, as a terminal may be given it."""

from __future__ import annotations

__all__ = ["harmless"]


def harmless(text: str) -> str:
    """One line of it, with spaces for what a terminal would obey or hide: control and format characters."""
    return "".join(character if character.isprintable() else " " for character in text)
