"""A seeded model of a server: latency, continuous batching and faults, for tests and benchmarks.

It writes solutions in steps that no model has thought of. What it writes and how it scores depends on texts
and seeds alone; when it answers depends on what else it is doing. Run it on a `runtimes.virtual_clock`.
"""

from __future__ import annotations

import heapq
import itertools
import random
import weakref
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, replace
from hashlib import blake2b
from types import TracebackType
from typing import Self

import anyio

from runtimes.base import (
    Capabilities,
    Deliver,
    FinishReason,
    GenerateRequest,
    GenerateResult,
    Prefix,
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

__all__ = ["Faults", "ServerModel", "SimulatedRuntime"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerModel:
    """How long things take, in seconds, and how solutions look.

    One decode step of a batch of n sequences takes ``step_seconds + n * sequence_seconds``, and every prompt
    token that is not cached delays the batch by ``prefill_seconds``. At most ``rows`` sequences are decoded
    at a time; the others wait. A step has a log-normal number of tokens with median ``median_step_tokens``,
    and a solution ``shortest`` to ``longest`` steps.
    """

    step_seconds: float = 0.01
    sequence_seconds: float = 0.0001
    prefill_seconds: float = 0.00001
    rows: int = 64
    median_step_tokens: float = 20.0
    spread: float = 0.6
    shortest: int = 2
    longest: int = 7
    answers: int = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Faults:
    """How often a request goes wrong; each is a probability in [0, 1].

    ``retryable`` and ``lost`` (no outcome at all) are drawn at each attempt, ``rejected`` once per request.
    """

    retryable: float = 0.0
    lost: float = 0.0
    rejected: float = 0.0


@dataclass(slots=True, eq=False)
class _Call:
    """One call of `generate` or `score`, and how many of its requests are still to be delivered."""

    deliver: Deliver
    left: int


@dataclass(slots=True, eq=False)
class _Work:
    """A request being worked on: what it takes, in decode steps, and what will come of it (None: nothing)."""

    request: Request
    call: _Call
    steps: float
    outcome: Result | RuntimeFailure | None
    ended: bool = False
    in_batch: bool = False
    begun: float = 0.0


class SimulatedRuntime:
    """Generates and scores like a server would, without a model.

    ``calls`` counts attempts per kind of request; ``peak`` is the most requests it had at a time.
    """

    def __init__(
        self, *, seed: int = 0, server: ServerModel = ServerModel(), faults: Faults = Faults(), aborts: bool = True
    ) -> None:
        self.capabilities = Capabilities(
            model=f"simulated-math-shepherd-{seed}", honours_seeds=True, aborts=aborts, largest_batch=server.rows
        )
        self.peak = 0
        self.attempts = 0
        self._seed = seed
        self._server = server
        self._faults = faults
        self._faulty = random.Random(seed)
        self._work: dict[Request, _Work] = {}
        self._waiting: deque[_Work] = deque()
        # Decode steps at which each sequence of the batch will be done, counted from the beginning of time.
        self._batch: list[tuple[float, int, _Work]] = []
        self._progress = 0.0
        self._live = 0  # sequences of the batch that have not ended
        self._numbers = itertools.count()
        self._arrived = anyio.Event()
        self._turn = anyio.Lock()
        self._digests: weakref.WeakKeyDictionary[Prefix, bytes] = weakref.WeakKeyDictionary()
        self._seen: weakref.WeakSet[Prefix] = weakref.WeakSet()

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
            if (work := self._work.get(request)) is not None:
                self._end(work, RequestAborted("aborted", request=request, usage=self._usage_so_far(work)))
        self._arrived.set()

    async def _serve(self, requests: Sequence[Request], deliver: Deliver) -> None:
        call = _Call(deliver, len(requests))
        for request in requests:
            work = self._work[request] = self._begin(request, call)
            self._waiting.append(work)
        self.peak = max(self.peak, len(self._work))
        self._arrived.set()
        try:
            async with self._turn:
                while call.left:
                    await self._advance()
        finally:
            for request in requests:
                # One that failed may have been sent again, in another call, while this one went on.
                work_left = self._work.get(request)
                if work_left is not None and work_left.call is call:
                    self._leave(work_left)
                    del self._work[request]

    async def _advance(self) -> None:
        """Let time pass until something is done or something arrives."""
        while self._batch and self._batch[0][2].ended:
            heapq.heappop(self._batch)
        while self._waiting and self._live < self._server.rows:
            work = self._waiting.popleft()
            if not work.ended:
                work.in_batch = True
                work.begun = self._progress
                self._live += 1
                heapq.heappush(self._batch, (self._progress + work.steps, next(self._numbers), work))
        if not self._batch:
            return
        pace = self._server.step_seconds + self._live * self._server.sequence_seconds
        next_end = self._batch[0][0]
        self._arrived = anyio.Event()
        begun = anyio.current_time()
        with anyio.move_on_after((next_end - self._progress) * pace) as waiting:
            await self._arrived.wait()
        if waiting.cancelled_caught:
            self._progress = next_end
        else:
            self._progress += (anyio.current_time() - begun) / pace
        while self._batch and self._batch[0][0] <= self._progress:
            _, _, work = heapq.heappop(self._batch)
            if not work.ended:
                self._end(work, work.outcome)

    def _usage_so_far(self, work: _Work) -> Usage:
        """What a request has taken that is not done."""
        if not work.in_batch or not isinstance(work.outcome, (GenerateResult, ScoreResult)):
            return Usage()
        drawn = min(work.outcome.usage.generated_tokens, int(self._progress - work.begun))
        return replace(work.outcome.usage, generated_tokens=drawn)

    def _leave(self, work: _Work) -> None:
        work.ended = True
        self._live -= work.in_batch

    def _end(self, work: _Work, outcome: Result | RuntimeFailure | None) -> None:
        self._leave(work)
        work.call.left -= 1
        del self._work[work.request]
        if outcome is not None:
            work.call.deliver(work.request, outcome)

    def _begin(self, request: Request, call: _Call) -> _Work:
        self.attempts += 1
        fault = self._fault(request)
        if fault is not None or self._faulty.random() < self._faults.lost:
            return _Work(request, call, 1.0, fault)
        outcome = self._write(request) if isinstance(request, GenerateRequest) else self._judge(request)
        steps = max(outcome.usage.generated_tokens, 1)
        new_tokens = outcome.usage.prompt_tokens - outcome.usage.cached_tokens
        prefill = new_tokens * self._server.prefill_seconds / self._server.step_seconds
        return _Work(request, call, steps + prefill, outcome)

    def _fault(self, request: Request) -> RuntimeFailure | None:
        if self._chance("rejected", request) < self._faults.rejected:
            return RequestRejected("simulated rejection", request=request)
        if self._faulty.random() < self._faults.retryable:
            return RetryableError("simulated fault", request=request)
        return None

    def _write(self, request: GenerateRequest) -> GenerateResult:
        """Write one step, or all that are left where there is no stop string."""
        source = self._source("write", request)
        text, tokens = "", 0
        done = sum(segment.text.count("Step ") for segment in request.prefix.segments() if segment.parent)
        finish = FinishReason.LENGTH
        while tokens < request.max_new_tokens:
            done += 1
            length = max(1, round(source.lognormvariate(0, self._server.spread) * self._server.median_step_tokens))
            tokens += length
            text += f"Step {done}: {source.getrandbits(32):08x}\n"
            last = done >= self._server.longest or (
                done >= self._server.shortest and source.random() < 1 / (self._server.longest - self._server.shortest)
            )
            if last:
                text += f"The answer is: {source.randrange(self._server.answers)}"
            if last or request.stop:
                finish = FinishReason.END if last else FinishReason.STOP
                break
        if tokens >= request.max_new_tokens:
            tokens, finish = request.max_new_tokens, FinishReason.LENGTH
        prompt, cached = self._prompt_tokens(request.prefix)
        return GenerateResult(
            prefix=request.prefix.extend(text),
            finish=finish,
            usage=Usage(prompt_tokens=prompt, cached_tokens=cached, generated_tokens=tokens),
        )

    def _judge(self, request: ScoreRequest) -> ScoreResult:
        prompt, cached = self._prompt_tokens(request.prefix)
        scores = tuple(random.Random(b"score" + self._digest(prefix)).random() for prefix in request.reads)
        return ScoreResult(scores=scores, usage=Usage(prompt_tokens=prompt, cached_tokens=cached))

    def _source(self, purpose: str, request: GenerateRequest) -> random.Random:
        drawn = request.seed if request.temperature > 0 else 0
        return random.Random(purpose.encode() + self._digest(request.prefix) + drawn.to_bytes(8, "big"))

    def _chance(self, purpose: str, request: Request) -> float:
        seed = request.seed if isinstance(request, GenerateRequest) else len(request.reads)
        return random.Random(purpose.encode() + self._digest(request.prefix) + seed.to_bytes(8, "big")).random()

    def _digest(self, prefix: Prefix) -> bytes:
        """A hash of a prefix's whole text, made from its parent's."""
        known = self._digests.get(prefix)
        if known is None:
            before = self._digest(prefix.parent) if prefix.parent is not None else self._seed.to_bytes(8, "big")
            known = self._digests[prefix] = blake2b(before + prefix.text.encode(), digest_size=16).digest()
        return known

    def _prompt_tokens(self, prefix: Prefix) -> tuple[int, int]:
        """Tokens of a prefix, four characters each, and those of segments it has seen before."""
        total = cached = 0
        for segment in prefix.segments():
            tokens = len(segment.text) // 4 + 1
            total += tokens
            cached += tokens * (segment in self._seen)
            self._seen.add(segment)
        return total, min(cached, total - 1)
