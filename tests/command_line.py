"""The command line in a process of its own."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from pathlib import Path

__all__ = ["command"]


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
