"""Runtimes that are used as other programs use theirs: everybody waits for everybody before anything goes on."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable, Hashable, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self

import anyio
from anyio.abc import TaskGroup
from anyio.lowlevel import checkpoint

from runtimes.base import Deliver, GenerateRequest, Request, Result, Runtime, RuntimeFailure, ScoreRequest

__all__ = ["Barrier", "LockStep", "all_together", "by_problem"]

_QUIET_TURNS = 12
"""Turns of the event loop without a new request, after which nobody has one."""


def by_problem(request: Request) -> Hashable:
    """What is waited for: all of one problem's."""
    *_, root = request.prefix.segments()
    return root.text


def all_together(request: Request) -> Hashable:
    """What is waited for: all there is."""
    return None


@dataclass(slots=True, eq=False)
class _Group:
    """Requests that wait for each other: how many are being worked on, and those that come after them."""

    working: int = 0
    waiting: list[tuple[LockStep, Request, Deliver]] = field(default_factory=list)
    flushing: bool = False


class Barrier:
    """Sends the requests of a group, whatever they are for, only when all that were sent before have come back.

    ``group`` says to which a request belongs. Leaving the block cancels what is on its way.
    """

    def __init__(self, group: Callable[[Request], Hashable]) -> None:
        self._group = group
        self._groups: defaultdict[Hashable, _Group] = defaultdict(_Group)
        self._tasks: TaskGroup

    async def __aenter__(self) -> Self:
        self._tasks = anyio.create_task_group()
        await self._tasks.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._tasks.cancel_scope.cancel()
        await self._tasks.__aexit__(kind, error, traceback)

    def add(self, runtime: LockStep, request: Request, deliver: Deliver) -> None:
        """Send a request when its turn has come, and deliver its outcome."""
        group = self._groups[self._group(request)]
        group.waiting.append((runtime, request, deliver))
        if not group.working:
            self._flush_soon(group)

    def _flush_soon(self, group: _Group) -> None:
        if not group.flushing:
            group.flushing = True
            self._tasks.start_soon(self._flush, group)

    async def _flush(self, group: _Group) -> None:
        quiet = 0
        while quiet < _QUIET_TURNS:
            before = len(group.waiting)
            await checkpoint()
            quiet = quiet + 1 if len(group.waiting) == before else 0
        group.flushing = False
        level, group.waiting = group.waiting, []
        group.working = len(level)
        batches: defaultdict[LockStep, dict[Request, Deliver]] = defaultdict(dict)
        for runtime, request, deliver in level:
            batches[runtime][request] = deliver
        for runtime, batch in batches.items():
            self._tasks.start_soon(self._send, group, runtime, batch)

    async def _send(self, group: _Group, runtime: LockStep, batch: dict[Request, Deliver]) -> None:
        def deliver(request: Request, outcome: Result | RuntimeFailure) -> None:
            batch[request](request, outcome)
            group.working -= 1
            if not group.working and group.waiting:
                self._flush_soon(group)

        await runtime.send(list(batch), deliver)


class LockStep:
    """A runtime behind a barrier."""

    def __init__(self, runtime: Runtime, barrier: Barrier) -> None:
        self.capabilities = runtime.capabilities
        self._runtime = runtime
        self._barrier = barrier

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
        """Send what has passed the barrier."""
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
            self._barrier.add(self, request, count)
        if left:
            await over
