"""What the commands write to, and the statuses they exit with."""

from __future__ import annotations

from rich.console import Console
from rich.text import Text

__all__ = ["EXIT_INTERRUPTED", "EXIT_SOME_FAILED", "EXIT_USER_ERROR", "err", "out", "say_error"]

EXIT_SOME_FAILED = 1
EXIT_USER_ERROR = 2
EXIT_INTERRUPTED = 130

out = Console()
err = Console(stderr=True)


def say_error(message: str) -> None:
    """One line on standard error, with nothing in it that a terminal would obey."""
    printable = "".join(character if character.isprintable() else " " for character in message)
    err.print(Text.assemble(("error: ", "bold red"), printable), soft_wrap=True)
