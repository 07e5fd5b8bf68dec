"""One lane of the scheduler: a queue of requests towards one runtime."""

from __future__ import annotations

import asyncio
import contextlib
import heapq
import itertools
import random
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar, cast

import anyio
from anyio.abc import TaskGroup, TaskStatus
from anyio.lowlevel import checkpoint

from asyncsearch.scheduler.statistics import LaneStatistics
from runtimes.base import (
    Deliver,
    GenerateResult,
    Request,
    RequestAborted,
    RequestRejected,
    Result,
    RetryableError,
    RuntimeFailure,
    RuntimeGone,
)

__all__ = ["Lane"]

RequestT = TypeVar("RequestT", bound=Request)
ResultT = TypeVar("ResultT", bound=Result)

_QUIET_PASSES = 6
"""Turns of the event loop without a new request after which it counts as run dry.

A delivered result takes a few turns to become the next request: the node's task wakes, its task group
ends, the strategy resumes, and new tasks start.
"""

_FIRST_RETRY_SECONDS = 0.1
_LONGEST_RETRY_SECONDS = 10.0


@dataclass(slots=True, eq=False)
class _Entry(Generic[RequestT, ResultT]):
    """A request on its way. It is in the queue, in flight, waiting for a retry, or ended."""

    order: int
    number: int
    request: RequestT
    future: asyncio.Future[ResultT]
    attempts: int = 0
    batch: int = 0
    ended: bool = False

    def __lt__(self, other: _Entry[RequestT, ResultT]) -> bool:
        return (self.order, self.number) < (other.order, other.number)


@dataclass(slots=True)
class _Counters:
    submitted: int = 0
    queued: int = 0
    settled: int = 0
    failed: int = 0
    withdrawn: int = 0
    aborted: int = 0
    retries: int = 0
    batches: int = 0
    sent: int = 0
    largest_batch: int = 0
    peak_in_flight: int = 0
    prompt_tokens: int = 0
    cached_tokens: int = 0
    generated_tokens: int = 0
    idle_seconds: float = 0.0
    idle_since: float | None = None


