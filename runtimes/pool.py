"""Several servers of one model, used as one runtime."""

from __future__ import annotations

import logging
import math
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass, field, replace
from typing import Any, Protocol, TypeAlias
from weakref import WeakKeyDictionary

import anyio
from anyio.abc import TaskGroup

from runtimes.base import (
    AppliesChatTemplate,
    Capabilities,
    ChatPrompt,
    Deliver,
    GenerateRequest,
    Load,
    Prefix,
    ReportsLoad,
    Request,
    RequestAborted,
    Result,
    RetryableError,
    Runtime,
    RuntimeFailure,
    RuntimeGone,
    ScoreRequest,
    ServerUnreachable,
    failure_concerning,
)
from runtimes.opening import SharedOpening

__all__ = ["RuntimePool", "ServerRuntime"]

_log = logging.getLogger(__name__)

_LONGEST_OPENING_SECONDS = 60.0
_LONGEST_PROBE_SECONDS = 10.0
_MOST_MOVES = 3
"""Times that a request is moved on its own account; then it may be what breaks the servers."""
_MOST_FAILURES = 3
"""Failures in a row after which a server is left out although it can be reached."""
_UNEVEN = 2.0
_SLACK = 8
"""A server is loaded well above another with more than `_UNEVEN` times its requests and `_SLACK` more."""


class ServerRuntime(Runtime, Protocol):
    """A runtime whose server, at ``address``, may go away and come back."""

    address: str

    async def probe(self) -> str:
        """The name of the model that the server serves at the moment, as in its capabilities.

        Raises:
            RuntimeFailure: it does not answer.
        """
        ...


_Method: TypeAlias = Callable[[ServerRuntime], Callable[[Sequence[Any], Deliver], Awaitable[None]]]


@dataclass(slots=True, eq=False)
class _Member:
    """A server; ``failures`` in a row, and whether it is ``opened``, ``up``, and being looked at."""

    runtime: ServerRuntime
    load: int = 0
    failures: int = 0
    opened: bool = False
    up: bool = False
    being_probed: bool = False
    probed_at: float = -math.inf


