"""Whether two answers are the same: math-verify, with a time limit, in a process that can be killed."""

from __future__ import annotations

import re
import subprocess
import sys
from collections import OrderedDict
from decimal import Decimal
from types import TracebackType

import anyio
import orjson
from anyio.abc import Process
from anyio.streams.buffered import BufferedByteReceiveStream

from asyncsearch.answers.grader import Grader
from asyncsearch.errors import GradingError

__all__ = ["MathGrader"]

_DECIMAL = re.compile(r"-?(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d{1,50})?\Z")
_LONGEST_DECIMAL = 100
_REMEMBERED_PAIRS = 10_000
_LONGEST_REPLY = 16
_START_SECONDS = 120.0
_WORKER_DIED = (anyio.BrokenResourceError, anyio.EndOfStream, anyio.IncompleteRead, anyio.ClosedResourceError)


class MathGrader(Grader):
    """Compares values of mathematical answers. Leaving it ends its process.

    Equal strings and plain decimal numbers are compared directly. Everything else goes to math-verify in a
    worker process; a pair that takes longer than ``time_limit`` seconds counts as different, and the worker
    is killed and started anew. ``gave_up`` counts those that broke the worker, too.
    """

    def __init__(self, *, time_limit: float = 5.0) -> None:
        self.time_limit = time_limit
        self.gave_up = 0
        self._worker: Process | None = None
        self._replies: BufferedByteReceiveStream | None = None
        self._turn = anyio.Lock()
        self._known: OrderedDict[tuple[str, str], bool] = OrderedDict()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self._end_worker()

    async def equal(self, left: str, right: str) -> bool:
        """Whether two answers have the same value.

        Raises:
            GradingError: the worker cannot be started.

        Cancellation kills the worker if it was at work on this pair.
        """
        left, right = _clean(left), _clean(right)
        if left == right:
            return True
        numbers = _decimal(left), _decimal(right)
        if numbers[0] is not None and numbers[1] is not None:
            return numbers[0] == numbers[1]
        pair = (left, right)
        known = self._known.get(pair)
        if known is None:
            known = await self._ask(pair)
            self._known[pair] = known
            if len(self._known) > _REMEMBERED_PAIRS:
                self._known.popitem(last=False)
        return known

    async def _ask(self, pair: tuple[str, str]) -> bool:
        async with self._turn:
            worker, replies = await self._start_worker()
            assert worker.stdin is not None
            answered = False
            try:
                with anyio.move_on_after(self.time_limit):
                    await worker.stdin.send(orjson.dumps(pair) + b"\n")
                    reply = await replies.receive_until(b"\n", _LONGEST_REPLY)
                    answered = True
                    return reply == b"true"
            except _WORKER_DIED:
                pass  # of this pair: of memory or recursion
            finally:
                if not answered:
                    await self._end_worker()
        self.gave_up += 1
        return False

    async def _start_worker(self) -> tuple[Process, BufferedByteReceiveStream]:
        if self._worker is not None and self._replies is not None and self._worker.returncode is None:
            return self._worker, self._replies
        await self._end_worker()
        self._worker = await anyio.open_process(
            # -P: nothing in the working directory is imported.
            [sys.executable, "-P", "-m", "asyncsearch.answers.grading_worker", str(self.time_limit)],
            stderr=subprocess.DEVNULL,
            start_new_session=True,  # a Ctrl-C is for this process to handle
        )
        assert self._worker.stdin is not None
        assert self._worker.stdout is not None
        self._replies = BufferedByteReceiveStream(self._worker.stdout)
        try:
            # The first pair must not pay for the imports, and shows that there is somebody who grades.
            with anyio.fail_after(_START_SECONDS):
                await self._worker.stdin.send(orjson.dumps(("1/2", "0.5")) + b"\n")
                works = await self._replies.receive_until(b"\n", _LONGEST_REPLY) == b"true"
        except (TimeoutError, *_WORKER_DIED):
            works = False
        except BaseException:  # cancelled: the reply that is still to come is no pair's
            await self._end_worker()
            raise
        if not works:
            await self._end_worker()
            raise GradingError("the process that grades, asyncsearch.answers.grading_worker, does not work")
        return self._worker, self._replies

    async def _end_worker(self) -> None:
        worker, self._worker, self._replies = self._worker, None, None
        if worker is not None:
            with anyio.CancelScope(shield=True):
                if worker.returncode is None:
                    worker.kill()
                await worker.aclose()


def _decimal(text: str) -> Decimal | None:
    if len(text) <= _LONGEST_DECIMAL and _DECIMAL.match(text):
        return Decimal(text.replace(",", ""))
    return None


def _clean(text: str) -> str:
    """Without surrounding space, and without the half characters that no encoding takes."""
    return text.strip().encode("utf-8", "replace").decode()
