"""One lane of the scheduler: a queue of requests towards one runtime."""

from __future__ import annotations

import asyncio
import contextlib
import enum
import heapq
import itertools
import random
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeAlias, TypeVar, cast

import anyio
from anyio.abc import TaskGroup, TaskStatus
from anyio.lowlevel import checkpoint

from asyncsearch.scheduler.cost import Cost
from asyncsearch.scheduler.limit import Limit
from asyncsearch.scheduler.statistics import LaneStatistics
from runtimes.base import (
    Deliver,
    Load,
    Request,
    RequestAborted,
    Result,
    RetryableError,
    RuntimeFailure,
    RuntimeGone,
    Usage,
    failure_concerning,
)

__all__ = ["Lane", "Pending", "Settle"]

RequestT = TypeVar("RequestT", bound=Request)
ResultT = TypeVar("ResultT", bound=Result)

Settle: TypeAlias = Callable[[ResultT | RuntimeFailure], None]
"""Called once per request, on the event loop, with what came of it. Must neither block nor raise."""

_QUIET_PASSES = 3
"""Turns of the event loop without a new request after which it counts as run dry.

A delivered result takes a turn or two to become the next request: the search wakes, and asks for more.
"""

_BACKLOG = 1.25
"""Times the limit: with so many requests in flight or queued no place stays free."""

_REFILL = 0.1
"""Of the limit: so many places are free before requests are sent that have waited for one. Each pass over new prompts
holds up all that is being decoded, however few there are."""

_LULL, _ENOUGH_UNWANTED = 2, 0.25
"""When requests that nobody wants yet are sent: so many times the limit have been answered since one that is wanted had
to wait for a place; and they are this share of what is in flight, or go beside others."""

_PASSED_OVER = 64
"""So many requests may be in the queue of the unwanted that are not, beside as many as are."""

_STEPS_UNTIL_BEGUN, _LOAD_SECONDS = 2, 2.0
"""Decode steps until a request is begun that has just been sent; and how long a runtime is asked how busy it is."""

_ABORT_SECONDS = 5.0
"""How long a request that was given up waits for the runtime to let go of it."""

_FIRST_PAUSE, _LONGEST_PAUSE, _JITTER = 0.1, 10.0, 0.1
"""Seconds: before the second attempt, before any, and what is added by chance."""


class _State(enum.Enum):
    QUEUED = "queued"
    IN_FLIGHT = "in flight"
    PAUSING = "pausing"
    GIVEN_UP = "given up"
    """Its waiter has left, and would know what it has cost."""
    ENDED = "ended"


