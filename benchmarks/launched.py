"""SGLang servers for as long as a benchmark takes."""

from __future__ import annotations

import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager

import typer

__all__ = ["launched"]


@contextmanager
def launched(*words: str) -> Iterator[list[str]]:
    """What `asyncsearch launch` starts with these words: the addresses, once all of them answer.

    Raises:
        Exit: a server cannot be started; it has said why.
    """
    with tempfile.TemporaryDirectory() as logs:
        what, *others = words
        command = [sys.executable, "-m", "asyncsearch", "launch", what, "--log", logs, *others]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            try:
                ready = next((line for line in process.stdout if line.startswith("ready")), None)
                if ready is None:
                    raise typer.Exit(2)
                yield [word.removeprefix("sglang:") for word in ready.split() if word.startswith("sglang:")]
            finally:
                process.send_signal(signal.SIGINT)
