"""Continuous batching on the event loop's clock: when a server is done with what."""

from __future__ import annotations

import asyncio
import heapq
import itertools
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from runtimes.base import Load, Prefix
from runtimes.simulated.cache import PrefixCache

__all__ = ["Batching", "Job", "ServerModel"]

_TINY = 1e-9
"""Of a decode step: what rounding leaves."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerModel:
    """How long things take, in seconds.

    One decode step of a batch of n sequences takes ``step_seconds + n * sequence_seconds``. Prompts that are admitted
    together are computed in a pass of their own, for which the others wait: ``pass_seconds``, and ``prefill_seconds``
    for each of their tokens that is not cached. At most ``rows`` sequences are decoded at a time, and the tokens of all
    of them, prompts and what is cached included, are at most ``kv_tokens``, where that is not None; the others wait.
    """

    step_seconds: float = 0.01
    sequence_seconds: float = 0.0001
    pass_seconds: float = 0.01
    prefill_seconds: float = 0.00001
    rows: int = 64
    kv_tokens: int | None = None


@dataclass(slots=True, eq=False)
class Job:
    """A sequence: ``steps`` tokens behind a prefix. ``end`` tells when it is done, by then ``written``.

    ``prompt_tokens`` and ``cached_tokens`` of them are known once it is ``admitted``, ``begun`` after so many steps of
    the server's.
    """

    prefix: Prefix
    steps: int
    end: Callable[[], None]
    written: Prefix | None = None
    prompt_tokens: int = 0
    cached_tokens: int = 0
    begun: float = 0.0
    admitted: bool = False
    ended: bool = False


class Batching:
    """Works on jobs, first come first served, and ends each at its time."""

    def __init__(self, model: ServerModel) -> None:
        self._model = model
        self._cache = PrefixCache(model.kv_tokens)
        self._waiting: deque[Job] = deque()
        # The step of the server at which each sequence is done, counted from the beginning of time.
        self._batch: list[tuple[float, int, Job]] = []
        self._steps = 0.0
        self._since = 0.0
        self._live = 0
        self._numbers = itertools.count()
        self._timer: asyncio.Handle | None = None
        self._woken = False

    @property
    def load(self) -> Load:
        """Jobs that are being worked on, and those that are not yet."""
        return Load(self._live, len(self._waiting))

    def remember(self, prefix: Prefix) -> None:
        """Hold a prefix without computing it."""
        self._cache.remember(prefix)

    def submit(self, job: Job) -> None:
        """Work on a job when its turn comes."""
        self._waiting.append(job)
        self._wake()

    def abandon(self, job: Job) -> int:
        """Stop working on a job, if that is still done, and say how many steps it has had."""
        if job.ended:
            return 0
        self._advance()
        job.written = None
        self._leave(job)
        self._wake()
        return int(self._steps - job.begun) if job.admitted else 0

    def _wake(self) -> None:
        """Look at what there is when all that comes at this moment is there."""
        if not self._woken:
            self._woken = True
            asyncio.get_running_loop().call_soon(self._go_on)

    def _advance(self) -> None:
        now = asyncio.get_running_loop().time()
        if now > self._since:
            if self._live:
                self._steps += (now - self._since) / self._pace
            self._since = now

    @property
    def _pace(self) -> float:
        return self._model.step_seconds + self._live * self._model.sequence_seconds

    def _go_on(self) -> None:
        """End what is done, admit what there is room for, and come back when there is something to do."""
        self._woken = False
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._advance()
        loop = asyncio.get_running_loop()
        if self._since <= loop.time():  # or prompts are being computed
            while self._batch and (self._batch[0][2].ended or self._batch[0][0] <= self._steps + _TINY):
                _, _, job = heapq.heappop(self._batch)
                if not job.ended:
                    self._leave(job)
                    job.end()
            self._admit()
        if self._since > loop.time():
            self._timer = loop.call_at(self._since, self._go_on)
        elif self._batch:
            self._timer = loop.call_at(self._since + (self._batch[0][0] - self._steps) * self._pace, self._go_on)

    def _admit(self) -> None:
        new_tokens = admitted = 0
        while self._waiting and self._live < self._model.rows:
            job = self._waiting[0]
            if not job.ended:
                job.prompt_tokens, job.cached_tokens = self._cache.count(job.prefix)
                if not self._cache.hold(job.prefix, job.steps):
                    break
                job.admitted = True
                job.begun = self._steps
                self._live += 1
                admitted += 1
                new_tokens += job.prompt_tokens - job.cached_tokens
                heapq.heappush(self._batch, (self._steps + job.steps, next(self._numbers), job))
            self._waiting.popleft()
        if admitted:
            self._since += self._model.pass_seconds + new_tokens * self._model.prefill_seconds

    def _leave(self, job: Job) -> None:
        job.ended = True
        if job.admitted:
            self._live -= 1
            self._cache.release(job.prefix, job.steps, job.written)
