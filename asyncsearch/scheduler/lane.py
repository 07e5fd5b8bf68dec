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

from asyncsearch.scheduler.cost import Cost
from asyncsearch.scheduler.statistics import LaneStatistics
from runtimes.base import (
    Deliver,
    Request,
    Result,
    RetryableError,
    RuntimeFailure,
    RuntimeGone,
    Usage,
    failure_concerning,
)

__all__ = ["Lane"]

RequestT = TypeVar("RequestT", bound=Request)
ResultT = TypeVar("ResultT", bound=Result)

_QUIET_PASSES = 6
"""Turns of the event loop without a new request after which it counts as run dry.

A delivered result takes a few turns to become the next request: the node's task wakes, its task group
ends, the strategy resumes, and new tasks start.
"""

_ABORT_SECONDS = 5.0
"""How long a cancelled request waits for the runtime to give it up."""

_FIRST_PAUSE, _LONGEST_PAUSE, _JITTER = 0.1, 10.0, 0.1
"""Seconds: before the second attempt, before any, and what is added by chance."""


@dataclass(slots=True, eq=False)
class _Entry(Generic[RequestT, ResultT]):
    """A request on its way, once more or for the first time: queued, then ``sent``, until its waiter has gone on.

    Its ``future`` is done once there is an outcome, and once the waiter is cancelled: whichever is first counts. It
    has been queued or in flight ``since`` a moment, and ``landed`` is set where somebody waits for a late outcome.
    """

    order: int
    number: int
    request: RequestT
    future: asyncio.Future[ResultT]
    cost: Cost
    since: float
    sent: bool = False
    landed: anyio.Event | None = None

    def __lt__(self, other: _Entry[RequestT, ResultT]) -> bool:
        return (self.order, self.number) < (other.order, other.number)


