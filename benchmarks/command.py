"""A benchmark as a command: what is wrong with what it was given is one line and exit status 2."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable
from typing import Any

import aiohttp
import typer

from asyncsearch import AsyncSearchError
from asyncsearch.errors import first_cause
from runtimes.base import RuntimeFailure

__all__ = ["run"]

_MISTAKES = (AsyncSearchError, RuntimeFailure, OSError, aiohttp.ClientError)
"""What somebody can mend who has started it."""


def run(main: Callable[..., Any]) -> None:
    """Read the command line and measure. SIGTERM ends it as an exit does, and with it the servers that it has started.

    Raises:
        SystemExit: when it is done, or it cannot go on.
    """
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    try:
        typer.run(main)
    except (*_MISTAKES, BaseExceptionGroup) as error:
        cause = first_cause(error)
        if not isinstance(cause, _MISTAKES):
            raise
        typer.echo(f"error: {cause}", err=True)
        raise SystemExit(2) from None
