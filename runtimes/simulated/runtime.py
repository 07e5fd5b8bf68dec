"""A seeded model of a server: latency, continuous batching and faults, for tests and benchmarks.

It writes solutions in steps that no model has thought of. What it writes and how it scores depends on texts
and seeds alone; when it answers depends on what else it is doing. Run it on a `runtimes.virtual_clock`.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from runtimes.base import (
    Capabilities,
    Deliver,
    GenerateRequest,
    GenerateResult,
    Load,
    Request,
    RequestAborted,
    RequestRejected,
    Result,
    RetryableError,
    RuntimeFailure,
    ScoreRequest,
    ScoreResult,
    Usage,
)
from runtimes.simulated.batching import Batching, Job, ServerModel
from runtimes.simulated.world import Oracle, World

__all__ = ["Faults", "SimulatedRuntime"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Faults:
    """How often a request goes wrong; each is a probability in [0, 1].

    ``retryable`` and ``lost`` (no outcome at all) are drawn at each attempt, ``rejected`` once per request.
    """

    retryable: float = 0.0
    lost: float = 0.0
    rejected: float = 0.0


class _Call:
    """One call of `generate` or `score`: over when none of its requests is ``left``."""

    def __init__(self, deliver: Deliver, left: int) -> None:
        self.deliver = deliver
        self.left = left
        self.over = asyncio.get_running_loop().create_future()

    def count(self) -> None:
        """One of the requests has ended."""
        self.left -= 1
        if not self.left and not self.over.done():
            self.over.set_result(None)


@dataclass(slots=True, eq=False)
class _Work:
    """A request being worked on, as a job of the server's."""

    request: Request
    call: _Call
    job: Job


class SimulatedRuntime:
    """Generates and scores like a server would, without a model.

    ``attempts`` counts the requests it was sent; ``peak`` is the most that it had at a time.
    """

    def __init__(
        self,
        *,
        seed: int = 0,
        server: ServerModel = ServerModel(),
        world: World = World(),
        faults: Faults = Faults(),
        aborts: bool = True,
    ) -> None:
        self.capabilities = Capabilities(
            model=f"simulated-math-shepherd-{seed}",
            honours_seeds=True,
            aborts=aborts,
            largest_batch=server.rows,
            kv_tokens=server.kv_tokens,
        )
        self.peak = 0
        self.attempts = 0
        self._faults = faults
        self._faulty = random.Random(seed)
        self._oracle = Oracle(world, seed=seed)
        self._batching = Batching(server)
        self._work: dict[Request, _Work] = {}

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        pass

    @property
    def in_flight(self) -> int:
        """Requests that it is working on."""
        return len(self._work)

    def remember(self, requests: Iterable[Request]) -> None:
        """Have their prefixes in the cache, as if it had written and read them before."""
        for request in requests:
            self._batching.remember(request.prefix)

    async def generate(self, requests: Sequence[GenerateRequest], deliver: Deliver) -> None:
        """See `runtimes.base.Runtime.generate`."""
        await self._serve(requests, deliver)

    async def score(self, requests: Sequence[ScoreRequest], deliver: Deliver) -> None:
        """See `runtimes.base.Runtime.score`."""
        await self._serve(requests, deliver)

    async def abort(self, requests: Sequence[Request]) -> None:
        """See `runtimes.base.Runtime.abort`. A server that cannot abort finishes what it has."""
        if not self.capabilities.aborts:
            return
        for request in requests:
            if (work := self._work.pop(request, None)) is not None:
                generated = self._batching.abandon(work.job)
                work.call.deliver(
                    request, RequestAborted("aborted", request=request, usage=_usage(work.job, generated))
                )
                work.call.count()

    async def load(self) -> Load:
        """See `runtimes.base.ReportsLoad.load`."""
        return self._batching.load

    async def _serve(self, requests: Sequence[Request], deliver: Deliver) -> None:
        if not requests:
            return
        call = _Call(deliver, len(requests))
        for request in requests:
            work = self._work[request] = self._begin(request, call)
            self._batching.submit(work.job)
        self.peak = max(self.peak, len(self._work))
        try:
            await call.over
        finally:
            if call.left:
                for request in requests:
                    # One that failed may have been sent again, in another call, while this one went on.
                    left = self._work.get(request)
                    if left is not None and left.call is call:
                        del self._work[request]
                        self._batching.abandon(left.job)

    def _begin(self, request: Request, call: _Call) -> _Work:
        self.attempts += 1
        fault = self._fault(request)
        if fault is not None or self._faulty.random() < self._faults.lost:
            job = Job(request.prefix, 1, lambda: self._end(work, fault))
        elif isinstance(request, ScoreRequest):
            scores = tuple([self._oracle.judge(prefix) for prefix in request.reads])
            job = Job(request.prefix, 0, lambda: self._end(work, ScoreResult(scores=scores, usage=_usage(job, 0))))
        else:
            text, tokens, finish = self._oracle.write(request)
            written = request.prefix.extend(text)

            def end() -> None:
                self._end(work, GenerateResult(prefix=written, finish=finish, usage=_usage(job, tokens)))

            job = Job(request.prefix, tokens, end, written)
        work = _Work(request, call, job)
        return work

    def _fault(self, request: Request) -> RuntimeFailure | None:
        if self._faults.rejected and self._oracle.chance("rejected", request) < self._faults.rejected:
            return RequestRejected("simulated rejection", request=request)
        if self._faulty.random() < self._faults.retryable:
            return RetryableError("simulated fault", request=request)
        return None

    def _end(self, work: _Work, outcome: Result | RuntimeFailure | None) -> None:
        del self._work[work.request]
        if outcome is not None:
            work.call.deliver(work.request, outcome)
        work.call.count()


def _usage(job: Job, generated: int) -> Usage:
    """What a job has taken, which has nothing before it is admitted."""
    return Usage(prompt_tokens=job.prompt_tokens, cached_tokens=job.cached_tokens, generated_tokens=generated)
