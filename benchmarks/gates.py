"""Runtimes whose requests have to pass a gate: as other programs send theirs, or as this one could."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections import Counter, defaultdict, deque
from collections.abc import Awaitable, Callable, Coroutine, Hashable, Sequence
from dataclasses import dataclass, field
from functools import partial
from types import TracebackType
from typing import Any, Self, TypeAlias

import anyio
from anyio.abc import TaskGroup
from anyio.lowlevel import checkpoint

from runtimes.base import Deliver, GenerateRequest, Request, Result, Runtime, RuntimeFailure, ScoreRequest

__all__ = ["Barrier", "Gated", "Queue", "Semaphore", "Waiting", "all_together", "by_problem"]

_QUIET_TURNS = 12
"""Turns of the event loop without a new request, after which nobody has one."""


def by_problem(request: Request) -> Hashable:
    """What belongs to one problem, for either model."""
    *_, root = request.prefix.segments()
    return root.text


def all_together(request: Request) -> Hashable:
    """What belongs together: all there is."""
    return None


@dataclass(frozen=True, slots=True, eq=False)
class Waiting:
    """A request in front of a gate."""

    runtime: Gated
    request: Request
    deliver: Deliver


Job: TypeAlias = Callable[[], Coroutine[Any, Any, None]]


class Gate(ABC):
    """Sends requests when it is time. Leaving the block cancels what is on its way."""

    def __init__(self) -> None:
        self._tasks: TaskGroup
        self._jobs: asyncio.Queue[Job] = asyncio.Queue()

    async def __aenter__(self) -> Self:
        self._tasks = anyio.create_task_group()
        await self._tasks.__aenter__()
        self._tasks.start_soon(self._start_jobs)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._tasks.cancel_scope.cancel()
        await self._tasks.__aexit__(kind, error, traceback)

    def _start_soon(self, job: Job) -> None:
        """Start a task of the gate's, from wherever an outcome is delivered: that may be outside of any task."""
        self._jobs.put_nowait(job)

    async def _start_jobs(self) -> None:
        while True:
            self._tasks.start_soon(await self._jobs.get())

    @abstractmethod
    def add(self, waiting: Waiting) -> None:
        """Send a request when its turn has come, and deliver its outcome."""

    def _send(self, batch: Sequence[Waiting], when_delivered: Callable[[Request], None]) -> None:
        """Send a batch to whom it is for."""
        delivers = {waiting.request: waiting.deliver for waiting in batch}

        def deliver(request: Request, outcome: Result | RuntimeFailure) -> None:
            delivers[request](request, outcome)
            when_delivered(request)

        requests: defaultdict[Gated, list[Request]] = defaultdict(list)
        for waiting in batch:
            requests[waiting.runtime].append(waiting.request)
        for runtime, group in requests.items():
            self._start_soon(partial(runtime.send, group, deliver))


@dataclass(slots=True, eq=False)
class _Group:
    """Requests that wait for each other: how many are being worked on, and those that come after them."""

    working: int = 0
    waiting: list[Waiting] = field(default_factory=list)
    flushing: bool = False


class Barrier(Gate):
    """Sends the requests of a group, whatever they are for, only when all that were sent before have come back.

    ``group`` says to which a request belongs.
    """

    def __init__(self, group: Callable[[Request], Hashable]) -> None:
        super().__init__()
        self._group = group
        self._groups: defaultdict[Hashable, _Group] = defaultdict(_Group)

    def add(self, waiting: Waiting) -> None:
        """See `Gate.add`."""
        group = self._groups[self._group(waiting.request)]
        group.waiting.append(waiting)
        if not group.working:
            self._flush_soon(group)

    def _flush_soon(self, group: _Group) -> None:
        if not group.flushing:
            group.flushing = True
            self._start_soon(partial(self._flush, group))

    async def _flush(self, group: _Group) -> None:
        quiet = 0
        while quiet < _QUIET_TURNS:
            before = len(group.waiting)
            await checkpoint()
            quiet = quiet + 1 if len(group.waiting) == before else 0
        group.flushing = False
        level, group.waiting = group.waiting, []
        group.working = len(level)

        def count(_: Request) -> None:
            group.working -= 1
            if not group.working and group.waiting:
                self._flush_soon(group)

        self._send(level, count)


