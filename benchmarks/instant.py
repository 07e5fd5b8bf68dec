"""Models that answer at once, so that what is left is the framework itself: in this process, and as a server.

    python -m benchmarks.instant

The server speaks as much of SGLang's protocol as its client needs, and prints its address.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence
from functools import cache
from types import TracebackType
from typing import Any, Self
from zlib import crc32

import orjson

from asyncsearch.datasets.arithmetic import bundled_model
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

__all__ = ["InstantRuntime", "main"]

_TEXTS = 5000
_GENERATED = Usage(prompt_tokens=200, cached_tokens=180, generated_tokens=40)
_SCORED = Usage(prompt_tokens=245, cached_tokens=200)
_CONTEXT_LENGTH = 4096


@cache
def _texts() -> list[str]:
    """Steps of the bundled policy's kind, all of the same length."""
    source = random.Random(0)
    pairs = [(source.randrange(100, 500), source.randrange(100, 500)) for _ in range(_TEXTS)]
    return [f"Step {first % 9 + 1}: {first} + {second} = {first + second}\n" for first, second in pairs]


def _draw(seed: int, stop: str) -> tuple[str, bool]:
    """A step, and whether it is the last: solutions have two or three, in equal parts, by their seeds alone."""
    if stop == "Step 4" or (stop == "Step 3" and seed >> 20 & 1):
        return f"The answer is: {seed >> 21 & 7}", True
    return _texts()[seed % _TEXTS], False


class InstantRuntime:
    """Writes steps that it has at hand, and scores by checksum."""

    def __init__(self) -> None:
        self.capabilities = Capabilities(model="instant", honours_seeds=True, aborts=False, largest_batch=256)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        pass

    async def generate(self, requests: Sequence[GenerateRequest], deliver: Deliver) -> None:
        """See `runtimes.base.Runtime.generate`."""
        for request in requests:
            text, last = _draw(request.seed, request.stop[0])
            finish = FinishReason.END if last else FinishReason.STOP
            deliver(request, GenerateResult(prefix=request.prefix.extend(text), finish=finish, usage=_GENERATED))

    async def score(self, requests: Sequence[ScoreRequest], deliver: Deliver) -> None:
        """See `runtimes.base.Runtime.score`."""
        for request in requests:
            scores = tuple([(crc32(prefix.text.encode()) & 0xFFFF) / 0xFFFF for prefix in request.reads])
            deliver(request, ScoreResult(scores=scores, usage=_SCORED))

    async def abort(self, requests: Sequence[Request]) -> None:
        """See `runtimes.base.Runtime.abort`."""


class _Connection(asyncio.Protocol):
    """One client's connection: a request at a time, answered as soon as all of it is there."""

    def __init__(self, answers: _Answers) -> None:
        self._answers = answers
        self._received = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._received += data
        head, found, body = self._received.partition(b"\r\n\r\n")
        if not found:
            return
        _, _, length = head.lower().partition(b"content-length:")
        size = int(length.partition(b"\r\n")[0] or 0)
        if len(body) < size:
            return
        self._received = body[size:]
        path = head.split(b" ", 2)[1].decode()
        answer = orjson.dumps(self._answers.to(path, orjson.loads(body[:size]) if size else None))
        assert isinstance(self._transport, asyncio.Transport)
        self._transport.write(
            b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%b" % (len(answer), answer)
        )


class _Answers:
    """What the server says."""

    def __init__(self) -> None:
        from transformers import AutoTokenizer  # noqa: PLC0415 - the runtime in process does without

        self._model = bundled_model("policy")
        tokenizer = AutoTokenizer.from_pretrained(self._model)

        @cache
        def encode(text: str) -> list[int]:
            return list(tokenizer.encode("\n" + text, add_special_tokens=False)[1:])

        self._encode = encode
        for text in _texts():
            for stop in ("Step 2", "Step 3"):
                encode(text + stop)

    def to(self, path: str, body: Any) -> Any:
        """The answer to a request."""
        match path:
            case "/model_info":
                names = {"model_path": str(self._model), "tokenizer_path": str(self._model)}
                return {**names, "is_generation": True}
            case "/server_info":
                return {"context_length": _CONTEXT_LENGTH, "enable_deterministic_inference": True}
            case "/v1/loads":
                return {"loads": [{"max_running_requests": 256}]}
            case "/generate" if "return_logprob" in body:
                fields = ("input_ids", "logprob_start_len", "token_ids_logprob")
                return [self._score(*each) for each in zip(*(body[field] for field in fields), strict=True)]
            case "/generate":
                return self._generate(body["input_ids"], body["sampling_params"])
            case _:
                return {}

    def _generate(self, tokens: list[int], parameters: dict[str, Any]) -> dict[str, Any]:
        ids: list[int] = []
        reason: dict[str, Any] = {"type": "length"}
        if parameters["max_new_tokens"]:
            (stop,) = parameters["stop"]
            text, last = _draw(parameters["sampling_seed"], stop)
            ids = self._encode(text if last else text + stop)
            reason = {"type": "stop", "matched": 0 if last else stop}
        return {
            "text": "",
            "output_ids": ids,
            "meta_info": {
                "finish_reason": reason,
                "prompt_tokens": len(tokens),
                "cached_tokens": len(tokens) - 1,
                "completion_tokens": len(ids),
            },
        }

    @staticmethod
    def _score(tokens: list[int], first: int, labels: list[int]) -> dict[str, Any]:
        good = (crc32(bytes(str(tokens[first - 20 :]), "ascii")) & 0xFFFF) / 0x3FFF
        row = [[-good, labels[0], None], [-1.0, labels[1], None]]
        return {
            "meta_info": {
                "finish_reason": {"type": "length"},
                "prompt_tokens": len(tokens),
                "cached_tokens": first,
                "completion_tokens": 0,
                "input_token_ids_logprobs": [None, *[row] * (len(tokens) - first - 1)],
                "output_token_ids_logprobs": [row],
            }
        }


async def main() -> None:
    """Serve on loopback until ended."""
    answers = _Answers()
    server = await asyncio.get_running_loop().create_server(lambda: _Connection(answers), "127.0.0.1", 0)
    print("http://{}:{}".format(*server.sockets[0].getsockname()), flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main())
