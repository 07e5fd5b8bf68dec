"""The command line in a process of its own."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from pathlib import Path

__all__ = ["HEEDING_INTERRUPTS", "command"]

# As a terminal starts a program: tests in a shell's background ignore interrupts, and so would what they start.
HEEDING_INTERRUPTS = """
import signal
signal.signal(signal.SIGINT, signal.default_int_handler)
from asyncsearch.cli import main
main()
"""


def command(*arguments: str, cwd: Path, file_limit: int | None = None) -> subprocess.CompletedProcess[str]:
    """Run a command; ``file_limit`` kilobytes are the most that the system lets it write to one file."""
    line = shlex.join([sys.executable, "-m", "asyncsearch", *arguments])
    return subprocess.run(
        ["bash", "-c", line if file_limit is None else f"ulimit -f {file_limit}; {line}"],
        cwd=cwd,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
        env={**os.environ, "COLUMNS": "160"},
    )