class Semaphore(Gate):
    """Has ``limit`` requests in flight, first come first served, each sent by itself."""

    def __init__(self, limit: int) -> None:
        super().__init__()
        self._free = limit
        self._waiting: deque[Waiting] = deque()

    def add(self, waiting: Waiting) -> None:
        """See `Gate.add`."""
        self._waiting.append(waiting)
        self._fill()

    def _fill(self) -> None:
        while self._free and self._waiting:
            self._free -= 1
            self._send([self._waiting.popleft()], self._release)

    def _release(self, _: Request) -> None:
        self._free += 1
        self._fill()


class Queue(Gate):
    """Has so many requests in flight, and sends those of the lowest ``key`` first, a tenth of them at a time.

    ``key`` is given a request, and how many of its problem are in flight or queued; equal ones go by their arrival.
    """

    def __init__(self, key: Callable[[Request, int], float], *, limit: int) -> None:
        super().__init__()
        self._key = key
        self._limit = limit
        self._queue: list[Waiting] = []
        self._of_problem: Counter[Hashable] = Counter()
        self._in_flight = 0
        self._filling = False

    def add(self, waiting: Waiting) -> None:
        """See `Gate.add`."""
        self._of_problem[by_problem(waiting.request)] += 1
        self._queue.append(waiting)
        self._fill_soon()

    def _fill_soon(self) -> None:
        if not self._filling and self._queue:
            self._filling = True
            self._start_soon(self._fill)

    async def _fill(self) -> None:
        for _ in range(_QUIET_TURNS):
            await checkpoint()
        self._filling = False
        free = self._limit - self._in_flight
        if len(self._queue) > free and free < self._limit / 10:
            return
        self._queue.sort(key=lambda waiting: self._key(waiting.request, self._of_problem[by_problem(waiting.request)]))
        batch, self._queue = self._queue[:free], self._queue[free:]
        self._in_flight += len(batch)

        def count(request: Request) -> None:
            self._in_flight -= 1
            self._of_problem[by_problem(request)] -= 1
            self._fill_soon()

        self._send(batch, count)


class Gated:
    """A runtime behind a gate."""

    def __init__(self, runtime: Runtime, gate: Gate) -> None:
        self.capabilities = runtime.capabilities
        self._runtime = runtime
        self._gate = gate

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        pass

    async def generate(self, requests: Sequence[GenerateRequest], deliver: Deliver) -> None:
        """See `runtimes.base.Runtime.generate`."""
        await self._wait_for(requests, deliver)

    async def score(self, requests: Sequence[ScoreRequest], deliver: Deliver) -> None:
        """See `runtimes.base.Runtime.score`."""
        await self._wait_for(requests, deliver)

    async def abort(self, requests: Sequence[Request]) -> None:
        """See `runtimes.base.Runtime.abort`. The others have nothing to abort."""

    async def send(self, requests: Sequence[Any], deliver: Deliver) -> None:
        """Send what has passed the gate."""
        ask: Callable[[Sequence[Any], Deliver], Awaitable[None]] = (
            self._runtime.score if isinstance(requests[0], ScoreRequest) else self._runtime.generate
        )
        await ask(requests, deliver)

    async def _wait_for(self, requests: Sequence[Request], deliver: Deliver) -> None:
        left = len(requests)
        over = asyncio.get_running_loop().create_future()

        def count(request: Request, outcome: Result | RuntimeFailure) -> None:
            nonlocal left
            deliver(request, outcome)
            left -= 1
            if not left:
                over.set_result(None)

        for request in requests:
            self._gate.add(Waiting(self, request, count))
        if left:
            await over
