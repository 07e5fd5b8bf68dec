"""A runtime: a policy that writes solutions which somebody has recorded."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from random import Random
from types import TracebackType
from typing import Self

import orjson
from runtimes.base import (
    Capabilities,
    Deliver,
    FinishReason,
    GenerateRequest,
    GenerateResult,
    Request,
    RequestRejected,
    RuntimeGone,
    ScoreRequest,
    Usage,
)


class Recorded:
    """Solutions from a file with a JSON object a line: a ``problem`` and its ``solutions``.

    A draw goes on with one of those that begin like what is there. A token of it is a word.
    """

    def __init__(self, file: str) -> None:
        self._file = Path(file)
        self._solutions: dict[str, list[str]] = {}
        self.capabilities = Capabilities(model=self._file.name, honours_seeds=True, aborts=True, largest_batch=256)

    async def __aenter__(self) -> Self:
        try:
            lines = self._file.read_bytes().splitlines()
            self._solutions = {one["problem"]: one["solutions"] for one in map(orjson.loads, lines)}
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise RuntimeGone(f"{self._file}: cannot be read: {error}") from error
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._solutions.clear()

    async def generate(self, requests: Sequence[GenerateRequest], deliver: Deliver) -> None:
        """Nothing is waited for, so every outcome is there at once."""
        for request in requests:
            deliver(request, self._continue(request))

    async def score(self, requests: Sequence[ScoreRequest], deliver: Deliver) -> None:
        """It is a policy only."""
        raise RuntimeGone("recorded solutions have no scores")

    async def abort(self, requests: Sequence[Request]) -> None:
        """Nothing is ever on its way."""

    def _continue(self, request: GenerateRequest) -> GenerateResult | RequestRejected:
        problem, _, written = request.prefix.full_text().partition("\n")
        found = [text[len(written) :] for text in self._solutions.get(problem, []) if text.startswith(written)]
        if not found:
            return RequestRejected(f"no solution is recorded that begins like {written!r}", request=request)
        text = found[0] if request.temperature == 0 else Random(request.seed).choice(found)
        ends = [place for stop in request.stop if (place := text.find(stop)) >= 0]
        finish = FinishReason.STOP if ends else FinishReason.END
        text = text[: min(ends)] if ends else text
        words = len(text.split())
        if words > request.max_new_tokens:
            words, text, finish = 0, "", FinishReason.LENGTH
        return GenerateResult(prefix=request.prefix.extend(text), finish=finish, usage=Usage(generated_tokens=words))
