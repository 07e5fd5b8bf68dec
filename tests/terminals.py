"""Commands on terminals of their own, several at a time."""

from __future__ import annotations

import codecs
import fcntl
import os
import pty
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from command_line import HEEDING_INTERRUPTS
from screen import screen_after

__all__ = ["Terminal", "until"]

_PATIENCE = 300.0


class Terminal:
    """A command that runs on a terminal, which is closed at the end of the block, and the command killed with it.

    ``written`` is what it has written there so far, as far as it has been read.
    """

    def __init__(self, *arguments: str, cwd: Path, columns: int = 80, rows: int = 24) -> None:
        self.written = ""
        self.is_open = True
        self._decoder = codecs.getincrementaldecoder("utf-8")()
        self._end, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
        environment = {name: value for name, value in os.environ.items() if name not in ("COLUMNS", "NO_COLOR")}
        try:
            self.process = subprocess.Popen(
                [sys.executable, "-c", HEEDING_INTERRUPTS, *arguments],
                cwd=cwd,
                stdin=theirs,
                stdout=theirs,
                stderr=theirs,
                env={**environment, "TERM": "xterm-256color"},
            )
        finally:
            os.close(theirs)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.process.kill()
        self.process.wait()
        os.close(self._end)

    def fileno(self) -> int:
        return self._end

    @property
    def screen(self) -> list[str]:
        """The lines that stand there."""
        return screen_after(self.written)

    def interrupt(self) -> None:
        """What Ctrl-C does."""
        self.process.send_signal(signal.SIGINT)

    def hold(self) -> None:
        """What Ctrl-S does: whoever writes to it from now on waits."""
        os.write(self._end, b"\x13")

    def let_go(self) -> None:
        """What Ctrl-Q does: they wait no more."""
        os.write(self._end, b"\x11")

    def read(self) -> None:
        """Read what has been written, or see that nothing more will be."""
        try:
            content = os.read(self._end, 1 << 16)
        except OSError:  # the last who had it open has closed it
            content = b""
        self.is_open = bool(content)
        self.written += self._decoder.decode(content)


def until(condition: Callable[[], bool], terminals: Sequence[Terminal]) -> None:
    """Read what commands write until a condition is met; it is looked at whenever there is something new."""
    give_up = time.monotonic() + _PATIENCE
    while not condition():
        opened = [terminal for terminal in terminals if terminal.is_open]
        assert opened, f"ended too early: {[terminal.screen for terminal in terminals]}"
        assert time.monotonic() < give_up, f"took too long: {[terminal.screen for terminal in terminals]}"
        ready, _, _ = select.select(opened, [], [], 1.0)
        for terminal in ready:
            terminal.read()
