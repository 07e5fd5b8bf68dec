"""Signals that end a command in good order."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from asyncsearch.cli.console import EXIT_INTERRUPTED, err

__all__ = ["run_until_interrupted"]

T = TypeVar("T")

_ENDINGS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
"""What Ctrl-C, batch systems and terminals that are closed send."""


def run_until_interrupted(main: Callable[[], Coroutine[Any, Any, T]]) -> T:
    """Run a coroutine function in an event loop; the first signal to end cancels it, a second ends the process at once.

    A signal that the process was started to take no notice of, as ``nohup`` does, is not listened to.

    Raises:
        KeyboardInterrupt: it was cancelled by a signal.
    """
    interrupted = False

    async def run() -> T:
        loop, task = asyncio.get_running_loop(), asyncio.current_task()
        assert task is not None

        def end(*_: object) -> None:
            nonlocal interrupted
            if interrupted:  # whoever is this impatient is right: what was written stays, as after a kill
                err.show_cursor()
                if err.is_interactive:  # from behind what is shown there
                    os.write(sys.stderr.fileno(), b"\n")
                os._exit(EXIT_INTERRUPTED)
            interrupted = True
            loop.call_soon_threadsafe(task.cancel)

        listened_to = [each for each in _ENDINGS if signal.getsignal(each) is not signal.SIG_IGN]
        before = [signal.signal(each, end) for each in listened_to]
        try:
            return await main()
        finally:
            for each, handler in zip(listened_to, before, strict=True):
                signal.signal(each, handler)

    try:
        return asyncio.run(run())
    except asyncio.CancelledError:
        if interrupted:
            raise KeyboardInterrupt from None
        raise
