"""Several servers of one model, used as one runtime."""

from __future__ import annotations

import logging
import math
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass, replace
from typing import Protocol, TypeAlias, TypeVar
from weakref import WeakKeyDictionary

import anyio

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

_LONGEST_PROBE_SECONDS = 10.0
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
    probed_at: float = -math.inf


class RuntimePool(SharedOpening):
    """Sends each problem's requests to one server while it can, and to another when that is gone or far busier.

    A server that cannot be reached is left out, its work moves to the others or, where there are none, waits;
    while there is work it is probed until it is back.

    Args:
        runtimes: servers of the same model.
        patience_seconds: how long requests wait while no server can be reached.
        probe_seconds: pause between two probes of one server.
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
        self._model: str | None = None
        self._probing = anyio.Lock()
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
                    await self._bring_up(member, stack)
                except ServerUnreachable as unreachable:
                    failure = unreachable
            live = [member.runtime.capabilities for member in self._members if member.up]
            if not live:
                raise RuntimeGone(str(failure)) from failure
            stack.callback(self._forget)
            self._stack = stack.pop_all()
        return replace(
            live[0],
            honours_seeds=all(one.honours_seeds for one in live),
            aborts=all(one.aborts for one in live),
            largest_batch=live[0].largest_batch * len(self._members),
        )

    async def _close(self) -> None:
        await self._stack.aclose()

    def _forget(self) -> None:
        self._model = None
        for member in self._members:
            member.up = member.opened = False

    async def _bring_up(self, member: _Member, stack: AsyncExitStack) -> None:
        """Use a server from now on, if it answers and serves what the others do."""
        member.probed_at = anyio.current_time()
        if member.opened:
            await member.runtime.probe()
        else:
            await stack.enter_async_context(member.runtime)
            member.opened = True
        model = member.runtime.capabilities.model
        self._model = self._model or model
        if model != self._model:
            raise RuntimeGone(f"the servers serve different models: {self._model}, {model} ({member.runtime!r})")
        member.up = True

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
        """Send requests to their servers, and look after servers that are down meanwhile."""
        if self._capabilities is None:
            raise RuntimeGone(f"{self!r} is not open: use 'async with'")
        done = anyio.Event()
        async with anyio.create_task_group() as tasks:
            if not all(member.up for member in self._members):
                tasks.start_soon(self._watch, done)
            await self._send(requests, deliver, method)
            done.set()

    async def _send(self, requests: Sequence[RequestT], deliver: Deliver, method: _Method[RequestT]) -> None:
        """Send requests to their servers; those whose server is gone are sent again to another."""
        if not self._any_up():
            requests = await self._wait_for_a_server(requests, deliver)
        groups: dict[_Member, list[RequestT]] = {}
        for request in requests:
            member = self._member_for(request)
            member.load += 1
            groups.setdefault(member, []).append(request)
        async with anyio.create_task_group() as tasks:
            for member, group in groups.items():
                tasks.start_soon(self._send_to, member, group, deliver, method)

    async def _send_to(
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
            if member.up:
                _log.warning("%r cannot be reached; its work moves to other servers, or waits", member.runtime)
                member.up = False
            await self._send(lost, deliver, method)

    def _any_up(self) -> bool:
        return any(member.up for member in self._members)

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
            with anyio.move_on_after(self._patience_seconds):
                while not self._any_up():
                    await self._probe_what_is_down()
                    if not self._any_up():
                        await anyio.sleep(self._probe_seconds)
            left = [request for request in requests if request in self._waiting]
        finally:
            for request in requests:
                self._waiting.pop(request, None)
        if self._any_up():
            return left
        for request in left:
            message = f"no server could be reached for {self._patience_seconds:g} s"
            deliver(request, RuntimeGone(message, request=request))
        return []

    async def _watch(self, done: anyio.Event) -> None:
        """Probe what is down until somebody's requests are done; a probe that has begun is not broken off."""
        while not done.is_set():
            await self._probe_what_is_down()
            with anyio.move_on_after(self._probe_seconds):
                await done.wait()

    async def _probe_what_is_down(self) -> None:
        """Bring up the servers that can be, unless they were probed a moment ago; one caller after the other."""
        async with self._probing:
            latest = anyio.current_time() - self._probe_seconds
            async with anyio.create_task_group() as tasks:
                for member in self._members:
                    if not member.up and member.probed_at <= latest:
                        tasks.start_soon(self._probe, member)

    async def _probe(self, member: _Member) -> None:
        with suppress(RuntimeFailure), anyio.move_on_after(_LONGEST_PROBE_SECONDS):
            await self._bring_up(member, self._stack)
            _log.warning("%r is back", member.runtime)
