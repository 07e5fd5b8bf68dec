"""What the commands write to, and the statuses they exit with."""

from __future__ import annotations

import os
import sys

from rich.console import Console
from rich.text import Text

from asyncsearch.report.harmless import harmless

__all__ = ["EXIT_INTERRUPTED", "EXIT_SOME_FAILED", "EXIT_USER_ERROR", "err", "out", "say_error"]

EXIT_SOME_FAILED = 1
EXIT_USER_ERROR = 2
EXIT_INTERRUPTED = 130


class _Enduring(Console):
    """Goes on in silence when whoever read has left, as ``head`` does: what is solved is written to files."""

    def on_broken_pipe(self) -> None:
        self.quiet = True
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, (sys.stderr if self.stderr else sys.stdout).fileno())
        os.close(nowhere)


out = _Enduring()
err = _Enduring(stderr=True)


def say_error(message: str) -> None:
    """One line on standard error, with nothing in it that a terminal would obey."""
    err.print(Text.assemble(("error: ", "bold red"), harmless(message)), soft_wrap=True)