class Lane(Generic[RequestT, ResultT]):
    """Coalesces requests into batches, oldest problem first, and never has more than ``limit`` in flight.

    Each request is settled exactly once: with a result, with the failure that ended it, or by the
    cancellation of whoever waits for it. Failures that may pass are retried after a growing, jittered pause.

    Args:
        send: sends a batch and delivers each outcome, as `runtimes.base.Runtime.generate`.
        abort: gives up requests in flight, as `runtimes.base.Runtime.abort`.
        limit: requests in flight at most.
        attempts: how often one request is sent at most.
    """

    def __init__(
        self,
        send: Callable[[Sequence[RequestT], Deliver], Awaitable[None]],
        abort: Callable[[Sequence[Request]], Coroutine[Any, Any, None]],
        *,
        limit: int,
        attempts: int = 5,
    ) -> None:
        self.limit = limit
        self._send = send
        self._abort = abort
        self._attempts = attempts
        self._numbers = itertools.count()
        self._queue: list[_Entry[RequestT, ResultT]] = []
        self._in_flight: dict[Request, _Entry[RequestT, ResultT]] = {}
        self._retrying: set[_Entry[RequestT, ResultT]] = set()
        self._to_abort: list[RequestT] = []
        self._wake = anyio.Event()
        self._counters = _Counters()
        self._jitter = random.Random(0)
        self._open = False

    async def submit(self, request: RequestT, *, order: int) -> ResultT:
        """Wait for a request's result; the lower ``order`` goes first.

        Raises:
            RuntimeFailure: the request failed for good.

        Cancellation takes the request out of the queue, or aborts it where it is in flight.
        """
        if not self._open:
            raise RuntimeGone("the scheduler is closed", request=request)
        future: asyncio.Future[ResultT] = asyncio.get_running_loop().create_future()
        entry = _Entry(order, next(self._numbers), request, future)
        self._counters.submitted += 1
        self._enqueue(entry)
        try:
            return await future
        finally:
            if not entry.ended:
                self._withdraw(entry)

    async def run(self, *, task_status: TaskStatus[None] = anyio.TASK_STATUS_IGNORED) -> None:
        """Send batches until cancelled. Leaving fails every request that is still waiting."""
        self._open = True
        self._counters.idle_since = anyio.current_time()
        task_status.started()
        try:
            async with anyio.create_task_group() as batches:
                while True:
                    await self._wake.wait()
                    self._wake = anyio.Event()
                    if self._to_abort:
                        batches.start_soon(self._give_up, tuple(self._to_abort))
                        self._to_abort.clear()
                    if self._counters.queued and len(self._in_flight) < self.limit:
                        await self._run_dry()
                        self._send_queued(batches)
        finally:
            self._open = False
            for entry in [*self._queue, *self._in_flight.values(), *self._retrying]:
                if not entry.ended:
                    self._fail(entry, RuntimeGone("the scheduler was closed", request=entry.request))
            self._queue.clear()
            self._in_flight.clear()
            self._retrying.clear()
            self._counters.queued = 0
            if self._counters.idle_since is not None:
                self._counters.idle_seconds += anyio.current_time() - self._counters.idle_since
                self._counters.idle_since = None

    def statistics(self) -> LaneStatistics:
        """What the lane has done so far."""
        counted = self._counters
        idle = counted.idle_seconds
        if counted.idle_since is not None:
            idle += anyio.current_time() - counted.idle_since
        return LaneStatistics(
            submitted=counted.submitted,
            queued=counted.queued + len(self._retrying),
            in_flight=sum(not entry.ended for entry in self._in_flight.values()),
            settled=counted.settled,
            failed=counted.failed,
            withdrawn=counted.withdrawn,
            aborted=counted.aborted,
            retries=counted.retries,
            batches=counted.batches,
            sent=counted.sent,
            largest_batch=counted.largest_batch,
            peak_in_flight=counted.peak_in_flight,
            prompt_tokens=counted.prompt_tokens,
            cached_tokens=counted.cached_tokens,
            generated_tokens=counted.generated_tokens,
            idle_seconds=idle,
        )

    async def _run_dry(self) -> None:
        """Wait until nobody submits any more, so that all that is ready goes into one batch."""
        quiet = 0
        while quiet < _QUIET_PASSES and len(self._in_flight) + self._counters.queued < self.limit:
            before = self._counters.submitted
            await checkpoint()
            quiet = quiet + 1 if self._counters.submitted == before else 0

    async def _give_up(self, requests: Sequence[Request]) -> None:
        with contextlib.suppress(RuntimeFailure):  # then they end by themselves
            await self._abort(requests)

    def _send_queued(self, batches: TaskGroup) -> None:
        counted = self._counters
        batch: list[_Entry[RequestT, ResultT]] = []
        while self._queue and len(self._in_flight) < self.limit:
            entry = heapq.heappop(self._queue)
            if entry.ended:
                continue
            counted.queued -= 1
            entry.attempts += 1
            entry.batch = counted.batches + 1
            self._in_flight[entry.request] = entry
            batch.append(entry)
        if not batch:
            return
        counted.batches += 1
        counted.sent += len(batch)
        counted.largest_batch = max(counted.largest_batch, len(batch))
        counted.peak_in_flight = max(counted.peak_in_flight, len(self._in_flight))
        if counted.idle_since is not None:
            counted.idle_seconds += anyio.current_time() - counted.idle_since
            counted.idle_since = None
        batches.start_soon(self._send_batch, batch, counted.batches, batches)

    async def _send_batch(self, batch: list[_Entry[RequestT, ResultT]], number: int, batches: TaskGroup) -> None:
        def deliver(request: Request, outcome: Result | RuntimeFailure) -> None:
            entry = self._in_flight.pop(request, None)
            if entry is not None:
                self._land(entry, outcome, batches)

        failure: RuntimeFailure | None = None
        try:
            await self._send([entry.request for entry in batch], deliver)
        except RuntimeFailure as error:
            failure = error
        for entry in batch:
            # One that was delivered to be retried may be in flight again, in another batch.
            if entry.batch == number and self._in_flight.get(entry.request) is entry:
                if failure is None:
                    lost: RuntimeFailure = RetryableError("the runtime gave no outcome", request=entry.request)
                else:
                    lost = _as_failure_of(entry.request, failure)
                deliver(entry.request, lost)

    def _land(self, entry: _Entry[RequestT, ResultT], outcome: Result | RuntimeFailure, batches: TaskGroup) -> None:
        """Settle a request that is no longer in flight, or have it sent again."""
        if not self._in_flight:
            self._counters.idle_since = anyio.current_time()
        self._wake.set()
        if entry.ended:  # aborted; nobody waits for it
            return
        if isinstance(outcome, RuntimeFailure):
            if isinstance(outcome, RetryableError) and entry.attempts < self._attempts:
                self._counters.retries += 1
                self._retrying.add(entry)
                batches.start_soon(self._retry, entry)
            else:
                self._fail(entry, outcome)
            return
        entry.ended = True
        self._counters.settled += 1
        self._counters.prompt_tokens += outcome.prompt_tokens
        self._counters.cached_tokens += outcome.cached_tokens
        if isinstance(outcome, GenerateResult):
            self._counters.generated_tokens += outcome.generated_tokens
        entry.future.set_result(cast("ResultT", outcome))

    async def _retry(self, entry: _Entry[RequestT, ResultT]) -> None:
        pause = min(_FIRST_RETRY_SECONDS * 2 ** (entry.attempts - 1), _LONGEST_RETRY_SECONDS)
        await anyio.sleep(pause * self._jitter.uniform(0.5, 1.5))
        self._retrying.discard(entry)
        if not entry.ended:
            self._enqueue(entry)

    def _enqueue(self, entry: _Entry[RequestT, ResultT]) -> None:
        heapq.heappush(self._queue, entry)
        self._counters.queued += 1
        self._wake.set()

    def _fail(self, entry: _Entry[RequestT, ResultT], failure: RuntimeFailure) -> None:
        entry.ended = True
        self._counters.failed += 1
        if not entry.future.done():
            entry.future.set_exception(failure)

    def _withdraw(self, entry: _Entry[RequestT, ResultT]) -> None:
        entry.ended = True
        if self._in_flight.get(entry.request) is entry:
            self._counters.aborted += 1
            self._to_abort.append(entry.request)
            self._wake.set()
            return
        self._counters.withdrawn += 1
        if entry in self._retrying:
            self._retrying.discard(entry)
        else:
            self._counters.queued -= 1


def _as_failure_of(request: Request, failure: RuntimeFailure) -> RuntimeFailure:
    """What befell a batch, told of one request; a runtime's own subclasses may be made otherwise than these."""
    kinds = (RetryableError, RequestRejected, RequestAborted, RuntimeGone)
    kind = next((kind for kind in kinds if isinstance(failure, kind)), RuntimeFailure)
    lost = kind(str(failure), request=request)
    lost.__cause__ = failure
    return lost
