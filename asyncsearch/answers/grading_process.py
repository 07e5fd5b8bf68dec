"""A function that judges answers, in a process that is killed when it takes too long."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from types import TracebackType
from typing import Self

import anyio
import orjson
from anyio.abc import Process
from anyio.streams.buffered import BufferedByteReceiveStream

from asyncsearch.answers.grading_worker import READY
from asyncsearch.errors import GradingError

__all__ = ["GradingProcess", "JudgeFailed"]

_LONGEST_REPLY = 4096
_START_SECONDS = 120.0
_WORKER_DIED = (anyio.BrokenResourceError, anyio.EndOfStream, anyio.IncompleteRead, anyio.ClosedResourceError)


class JudgeFailed(Exception):
    """What the function raised, in words."""


class GradingProcess:
    """Calls a function with texts, one call after the other. Leaving it ends the process.

    A call that takes longer than ``time_limit`` seconds is no, and the process is killed and started anew; so is one
    that breaks it, by its memory or its recursion. ``gave_up`` counts both, and ``raised`` what ended in `JudgeFailed`.

    Args:
        function: as ``MODULE:NAME``, given texts, says yes or no. It may be asynchronous.
        time_limit: seconds for a call.
        first: arguments of a call that is made as soon as the process runs, so that no other pays for what the first
            call takes.
    """

    def __init__(self, function: str, *, time_limit: float, first: Sequence[str] | None = None) -> None:
        self.gave_up = 0
        self.raised = 0
        self._function = function
        self._time_limit = time_limit
        self._first = first
        self._worker: Process | None = None
        self._replies: BufferedByteReceiveStream | None = None
        self._turn = anyio.Lock()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self._end()

    async def ask(self, *arguments: str) -> bool:
        """What the function says of some texts.

        Raises:
            JudgeFailed: it raised an error.
            GradingError: the process cannot be started.

        Cancellation kills the process if it was at work on this call.
        """
        async with self._turn:
            worker, replies = await self._start()
            reply: bool | str | None = None
            try:
                with anyio.move_on_after(self._time_limit):
                    reply = await _exchange(worker, replies, arguments)
            except _WORKER_DIED:
                pass
            finally:
                if reply is None:
                    await self._end()
        if isinstance(reply, str):
            self.raised += 1
            raise JudgeFailed(reply)
        self.gave_up += reply is None
        return bool(reply)

    async def _start(self) -> tuple[Process, BufferedByteReceiveStream]:
        if self._worker is not None and self._replies is not None and self._worker.returncode is None:
            return self._worker, self._replies
        await self._end()
        # -P: nothing in the working directory is imported unless it is here.
        worker = [
            sys.executable,
            "-P",
            "-m",
            "asyncsearch.answers.grading_worker",
            self._function,
            str(self._time_limit),
        ]
        try:
            self._worker = await anyio.open_process(
                worker,
                stderr=subprocess.DEVNULL,
                start_new_session=True,  # a Ctrl-C is for this process to handle
                env={**os.environ, "PYTHONPATH": os.pathsep.join(entry or os.getcwd() for entry in sys.path)},
            )
        except OSError as error:
            raise GradingError(f"the process that grades by {self._function} cannot be started: {error}") from error
        assert self._worker.stdout is not None
        self._replies = BufferedByteReceiveStream(self._worker.stdout)
        works = False
        try:
            with anyio.move_on_after(_START_SECONDS):
                is_there = await self._replies.receive_exactly(len(READY)) == READY
                if is_there and self._first is not None:
                    await _exchange(self._worker, self._replies, self._first)
                works = is_there
        except _WORKER_DIED:
            works = False
        except BaseException:  # cancelled: the reply that is still to come is no call's
            await self._end()
            raise
        if not works:
            await self._end()
            raise GradingError(f"the process that grades by {self._function} does not work")
        return self._worker, self._replies

    async def _end(self) -> None:
        worker, self._worker, self._replies = self._worker, None, None
        if worker is not None:
            with anyio.CancelScope(shield=True):
                if worker.returncode is None:
                    worker.kill()
                await worker.aclose()


async def _exchange(worker: Process, replies: BufferedByteReceiveStream, arguments: Sequence[str]) -> bool | str:
    """Send a call, and return its reply."""
    assert worker.stdin is not None
    await worker.stdin.send(orjson.dumps(arguments) + b"\n")
    reply: bool | str = orjson.loads(await replies.receive_until(b"\n", _LONGEST_REPLY))
    return reply
