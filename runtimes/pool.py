"""Several servers of one model, used as one runtime."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass, replace
from typing import Protocol, TypeAlias, TypeVar
from weakref import WeakKeyDictionary

import anyio
from anyio.abc import TaskGroup

from runtimes.base import (
    Capabilities,
    Deliver,
    GenerateRequest,
    Prefix,
    Request,
    RequestAborted,
    Result,
    Runtime,
    RuntimeFailure,
    RuntimeGone,
    ScoreRequest,
    ServerUnreachable,
    failure_concerning,
)
from runtimes.opening import SharedOpening

__all__ = ["RuntimePool", "ServerRuntime"]

RequestT = TypeVar("RequestT", GenerateRequest, ScoreRequest)

_log = logging.getLogger(__name__)

_UNEVEN = 2.0
_SLACK = 8
"""A server is loaded well above another with more than `_UNEVEN` times its requests and `_SLACK` more."""


class ServerRuntime(Runtime, Protocol):
    """A runtime whose server may go away and come back."""

    async def probe(self) -> None:
        """Return if the server answers.

        Raises:
            RuntimeFailure: it does not.
        """
        ...


_Method: TypeAlias = Callable[[ServerRuntime], Callable[[Sequence[RequestT], Deliver], Awaitable[None]]]


@dataclass(slots=True, eq=False)
class _Member:
    runtime: ServerRuntime
    load: int = 0
    opened: bool = False
    up: bool = False
    being_probed: bool = False


class RuntimePool(SharedOpening):
    """Sends each problem's requests to one server while it can, and to another when that is gone or far busier.

    A server that cannot be reached is left out, its work moves to the others or, where there are none, waits;
    it is probed until it is back.

    Args:
        runtimes: servers of the same model.
        patience_seconds: how long requests wait while no server can be reached. Those after them fail at once, until
            one is back.
        probe_seconds: pause between two probes.
    """

    def __init__(
        self, runtimes: Sequence[ServerRuntime], *, patience_seconds: float = 300.0, probe_seconds: float = 1.0
    ) -> None:
        super().__init__()
        self._members = [_Member(runtime) for runtime in runtimes]
        self._patience_seconds = patience_seconds
        self._probe_seconds = probe_seconds
        self._homes: WeakKeyDictionary[Prefix, _Member] = WeakKeyDictionary()
        self._stack = AsyncExitStack()
        self._probes: TaskGroup | None = None
        self._back = anyio.Event()
        self._given_up = False
        self._waiting: dict[Request, Deliver] = {}

    def __repr__(self) -> str:
        return f"RuntimePool({[member.runtime for member in self._members]})"

    async def _open(self) -> Capabilities:
        """Open every server that answers; one is enough.

        Raises:
            RuntimeGone: none answers, one cannot be used at all, or they serve different models.
        """
        async with AsyncExitStack() as stack:
            failure: RuntimeFailure | None = None
            for member in self._members:
                try:
                    await self._open_member(member, stack)
                except ServerUnreachable as unreachable:
                    failure = unreachable
            live = [member.runtime.capabilities for member in self._members if member.up]
            if not live:
                raise RuntimeGone(str(failure)) from failure
            if len({one.model for one in live}) > 1:
                raise RuntimeGone(f"the servers serve different models: {', '.join(sorted(one.model for one in live))}")
            self._probes = await stack.enter_async_context(anyio.create_task_group())
            stack.callback(self._probes.cancel_scope.cancel)
            for member in self._members:
                if not member.up:
                    self._leave_out(member)
            self._stack = stack.pop_all()
        return replace(
            live[0],
            honours_seeds=all(one.honours_seeds for one in live),
            aborts=all(one.aborts for one in live),
            largest_batch=live[0].largest_batch * len(self._members),
        )

    async def _close(self) -> None:
        await self._stack.aclose()
        self._probes = None
        for member in self._members:
            member.up = member.opened = member.being_probed = False

    async def _open_member(self, member: _Member, stack: AsyncExitStack) -> None:
        await stack.enter_async_context(member.runtime)
        member.up = member.opened = True

    async def generate(self, requests: Sequence[GenerateRequest], deliver: Deliver) -> None:
        """See `runtimes.base.Runtime.generate`."""
        await self._serve(requests, deliver, lambda runtime: runtime.generate)

    async def score(self, requests: Sequence[ScoreRequest], deliver: Deliver) -> None:
        """See `runtimes.base.Runtime.score`."""
        await self._serve(requests, deliver, lambda runtime: runtime.score)

    async def abort(self, requests: Sequence[Request]) -> None:
        """See `runtimes.base.Runtime.abort`."""
        for request in requests:
            if (deliver := self._waiting.pop(request, None)) is not None:
                deliver(request, RequestAborted("aborted", request=request))
        async with anyio.create_task_group() as tasks:
            for member in self._members:
                if member.up:
                    tasks.start_soon(member.runtime.abort, requests)

    async def _serve(self, requests: Sequence[RequestT], deliver: Deliver, method: _Method[RequestT]) -> None:
        """Send requests to their servers; those whose server is gone are sent again to another."""
        if self._capabilities is None:
            raise RuntimeGone(f"{self!r} is not open: use 'async with'")
        if not any(member.up for member in self._members):
            requests = await self._wait_for_a_server(requests, deliver)
        groups: dict[_Member, list[RequestT]] = {}
        for request in requests:
            member = self._member_for(request)
            member.load += 1
            groups.setdefault(member, []).append(request)
        async with anyio.create_task_group() as tasks:
            for member, group in groups.items():
                tasks.start_soon(self._serve_on, member, group, deliver, method)

    async def _serve_on(
        self, member: _Member, requests: Sequence[RequestT], deliver: Deliver, method: _Method[RequestT]
    ) -> None:
        left = dict.fromkeys(requests)
        lost: list[RequestT] = []

        def relay(request: Request, outcome: Result | RuntimeFailure) -> None:
            if request not in left:
                return
            del left[request]
            member.load -= 1
            if isinstance(outcome, ServerUnreachable):
                lost.append(request)
            else:
                deliver(request, outcome)

        try:
            await method(member.runtime)(requests, relay)
        except RuntimeFailure as failure:
            for request in tuple(left):
                relay(request, failure_concerning(failure, request))
        finally:
            member.load -= len(left)
        if lost:
            self._leave_out(member)
            await self._serve(lost, deliver, method)

    def _member_for(self, request: Request) -> _Member:
        """Where a request goes: where its problem is at home, unless that server is gone or far busier."""
        *_, root = request.prefix.segments()
        live = [member for member in self._members if member.up]
        idlest = min(live, key=lambda member: member.load)
        home = self._homes.get(root)
        if home is None or not home.up or home.load > _UNEVEN * idlest.load + _SLACK:
            home = self._homes[root] = idlest
        return home

    async def _wait_for_a_server(self, requests: Sequence[RequestT], deliver: Deliver) -> Sequence[RequestT]:
        """Wait until a server is up, and return what is to be sent then: nothing if none is for too long."""
        self._waiting.update(dict.fromkeys(requests, deliver))
        try:
            with anyio.move_on_after(0 if self._given_up else self._patience_seconds):
                while not any(member.up for member in self._members):
                    await self._back.wait()
            left = [request for request in requests if request in self._waiting]
        finally:
            for request in requests:
                self._waiting.pop(request, None)
        if any(member.up for member in self._members):
            return left
        self._given_up = True
        for request in left:
            message = f"no server could be reached for {self._patience_seconds:g} s"
            deliver(request, RuntimeGone(message, request=request))
        return []

    def _leave_out(self, member: _Member) -> None:
        """Send nothing to a server any more, and probe it until it is back."""
        if self._probes is None or member.being_probed:
            return
        _log.warning("%r cannot be reached; its work moves to other servers, or waits", member.runtime)
        member.up = False
        member.being_probed = True
        self._probes.start_soon(self._probe, member)

    async def _probe(self, member: _Member) -> None:
        while not member.up:
            await anyio.sleep(self._probe_seconds)
            with suppress(RuntimeFailure):
                if not member.opened:
                    await self._open_member(member, self._stack)
                await member.runtime.probe()
                member.up = True
        member.being_probed = self._given_up = False
        _log.warning("%r is back", member.runtime)
        self._back.set()
        self._back = anyio.Event()