@dataclass(slots=True)
class _Counters:
    submitted: int = 0
    queued: int = 0
    in_flight: int = 0
    pausing: int = 0
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
    wasted_tokens: int = 0
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
        aborts: whether ``abort`` frees resources at once, so that it is worth waiting for.
        attempts: how often one request is sent at most.
    """

    def __init__(
        self,
        send: Callable[[Sequence[RequestT], Deliver], Awaitable[None]],
        abort: Callable[[Sequence[Request]], Coroutine[Any, Any, None]],
        *,
        limit: int,
        aborts: bool = False,
        attempts: int = 8,
    ) -> None:
        self.limit = limit
        self._send = send
        self._abort = abort
        self._aborts = aborts
        self._attempts = attempts
        self._numbers = itertools.count()
        self._queue: list[_Entry[RequestT, ResultT]] = []
        self._in_flight: dict[Request, _Entry[RequestT, ResultT]] = {}
        self._to_abort: list[RequestT] = []
        self._wake = anyio.Event()
        self._counters = _Counters()
        self._open = False

    async def submit(self, request: RequestT, *, order: int, cost: Cost) -> ResultT:
        """Wait for a request's result; the lower ``order`` goes first. What it takes is added to ``cost``.

        Raises:
            RuntimeFailure: the request failed for good.

        Cancellation takes the request out of the queue, or aborts it where it is in flight, and waits a moment to
        hear what it has cost.
        """
        self._counters.submitted += 1
        try:
            for attempt in range(1, self._attempts):
                try:
                    return await self._attempt(request, order, cost)
                except RetryableError:
                    await self._pause(attempt, cost)
                    self._counters.retries += 1
            return await self._attempt(request, order, cost)
        except RuntimeFailure:
            self._counters.failed += 1
            raise

    async def _attempt(self, request: RequestT, order: int, cost: Cost) -> ResultT:
        """Send a request once."""
        if not self._open:
            raise RuntimeGone("the scheduler is closed", request=request)
        future: asyncio.Future[ResultT] = asyncio.get_running_loop().create_future()
        entry = _Entry(order, next(self._numbers), request, future, cost, anyio.current_time())
        heapq.heappush(self._queue, entry)
        self._counters.queued += 1
        self._wake.set()
        try:
            result = await future
        except asyncio.CancelledError:
            await self._withdraw(entry)
            raise
        finally:
            if entry.sent:
                self._counters.in_flight -= 1
            else:
                self._counters.queued -= 1
        self._counters.settled += 1
        cost.usage = result.usage
        self._counters.prompt_tokens += result.usage.prompt_tokens
        self._counters.cached_tokens += result.usage.cached_tokens
        self._counters.generated_tokens += result.usage.generated_tokens
        return result

    async def _pause(self, attempt: int, cost: Cost) -> None:
        """Wait before another attempt, the longer the more there have been, and for no two requests alike."""
        begun = anyio.current_time()
        self._counters.pausing += 1
        try:
            await anyio.sleep(min(_LONGEST_PAUSE, _FIRST_PAUSE * 2 ** (attempt - 1)) + random.uniform(0, _JITTER))
        except anyio.get_cancelled_exc_class():
            self._counters.withdrawn += 1
            raise
        finally:
            self._counters.pausing -= 1
            cost.queue_seconds += anyio.current_time() - begun

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
            for entry in [*self._queue, *self._in_flight.values()]:
                if not entry.future.done():
                    entry.future.set_exception(RuntimeGone("the scheduler was closed", request=entry.request))
                elif entry.landed is not None:
                    entry.landed.set()
            self._queue.clear()
            self._in_flight.clear()
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
            queued=counted.queued + counted.pausing,
            in_flight=counted.in_flight,
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
            wasted_tokens=counted.wasted_tokens,
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
        now = anyio.current_time()
        batch: list[_Entry[RequestT, ResultT]] = []
        while self._queue and len(self._in_flight) < self.limit:
            entry = heapq.heappop(self._queue)
            if entry.future.done():
                continue
            entry.sent = True
            entry.cost.queue_seconds += now - entry.since
            entry.since = now
            counted.queued -= 1
            counted.in_flight += 1
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
        batches.start_soon(self._send_batch, batch)

    async def _send_batch(self, batch: list[_Entry[RequestT, ResultT]]) -> None:
        def deliver(request: Request, outcome: Result | RuntimeFailure) -> None:
            entry = self._in_flight.pop(request, None)
            if entry is not None:
                self._land(entry, outcome)

        failure: RuntimeFailure | None = None
        try:
            await self._send([entry.request for entry in batch], deliver)
        except RuntimeFailure as error:
            failure = error
        for entry in batch:
            # A request that was delivered to be retried may be in flight again, as another entry.
            if self._in_flight.get(entry.request) is entry:
                if failure is None:
                    lost: RuntimeFailure = RetryableError("the runtime gave no outcome", request=entry.request)
                else:
                    lost = failure_concerning(failure, entry.request)
                deliver(entry.request, lost)

    def _land(self, entry: _Entry[RequestT, ResultT], outcome: Result | RuntimeFailure) -> None:
        """Hand an outcome to its waiter, if there still is one."""
        if not self._in_flight:
            self._counters.idle_since = anyio.current_time()
        self._wake.set()
        cost = entry.cost
        cost.runtime_seconds += anyio.current_time() - entry.since
        if entry.future.done():
            cost.aborted = self._wasted(cost.aborted, outcome.usage)
            if entry.landed is not None:
                entry.landed.set()
        elif isinstance(outcome, RuntimeFailure):
            cost.failed = self._wasted(cost.failed, outcome.usage)
            entry.future.set_exception(outcome)
        else:
            entry.future.set_result(cast("ResultT", outcome))

    def _wasted(self, before: tuple[Usage, ...], usage: Usage) -> tuple[Usage, ...]:
        self._counters.wasted_tokens += usage.new_tokens
        return (*before, usage) if usage.new_tokens else before

    async def _withdraw(self, entry: _Entry[RequestT, ResultT]) -> None:
        """Give up a request whose waiter was cancelled; its outcome may have come at the same moment."""
        if not entry.sent:
            self._counters.withdrawn += 1
            entry.cost.queue_seconds += anyio.current_time() - entry.since
            return
        self._counters.aborted += 1
        if self._in_flight.get(entry.request) is entry:
            entry.landed = anyio.Event()
            self._to_abort.append(entry.request)
            self._wake.set()
            if self._aborts:
                with anyio.move_on_after(_ABORT_SECONDS, shield=True):
                    await entry.landed.wait()
            # What the runtime says later comes too late: by then its cost is written down.
            entry.cost = Cost()
        elif not entry.future.cancelled() and entry.future.exception() is None:
            entry.cost.aborted = self._wasted(entry.cost.aborted, entry.future.result().usage)
