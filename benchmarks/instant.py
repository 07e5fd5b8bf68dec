"""A runtime that answers at once, so that what is left is the framework itself."""

from __future__ import annotations

import random
from collections.abc import Sequence
from types import TracebackType
from typing import Self
from zlib import crc32

from runtimes.base import (
    Capabilities,
    Deliver,
    FinishReason,
    GenerateRequest,
    GenerateResult,
    Request,
    ScoreRequest,
    ScoreResult,
    Usage,
)

__all__ = ["InstantRuntime", "step_texts"]

_TEXTS = 5000
_GENERATED = Usage(prompt_tokens=200, cached_tokens=180, generated_tokens=40)
_SCORED = Usage(prompt_tokens=245, cached_tokens=200)


def step_texts() -> list[str]:
    """Steps of the bundled policy's kind, all of the same length."""
    source = random.Random(0)
    pairs = [(source.randrange(100, 500), source.randrange(100, 500)) for _ in range(_TEXTS)]
    return [f"Step {first % 9 + 1}: {first} + {second} = {first + second}\n" for first, second in pairs]


class InstantRuntime:
    """Writes steps it has at hand: solutions of two or three steps, in equal parts, drawn by the seeds alone."""

    def __init__(self, *, largest_batch: int = 256) -> None:
        self.capabilities = Capabilities(
            model="instant", honours_seeds=True, aborts=False, largest_batch=largest_batch, reward_format="lines"
        )
        self._texts = step_texts()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        pass

    async def generate(self, requests: Sequence[GenerateRequest], deliver: Deliver) -> None:
        """See `runtimes.base.Runtime.generate`."""
        for request in requests:
            text, finish = self._texts[request.seed % _TEXTS], FinishReason.STOP
            second = request.stop == ("Step 3",)
            if request.stop == ("Step 4",) or (second and request.seed >> 40 & 1):
                text, finish = f"The answer is: {request.seed >> 41 & 7}", FinishReason.END
            deliver(request, GenerateResult(prefix=request.prefix.extend(text), finish=finish, usage=_GENERATED))

    async def score(self, requests: Sequence[ScoreRequest], deliver: Deliver) -> None:
        """See `runtimes.base.Runtime.score`."""
        for request in requests:
            scores = tuple((crc32(prefix.text.encode()) & 0xFFFF) / 0xFFFF for prefix in request.reads)
            deliver(request, ScoreResult(scores=scores, usage=_SCORED))

    async def abort(self, requests: Sequence[Request]) -> None:
        """See `runtimes.base.Runtime.abort`."""
