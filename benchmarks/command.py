"""A benchmark as a command: what is wrong with what it was given is one line and exit status 2."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable, Iterator
from typing import Any

import aiohttp
import typer

from asyncsearch import AsyncSearchError
from runtimes.base import RuntimeFailure

__all__ = ["run"]


def run(main: Callable[..., Any]) -> None:
    """Read the command line and measure. SIGTERM ends it as an exit does, and with it the servers that it has started.

    Raises:
        SystemExit: when it is done, or it cannot go on.
    """
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    reason = ""
    try:
        typer.run(main)
    except* (AsyncSearchError, RuntimeFailure, OSError, aiohttp.ClientError) as group:
        reason = str(next(_leaves(group)))
    typer.echo(f"error: {reason}", err=True)
    sys.exit(2)


def _leaves(error: BaseException) -> Iterator[BaseException]:
    if isinstance(error, BaseExceptionGroup):
        for inner in error.exceptions:
            yield from _leaves(inner)
    else:
        yield error