@dataclass(slots=True, eq=False)
class Pending(Generic[RequestT, ResultT]):
    """A request on its way: queued, in flight, or pausing before it is sent once more, ``since`` a moment."""

    lane: Lane[RequestT, ResultT]
    request: RequestT
    order: int
    cost: Cost
    settle: Settle[ResultT]
    wanted: bool
    since: float
    state: _State = _State.QUEUED
    attempts: int = 0
    batch: Sequence[Pending[RequestT, ResultT]] = ()

    def withdraw(self) -> None:
        """Give the request up, unless it has ended: it ends as `RequestAborted`.

        That is at once, but of a request in flight on a runtime that can abort: when that has told what it has cost,
        or after five seconds.
        """
        self.lane.withdraw(self)

    def want(self) -> None:
        """Somebody has asked for what was requested on the chance that they would."""
        self.lane.want(self)


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
    """Coalesces requests into batches, oldest problem first, and never has more in flight than its limit.

    Each request is settled exactly once: with a result, with the failure that ended it, or as aborted where whoever
    waited for it gave it up. Failures that may pass are retried after a growing, jittered pause.

    Args:
        send: sends a batch and delivers each outcome, as `runtimes.base.Runtime.generate`.
        abort: gives up requests in flight, as `runtimes.base.Runtime.abort`.
        limit: requests in flight at most.
        load: says how busy the runtime is, None where it cannot.
        aborts: whether ``abort`` frees resources at once, so that it is worth waiting for.
        attempts: how often one request is sent at most.
    """

    def __init__(
        self,
        send: Callable[[Sequence[RequestT], Deliver], Awaitable[None]],
        abort: Callable[[Sequence[Request]], Coroutine[Any, Any, None]],
        *,
        limit: Limit,
        load: Callable[[], Coroutine[Any, Any, Load | None]] | None = None,
        aborts: bool = False,
        attempts: int = 8,
    ) -> None:
        self.when_room: Callable[[], None] | None = None
        self._limit = limit
        self._load = load
        self._send = send
        self._abort = abort
        self._aborts = aborts
        self._attempts = attempts
        self._numbers = itertools.count()
        self._queue: list[tuple[int, int, Pending[RequestT, ResultT]]] = []
        self._unwanted: list[tuple[int, int, Pending[RequestT, ResultT]]] = []
        self._unwanted_queued = 0
        self._answers_since_full = _LULL * limit.now
        self._in_flight: dict[Request, Pending[RequestT, ResultT]] = {}
        self._pausing: dict[Pending[RequestT, ResultT], asyncio.TimerHandle] = {}
        self._to_abort: list[Pending[RequestT, ResultT]] = []
        self._wake = asyncio.Event()
        self._adjusting = False
        self._has_said_load = False
        self._counters = _Counters()
        self._open = False

    def submit(
        self, request: RequestT, *, order: int, cost: Cost, settle: Settle[ResultT], wanted: bool = True
    ) -> Pending[RequestT, ResultT]:
        """Have a request sent, those of a lower ``order`` first. What it takes is added to ``cost``.

        ``settle`` is told its outcome, at once where the lane is closed. One that is not ``wanted`` yet is sent after
        all others, where there is room to spare.
        """
        self._counters.submitted += 1
        pending = Pending(self, request, order, cost, settle, wanted, 0.0)
        if self._open:
            self._enqueue(pending)
        else:
            self._fail(pending, RuntimeGone("the scheduler is closed", request=request))
        return pending

    @property
    def has_room(self) -> bool:
        """Whether fewer requests are wanted than can be in flight, and a few to take their places."""
        return len(self._in_flight) + self._counters.queued - self._unwanted_queued < self._limit.now * _BACKLOG

    @property
    def keeps_up(self) -> bool:
        """Whether no more requests are queued than can be in flight."""
        return self._counters.queued <= self._limit.now

    async def run(self, *, task_status: TaskStatus[None] = anyio.TASK_STATUS_IGNORED) -> None:
        """Send batches until cancelled. Leaving fails every request that is still waiting."""
        self._loop = asyncio.get_running_loop()
        self._open = True
        self._counters.idle_since = self._loop.time()
        task_status.started()
        try:
            async with anyio.create_task_group() as batches:
                while True:
                    await self._wake.wait()
                    self._wake.clear()
                    if self._to_abort:
                        given_up, self._to_abort = self._to_abort, []
                        batches.start_soon(self._give_up, given_up)
                    if self._limit.window_is_over and not self._adjusting:
                        self._adjusting = True
                        batches.start_soon(self._adjust_limit)
                    if self._counters.queued and len(self._in_flight) < self._limit.now:
                        await self._run_dry()
                        if self._is_worth_a_pass():
                            self._send_queued(batches)
                    if self.when_room is not None:
                        self.when_room()
        finally:
            self._open = False
            self._close()

    def want(self, pending: Pending[RequestT, ResultT]) -> None:
        """See `Pending.want`."""
        if not pending.wanted:
            pending.wanted = True
            if pending.state is _State.QUEUED:  # at its old place it is passed over
                self._unwanted_queued -= 1
                self._push(pending)

    def withdraw(self, pending: Pending[RequestT, ResultT]) -> None:
        """See `Pending.withdraw`."""
        counted = self._counters
        match pending.state:
            case _State.QUEUED:  # it stays in the queue, and is passed over
                counted.queued -= 1
                counted.withdrawn += 1
                self._unwanted_queued -= not pending.wanted
                pending.cost.queue_seconds += self._loop.time() - pending.since
                self._wake.set()
            case _State.PAUSING:
                self._pausing.pop(pending).cancel()
                counted.pausing -= 1
                counted.withdrawn += 1
                pending.cost.queue_seconds += self._loop.time() - pending.since
            case _State.IN_FLIGHT:
                counted.in_flight -= 1
                counted.aborted += 1
                self._to_abort.append(pending)
                self._wake.set()
                if self._aborts:
                    pending.state = _State.GIVEN_UP
                    return
            case _:
                return
        self._end_given_up(pending)

    def statistics(self) -> LaneStatistics:
        """What the lane has done so far."""
        counted = self._counters
        idle = counted.idle_seconds
        if counted.idle_since is not None:
            idle += self._loop.time() - counted.idle_since
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

    def _enqueue(self, pending: Pending[RequestT, ResultT]) -> None:
        pending.state = _State.QUEUED
        pending.since = self._loop.time()
        self._counters.queued += 1
        self._push(pending)

    def _push(self, pending: Pending[RequestT, ResultT]) -> None:
        queue = self._queue if pending.wanted else self._unwanted
        self._unwanted_queued += not pending.wanted
        heapq.heappush(queue, (pending.order, next(self._numbers), pending))
        if len(self._unwanted) > 2 * self._unwanted_queued + _PASSED_OVER:  # those have been wanted or withdrawn since
            self._unwanted = [one for one in self._unwanted if one[-1].state is _State.QUEUED and not one[-1].wanted]
            heapq.heapify(self._unwanted)
        self._wake.set()

    async def _run_dry(self) -> None:
        """Wait until nobody submits any more, so that all that is ready goes into one batch."""
        quiet = 0
        while quiet < _QUIET_PASSES and len(self._in_flight) + self._counters.queued < self._limit.now:
            before = self._counters.submitted
            await checkpoint()
            quiet = quiet + 1 if self._counters.submitted == before else 0

    def _is_worth_a_pass(self) -> bool:
        """Whether requests should be sent now: once there are more than there is room for, not for each place."""
        in_flight, limit = len(self._in_flight), self._limit.now
        free = limit - in_flight
        wanted = self._counters.queued - self._unwanted_queued
        return not in_flight or wanted <= free or free >= limit * _REFILL

    def _send_queued(self, batches: TaskGroup) -> None:
        counted = self._counters
        in_flight = self._in_flight
        now = self._loop.time()
        batch: list[Pending[RequestT, ResultT]] = []
        while (pending := self._next_queued(beside=len(batch))) is not None:
            pending.state = _State.IN_FLIGHT
            pending.attempts += 1
            pending.batch = batch
            pending.cost.queue_seconds += now - pending.since
            pending.since = now
            in_flight[pending.request] = pending
            batch.append(pending)
        if not batch:
            return
        counted.queued -= len(batch)
        counted.in_flight += len(batch)
        counted.batches += 1
        counted.sent += len(batch)
        counted.largest_batch = max(counted.largest_batch, len(batch))
        counted.peak_in_flight = max(counted.peak_in_flight, len(in_flight))
        if counted.idle_since is not None:
            counted.idle_seconds += now - counted.idle_since
            counted.idle_since = None
        batches.start_soon(self._send_batch, batch)

    def _next_queued(self, *, beside: int) -> Pending[RequestT, ResultT] | None:
        """The next request to be sent, ``beside`` others.

        New prompts hold up all that is being decoded, so that those that nobody wants yet go beside others, or when
        there are enough of them; and they slow it down, so that there must be room that nobody else has use for.
        """
        in_flight, limit = len(self._in_flight), self._limit.now
        if in_flight >= limit:
            if self._counters.queued > self._unwanted_queued + beside:
                self._answers_since_full = 0
            return None
        while self._queue:
            _, _, pending = heapq.heappop(self._queue)
            if pending.state is _State.QUEUED:
                return pending
        if self._answers_since_full >= _LULL * limit and (
            beside or self._unwanted_queued >= in_flight * _ENOUGH_UNWANTED
        ):
            while self._unwanted:
                _, _, pending = heapq.heappop(self._unwanted)
                if pending.state is _State.QUEUED and not pending.wanted:
                    self._unwanted_queued -= 1
                    return pending
        return None

    async def _adjust_limit(self) -> None:
        # Of what was sent so lately some may wait, where there is room for all, for what is being decoded.
        lately = self._loop.time() - _STEPS_UNTIL_BEGUN * self._limit.seconds_per_token
        try:
            load = await self._ask_load()
        except RetryableError:
            self._limit.begin_window(self._loop.time())
        else:
            waiting: float | None = None
            if load is not None:
                new = sum(pending.since >= lately for pending in self._in_flight.values())
                waiting = max(load.waiting - new, 0) / max(load.running + load.waiting, 1)
            held_back = self._counters.queued > self._unwanted_queued
            self._limit.adjust(self._loop.time(), held_back=held_back, waiting=waiting)
        self._adjusting = False
        self._wake.set()

    async def _ask_load(self) -> Load | None:
        """How busy the runtime is, None where it does not say.

        Raises:
            RetryableError: it has said so before, but does not this time.
        """
        if self._load is None:
            return None
        try:
            with anyio.fail_after(_LOAD_SECONDS):
                load = await self._load()
        except (RuntimeFailure, TimeoutError) as error:
            if self._has_said_load and not isinstance(error, RuntimeGone):
                raise RetryableError("the runtime does not say how busy it is") from error
            return None
        self._has_said_load = load is not None
        return load

    async def _send_batch(self, batch: Sequence[Pending[RequestT, ResultT]]) -> None:
        failure: RuntimeFailure | None = None
        try:
            await self._send([pending.request for pending in batch], self._deliver)
        except RuntimeFailure as error:
            failure = error
        for pending in batch:
            # One that was delivered to be retried may be in flight again, in another batch.
            if pending.batch is batch and pending.request in self._in_flight:
                if failure is None:
                    lost: RuntimeFailure = RetryableError("the runtime gave no outcome", request=pending.request)
                else:
                    lost = failure_concerning(failure, pending.request)
                self._deliver(pending.request, lost)

    def _deliver(self, request: Request, outcome: Result | RuntimeFailure) -> None:
        """Hand an outcome to its waiter, if there still is one."""
        pending = self._in_flight.pop(request, None)
        if pending is None:
            return
        counted = self._counters
        self._answers_since_full += 1
        now = self._loop.time()
        if not self._in_flight:
            counted.idle_since = now
        self._wake.set()
        if pending.state is _State.ENDED:
            counted.wasted_tokens += outcome.usage.new_tokens
            return  # what it has cost comes too late: by now that is written down
        cost = pending.cost
        cost.runtime_seconds += now - pending.since
        if pending.state is _State.GIVEN_UP:
            cost.aborted = self._wasted(cost.aborted, outcome.usage)
            self._end_given_up(pending)
            return
        counted.in_flight -= 1
        if isinstance(outcome, RuntimeFailure):
            cost.failed = self._wasted(cost.failed, outcome.usage)
            if isinstance(outcome, RetryableError) and pending.attempts < self._attempts and self._open:
                self._pause(pending)
            else:
                self._fail(pending, outcome)
            return
        usage = cost.usage = outcome.usage
        self._limit.note(usage.generated_tokens, now - pending.since)
        counted.settled += 1
        counted.prompt_tokens += usage.prompt_tokens
        counted.cached_tokens += usage.cached_tokens
        counted.generated_tokens += usage.generated_tokens
        self._end(pending, cast("ResultT", outcome))

    def _pause(self, pending: Pending[RequestT, ResultT]) -> None:
        """Wait before another attempt, the longer the more there have been, and for no two requests alike."""
        seconds = min(_LONGEST_PAUSE, _FIRST_PAUSE * 2 ** (pending.attempts - 1)) + random.uniform(0, _JITTER)
        pending.state = _State.PAUSING
        pending.since = self._loop.time()
        self._counters.pausing += 1
        self._pausing[pending] = self._loop.call_later(seconds, self._retry, pending)

    def _retry(self, pending: Pending[RequestT, ResultT]) -> None:
        del self._pausing[pending]
        self._counters.pausing -= 1
        self._counters.retries += 1
        pending.cost.queue_seconds += self._loop.time() - pending.since
        self._enqueue(pending)

    async def _give_up(self, given_up: Sequence[Pending[RequestT, ResultT]]) -> None:
        """Abort requests in flight; what the runtime does not let go of in time is waited for no longer."""
        self._loop.call_later(_ABORT_SECONDS, self._wait_no_longer, given_up)
        with contextlib.suppress(RuntimeFailure):  # then they end by themselves
            await self._abort([pending.request for pending in given_up if pending.request in self._in_flight])

    def _wait_no_longer(self, given_up: Sequence[Pending[RequestT, ResultT]]) -> None:
        for pending in given_up:
            if pending.state is _State.GIVEN_UP:
                self._end_given_up(pending)

    def _close(self) -> None:
        """Fail all that is still waiting."""
        counted = self._counters
        for pending in [
            *(pending for _, _, pending in (*self._queue, *self._unwanted)),
            *self._pausing,
            *self._in_flight.values(),
        ]:
            match pending.state:
                case _State.GIVEN_UP:
                    self._end_given_up(pending)
                    continue
                case _State.QUEUED:
                    counted.queued -= 1
                case _State.PAUSING:
                    counted.pausing -= 1
                    self._pausing.pop(pending).cancel()
                case _State.IN_FLIGHT:
                    counted.in_flight -= 1
                case _State.ENDED:
                    continue
            self._fail(pending, RuntimeGone("the scheduler was closed", request=pending.request))
        self._queue.clear()
        self._unwanted.clear()
        self._in_flight.clear()
        if counted.idle_since is not None:
            counted.idle_seconds += self._loop.time() - counted.idle_since
            counted.idle_since = None

    def _fail(self, pending: Pending[RequestT, ResultT], failure: RuntimeFailure) -> None:
        self._counters.failed += 1
        self._end(pending, failure)

    def _end_given_up(self, pending: Pending[RequestT, ResultT]) -> None:
        self._end(pending, RequestAborted("given up", request=pending.request))

    def _end(self, pending: Pending[RequestT, ResultT], outcome: ResultT | RuntimeFailure) -> None:
        pending.state = _State.ENDED
        pending.batch = ()  # which refers to it
        pending.settle(outcome)

    def _wasted(self, before: tuple[Usage, ...], usage: Usage) -> tuple[Usage, ...]:
        self._counters.wasted_tokens += usage.new_tokens
        return (*before, usage) if usage.new_tokens else before