@dataclass(slots=True, eq=False)
class _Call:
    """One call of `generate` or `score`: how to send, whom to tell, and how often each request has moved."""

    method: _Method
    deliver: Deliver
    tasks: TaskGroup
    moves: Counter[Request] = field(default_factory=Counter)


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
        self._waiting: dict[Request, Deliver] = {}
        self._back = anyio.Event()
        self._watched = False

    def __repr__(self) -> str:
        return f"RuntimePool({[member.runtime for member in self._members]})"

    async def _open(self) -> Capabilities:
        """Open every server that answers; one is enough.

        Raises:
            RuntimeGone: none answers, one cannot be used at all, or they serve different models.
        """
        async with AsyncExitStack() as stack:
            stack.callback(self._forget)
            failure: Exception | None = None
            for member in self._members:
                try:
                    with anyio.fail_after(_LONGEST_OPENING_SECONDS):
                        await self._bring_up(member, stack)
                except (RetryableError, TimeoutError) as error:
                    failure = error
                    if len(self._members) > 1:
                        _log.warning("%s is not there: %s; it is used when it is", member.runtime.address, error)
            live = [member.runtime.capabilities for member in self._members if member.up]
            if not live:
                raise RuntimeGone(str(failure)) from failure
            self._stack = stack.pop_all()
        return replace(
            live[0],
            honours_seeds=all(one.honours_seeds for one in live),
            aborts=all(one.aborts for one in live),
            largest_batch=live[0].largest_batch * len(self._members),
            kv_tokens=None if live[0].kv_tokens is None else live[0].kv_tokens * len(self._members),
        )

    async def _close(self) -> None:
        await self._stack.aclose()

    def _forget(self) -> None:
        self._model = None
        for member in self._members:
            member.up = member.opened = False
            member.failures = 0

    async def _bring_up(self, member: _Member, stack: AsyncExitStack) -> None:
        """Use a server from now on, if it answers and serves what the others do."""
        member.probed_at = anyio.current_time()
        if member.opened:
            model = await member.runtime.probe()
        else:
            await stack.enter_async_context(member.runtime)
            member.opened = True
            model = member.runtime.capabilities.model
        self._model = self._model or model
        if model != self._model:
            raise RuntimeGone(f"the servers serve different models: {self._model}, {model} ({member.runtime.address})")
        member.up = True
        member.failures = 0
        self._back.set()
        self._back = anyio.Event()

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
                if member.opened:
                    tasks.start_soon(member.runtime.abort, requests)

    async def load(self) -> Load | None:
        """See `runtimes.base.ReportsLoad.load`: of all servers that are up, None if one does not say."""
        running = waiting = 0
        for member in self._members:
            if member.up:
                try:
                    load = await member.runtime.load() if isinstance(member.runtime, ReportsLoad) else None
                except ServerUnreachable:
                    continue  # which its requests will find, too
                if load is None:
                    return None
                running, waiting = running + load.running, waiting + load.waiting
        return Load(running, waiting)

    def apply_chat_template(self, messages: Sequence[Mapping[str, str]]) -> ChatPrompt | None:
        """See `runtimes.base.AppliesChatTemplate`: that of a server that is open, None if its template is not known."""
        for member in self._members:
            if member.opened and isinstance(member.runtime, AppliesChatTemplate):
                return member.runtime.apply_chat_template(messages)
        return None

    async def _serve(self, requests: Sequence[Request], deliver: Deliver, method: _Method) -> None:
        """Send requests to their servers, and look after servers that are down meanwhile."""
        if self._capabilities is None:
            raise RuntimeGone(f"{self!r} is not open: use 'async with'")
        done = anyio.Event()
        async with anyio.create_task_group() as watching:
            if not self._watched and not all(member.up for member in self._members):
                watching.start_soon(self._watch, done)
            async with anyio.create_task_group() as tasks:
                await self._send(requests, _Call(method, deliver, tasks))
            done.set()

    async def _send(self, requests: Sequence[Request], call: _Call) -> None:
        """Send requests to their servers, as soon as there is one."""
        if not self._any_up():
            requests = await self._wait_for_a_server(requests, call.deliver)
        groups: dict[_Member, list[Request]] = {}
        for request in requests:
            member = self._member_for(request)
            member.load += 1
            groups.setdefault(member, []).append(request)
        for member, group in groups.items():
            call.tasks.start_soon(self._send_to, member, group, call)

    async def _send_to(self, member: _Member, requests: Sequence[Request], call: _Call) -> None:
        left = dict.fromkeys(requests)

        def relay(request: Request, outcome: Result | RuntimeFailure) -> None:
            if request not in left:
                return
            del left[request]
            member.load -= 1
            self._note(member, request, outcome)
            if isinstance(outcome, ServerUnreachable) and call.moves[request] < _MOST_MOVES:
                call.moves[request] += 1
                self._waiting[request] = call.deliver
                call.tasks.start_soon(self._send_again, request, call)
            else:
                call.deliver(request, outcome)

        try:
            await call.method(member.runtime)(requests, relay)
        except RuntimeFailure as failure:
            for request in tuple(left):
                relay(request, failure_concerning(failure, request))
        finally:
            member.load -= len(left)

    async def _send_again(self, request: Request, call: _Call) -> None:
        if self._waiting.pop(request, None) is not None:  # else it was aborted
            await self._send([request], call)

    def _note(self, member: _Member, request: Request, outcome: Result | RuntimeFailure) -> None:
        """Leave a server out that cannot be reached, or that fails again and again."""
        if not isinstance(outcome, RetryableError):
            member.failures = 0
            return
        *_, root = request.prefix.segments()
        self._homes.pop(root, None)  # the next attempt may go elsewhere
        member.failures += 1
        unreachable = isinstance(outcome, ServerUnreachable)
        if member.up and (unreachable or member.failures >= _MOST_FAILURES):
            member.up = False
            what = "cannot be reached" if unreachable else "fails again and again"
            waits = f"its work waits, for {self._patience_seconds:g} s at most"
            moves = "its work moves to other servers" if self._any_up() else waits
            _log.warning("%s %s; %s", member.runtime.address, what, moves)

    def _any_up(self) -> bool:
        return any(member.up for member in self._members)

    def _member_for(self, request: Request) -> _Member:
        """Where a request goes: where its problem is at home, unless that server is gone or far busier."""
        *_, root = request.prefix.segments()
        live = [member for member in self._members if member.up]
        idlest = min(live, key=lambda member: (member.failures, member.load))
        home = self._homes.get(root)
        if home is None or not home.up or home.load > _UNEVEN * idlest.load + _SLACK:
            home = self._homes[root] = idlest
        return home

    async def _wait_for_a_server(self, requests: Sequence[Request], deliver: Deliver) -> Sequence[Request]:
        """Wait until a server is up, and return what is to be sent then: nothing if none is for too long."""
        self._waiting.update(dict.fromkeys(requests, deliver))
        try:
            with anyio.move_on_after(self._patience_seconds):
                while not self._any_up():  # it may be gone again by the time that the probing has ended
                    async with anyio.create_task_group() as tasks:
                        tasks.start_soon(self._probe_for_ever)
                        await self._back.wait()
                        tasks.cancel_scope.cancel()
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
        """Probe what is down until somebody's requests are done. One call at a time does so for all."""
        self._watched = True
        try:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(self._probe_for_ever)
                await done.wait()
                tasks.cancel_scope.cancel()
        finally:
            self._watched = False

    async def _probe_for_ever(self) -> None:
        """Probe each server that is down, when it is time, beside the others."""
        async with anyio.create_task_group() as tasks:
            while True:
                latest = anyio.current_time() - self._probe_seconds
                for member in self._members:
                    if not (member.up or member.being_probed) and member.probed_at <= latest:
                        member.being_probed = True
                        tasks.start_soon(self._probe, member)
                await anyio.sleep(self._probe_seconds)

    async def _probe(self, member: _Member) -> None:
        try:
            # To open a server takes longer than many a call that would break it off.
            with suppress(RuntimeFailure), anyio.move_on_after(_LONGEST_PROBE_SECONDS, shield=not member.opened):
                await self._bring_up(member, self._stack)
                _log.warning("%s is back", member.runtime.address)
        finally:
            member.being_probed = False
