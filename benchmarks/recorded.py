"""A runtime that keeps what it is asked for."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from types import TracebackType
from typing import Self

from runtimes.base import (
    Capabilities,
    Deliver,
    GenerateRequest,
    GenerateResult,
    Load,
    ReportsLoad,
    Request,
    Result,
    Runtime,
    RuntimeFailure,
    ScoreRequest,
    ScoreResult,
)

__all__ = ["Recorded"]


class Recorded:
    """Keeps what was ``generated``, with how many tokens that took, and what was ``scored``, by another runtime."""

    def __init__(self, runtime: Runtime) -> None:
        self.generated: list[tuple[GenerateRequest, int]] = []
        self.scored: list[ScoreRequest] = []
        self._runtime = runtime

    @property
    def capabilities(self) -> Capabilities:
        """See `runtimes.base.Runtime.capabilities`."""
        return self._runtime.capabilities

    async def __aenter__(self) -> Self:
        await self._runtime.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self._runtime.__aexit__(kind, error, traceback)

    async def generate(self, requests: Sequence[GenerateRequest], deliver: Deliver) -> None:
        """See `runtimes.base.Runtime.generate`."""
        await self._runtime.generate(requests, partial(self._note, deliver))

    async def score(self, requests: Sequence[ScoreRequest], deliver: Deliver) -> None:
        """See `runtimes.base.Runtime.score`."""
        await self._runtime.score(requests, partial(self._note, deliver))

    async def abort(self, requests: Sequence[Request]) -> None:
        """See `runtimes.base.Runtime.abort`."""
        await self._runtime.abort(requests)

    async def load(self) -> Load | None:
        """See `runtimes.base.ReportsLoad.load`."""
        return await self._runtime.load() if isinstance(self._runtime, ReportsLoad) else None

    def _note(self, deliver: Deliver, request: Request, outcome: Result | RuntimeFailure) -> None:
        if isinstance(outcome, GenerateResult) and isinstance(request, GenerateRequest):
            self.generated.append((request, outcome.usage.generated_tokens))
        elif isinstance(outcome, ScoreResult) and isinstance(request, ScoreRequest):
            self.scored.append(request)
        deliver(request, outcome)
