"""The process that grades: a function's arguments in on standard input, what it says out, one JSON line each.

It is a process of its own because what models write can keep a symbolic engine busy for ever, and only a process can
be killed. Run by `asyncsearch.answers.grading_process.GradingProcess`, which keeps the time; should that be gone, the
worker ends by itself.
"""

from __future__ import annotations

import asyncio
import importlib
import inspect
import logging
import os
import resource
import signal
import sys
from collections.abc import Callable
from typing import IO, Any

import orjson

__all__ = ["main"]

_GRACE_SECONDS = 10.0
_MEMORY_BYTES = 4 << 30
_LONGEST_ERROR = 500
READY = b"ready\n"
"""The first line, when the function is there."""


def main(requests: IO[bytes], replies: IO[bytes], *, function: str, seconds: float) -> None:
    """Call a function, named as ``MODULE:NAME``, for each line until the input ends.

    A call that takes much longer than ``seconds`` ends the process.
    """
    module, _, name = function.partition(":")
    judge = getattr(importlib.import_module(module), name)
    replies.write(READY)
    replies.flush()
    for line in requests:
        signal.setitimer(signal.ITIMER_REAL, seconds + _GRACE_SECONDS)  # its default is to end the process
        replies.write(orjson.dumps(_reply(judge, orjson.loads(line))) + b"\n")
        replies.flush()
        signal.setitimer(signal.ITIMER_REAL, 0)


def _reply(judge: Callable[..., Any], arguments: list[str]) -> bool | str:
    """What the function says, or in words what it raised."""
    try:
        said = judge(*arguments)
        verdict = asyncio.run(_awaited(said)) if inspect.isawaitable(said) else said
        if verdict not in (True, False):
            raise TypeError(f"it says {verdict!r}, which is neither true nor false")
        return bool(verdict)
    except Exception as error:  # noqa: BLE001 - it is anybody's code
        return f"{type(error).__name__}: {error}".encode("utf-8", "replace").decode()[:_LONGEST_ERROR]


async def _awaited(said: Any) -> Any:
    return await said


def _own_streams() -> tuple[IO[bytes], IO[bytes]]:
    """Standard input and output, for this process alone: what a function starts reads nothing and writes elsewhere."""
    requests, replies = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    nowhere = os.open(os.devnull, os.O_RDWR)
    os.dup2(nowhere, 0)
    os.dup2(2, 1)
    os.close(nowhere)
    return requests, replies


if __name__ == "__main__":
    logging.disable(logging.CRITICAL)
    resource.setrlimit(resource.RLIMIT_AS, (_MEMORY_BYTES, _MEMORY_BYTES))
    main(*_own_streams(), function=sys.argv[1], seconds=float(sys.argv[2]))
