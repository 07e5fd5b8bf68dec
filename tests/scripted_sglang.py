"""A server on loopback that speaks SGLang's native API without a model, and fails as it is told to.

What it writes and scores depends on token ids and seeds alone.
"""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from hashlib import blake2b
from pathlib import Path
from typing import Any

import orjson
from aiohttp import web
from transformers import AutoTokenizer, PreTrainedTokenizerBase

CONTEXT_LENGTH = 512
PROMPT_LIMIT = 506
Fault = Callable[[Any], Awaitable[web.StreamResponse | None]]
"""Given the answer that should be sent, gives another; None breaks the connection."""


def json_answer(value: Any, status: int = 200) -> web.Response:
    return web.Response(body=orjson.dumps(value), status=status, content_type="application/json")


def answering(make: Callable[[Any], web.Response | None]) -> Fault:
    async def fault(answer: Any) -> web.Response | None:
        return make(answer)

    return fault


def without(name: str) -> Fault:
    """The answer lacks a field of ``meta_info``."""

    def make(answer: Any) -> web.Response:
        for one in answer if isinstance(answer, list) else [answer]:
            one["meta_info"].pop(name, None)
        return json_answer(answer)

    return answering(make)


def not_a_number(answer: Any) -> web.Response:
    """A number became NaN, which Python's json module writes and no JSON parser has to read."""
    return web.Response(body=orjson.dumps(answer).replace(b":1", b":NaN1", 1).replace(b"-", b"NaN-", 1))


def null_score(answer: Any) -> web.Response:
    for one in answer if isinstance(answer, list) else [answer]:
        for row in one["meta_info"].get("output_token_ids_logprobs", ()):
            row[0][0] = None
        one["meta_info"]["completion_tokens"] = None
    return json_answer(answer)


async def hang(_: Any) -> web.Response:
    await asyncio.sleep(5)  # longer than any deadline in the tests
    return web.Response()


FAULTS: dict[str, Fault] = {
    "reset": answering(lambda _: None),
    "500": answering(lambda _: web.Response(status=500, text="Internal Server Error")),
    "503": answering(lambda _: json_answer({"error": {"message": "overloaded"}}, 503)),
    "429": answering(lambda _: json_answer({"object": "error", "message": "too many"}, 429)),
    "truncated": answering(lambda answer: web.Response(body=orjson.dumps(answer)[:-7])),
    "wrong": answering(lambda _: json_answer({"hello": "world"})),
    "empty list": answering(lambda _: json_answer([])),
    "nothing": answering(lambda _: web.Response()),
    "html": answering(lambda _: web.Response(text="<html>502 Bad Gateway</html>", content_type="text/html")),
    "error in 200": answering(lambda _: json_answer({"error": {"message": "lost it", "code": 500}})),
    "no counts": without("prompt_tokens"),
    "no score": without("output_token_ids_logprobs"),
    "not a number": answering(not_a_number),
    "null": answering(null_score),
    "hang": hang,
}


@dataclass(eq=False)
class ScriptedServer:
    """``share`` of the calls that ask for something fail, in every way of ``faults``, drawn from a seed.

    The same request fails ``most_failures`` times at most. An ``is_router`` has what an
    sglang-router 0.3 has of the API.
    By the other protocol the server belongs to ``owner``, and says in ``stop_field`` what a text ended with.

    ``calls`` counts answers given by kind; ``prompts`` is what was asked for, ``seeds`` are those of the draws, and
    ``aborted`` the rids. With ``held`` set, generations are not answered before it is cleared, or before they are
    aborted.
    """

    model: Path
    share: float = 0.0
    faults: dict[str, Fault] = field(default_factory=lambda: dict(FAULTS))
    seed: int = 0
    reject: Callable[[list[int]], bool] = lambda _: False
    asked: int = 0
    seeds: list[int] = field(default_factory=list)
    calls: Counter[str] = field(default_factory=Counter)
    prompts: list[list[int]] = field(default_factory=list)
    batches: list[int] = field(default_factory=list)
    aborted: list[str] = field(default_factory=list)
    most_failures: float = 4
    is_router: bool = False
    stop_field: str | None = "matched_stop"
    owner: str = "vllm"
    address: str = ""
    held: bool = False
    running: dict[str, asyncio.Event] = field(default_factory=dict)
    connections: dict[str, asyncio.Transport | None] = field(default_factory=dict)
    cached: set[tuple[int, ...]] = field(default_factory=set)
    failed: Counter[bytes] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        self.tokenizer: PreTrainedTokenizerBase = AutoTokenizer.from_pretrained(self.model)
        self._source = random.Random(self.seed)

    @asynccontextmanager
    async def serve(self, port: int = 0) -> AsyncIterator[ScriptedServer]:
        """Listen on loopback for as long as the block runs."""
        application = web.Application(client_max_size=1 << 26)
        application.router.add_post("/generate", self._generate)
        if self.is_router:
            application.router.add_get("/get_model_info", self._model_info)
        else:
            application.router.add_get("/model_info", self._model_info)
            application.router.add_get("/server_info", self._server_info)
            application.router.add_get("/v1/loads", self._loads)
            application.router.add_post("/abort_request", self._abort)
        application.router.add_get("/v1/models", self._models)
        application.router.add_post("/v1/completions", self._completions)
        runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.2, handler_cancellation=True)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", port, reuse_address=True)
        await site.start()
        self.address = f"http://127.0.0.1:{site._server.sockets[0].getsockname()[1]}"  # type: ignore[union-attr]
        try:
            yield self
        finally:
            await runner.cleanup()

    async def _model_info(self, _: web.Request) -> web.Response:
        self.asked += 1
        names = {"model_path": str(self.model), "tokenizer_path": str(self.model)}
        return json_answer({**names, "is_generation": True})

    async def _server_info(self, _: web.Request) -> web.Response:
        return json_answer({"max_req_input_len": PROMPT_LIMIT, "enable_deterministic_inference": True})

    async def _loads(self, _: web.Request) -> web.Response:
        return json_answer({"loads": [{"max_running_requests": 64}]})

    async def _abort(self, request: web.Request) -> web.Response:
        rid = orjson.loads(await request.read())["rid"]
        self.aborted.append(rid)
        for name, running in self.running.items():  # as SGLang's scheduler does
            if name.startswith(rid):
                running.set()
        return web.Response()

    async def _generate(self, request: web.Request) -> web.StreamResponse:
        body = orjson.loads(await request.read())
        batch = body["input_ids"] and isinstance(body["input_ids"][0], list)
        texts = body["input_ids"] if batch else [body["input_ids"]]
        self.batches.append(len(texts))
        self.prompts.extend(texts)
        if "sampling_seed" in body["sampling_params"]:
            self.seeds.append(body["sampling_params"]["sampling_seed"])
        for tokens in texts:
            if self.reject(tokens):
                return json_answer({"error": {"message": "one of the texts is bad"}}, 400)
        answers = [self._answer(body, index, tokens) for index, tokens in enumerate(texts)]
        if self.held and not batch and body["sampling_params"]["max_new_tokens"]:
            await self._hold(body["rid"], request)
            answers[0]["meta_info"]["finish_reason"] = {"type": "abort", "message": "Abort by rid"}
        answer = answers if batch else answers[0]
        digest = _digest(texts)
        if self._source.random() < self.share and self.failed[digest] < self.most_failures:
            self.failed[digest] += 1
            kind = self._source.choice(sorted(self.faults))
            self.calls[kind] += 1
            faulty = await self.faults[kind](answer)
            if faulty is None:
                assert request.transport is not None
                request.transport.abort()
                return web.Response()
            return faulty
        self.calls["answered"] += 1
        return json_answer(answer)

    async def _models(self, _: web.Request) -> web.Response:
        return json_answer({"data": [{"id": "scripted", "owned_by": self.owner, "max_model_len": CONTEXT_LENGTH}]})

    async def _completions(self, request: web.Request) -> web.StreamResponse:
        """The same texts and scores by the other protocol, which knows no token ids."""
        body = orjson.loads(await request.read())
        assert body["model"] == "scripted"
        tokens = self.tokenizer.encode(body["prompt"])
        if len(tokens) + body["max_tokens"] > CONTEXT_LENGTH:
            return json_answer({"object": "error", "message": f"the context has {CONTEXT_LENGTH} tokens"}, 400)
        self.prompts.append(tokens)
        choices = []
        used = 0
        for index in range(body.get("n", 1)):
            answer: Any = {"meta_info": {}}
            seed = body.get("seed", len(self.prompts)) + index
            parameters = {**body, "max_new_tokens": body["max_tokens"], "sampling_seed": seed}
            self._write(answer, tokens, parameters)
            reason = answer["meta_info"]["finish_reason"]
            text = str(self.tokenizer.decode(answer["output_ids"], skip_special_tokens=True))
            stop = reason.get("matched")
            choice = {"index": index, "text": text.partition(stop)[0] if isinstance(stop, str) else text}
            if self.stop_field == "stop_reason" and not isinstance(stop, str):
                stop = None  # as vLLM says it of the model's own end
            told = {} if self.stop_field is None else {self.stop_field: stop}
            choices.append({**choice, "finish_reason": reason["type"], **told})
            used += len(answer["output_ids"])
            if "logprobs" in body:
                labels = self.tokenizer.encode("+-")
                (good, *_), (bad, *_) = self._row(tokens, labels)
                choices[-1]["logprobs"] = {"top_logprobs": [{"+": good, "-": bad, "x": -9.0}]}
        usage = {"prompt_tokens": len(tokens), "completion_tokens": used}
        return json_answer({"choices": choices, "usage": usage})

    def break_one(self) -> None:
        """Break the connection of one of the generations that are held."""
        transport = next(iter(self.connections.values()))
        assert transport is not None
        transport.abort()

    async def _hold(self, rid: str, request: web.Request) -> None:
        self.running[rid] = asyncio.Event()
        self.connections[rid] = request.transport
        try:
            await self.running[rid].wait()
        finally:
            del self.running[rid], self.connections[rid]

    def _answer(self, body: Any, index: int, tokens: list[int]) -> Any:
        parameters = body["sampling_params"]
        cached = max((n for n in range(len(tokens)) if tuple(tokens[:n]) in self.cached), default=0)
        self.cached.update(tuple(tokens[: end + 1]) for end in range(len(tokens)))
        usage: dict[str, Any] = {
            "prompt_tokens": len(tokens),
            "cached_tokens": min(cached, len(tokens) - 1),
            "completion_tokens": 0,
            "finish_reason": {"type": "length", "length": 0},
        }
        answer: dict[str, Any] = {"text": "", "output_ids": [], "meta_info": usage}
        if body.get("return_logprob"):
            start = body["logprob_start_len"][index]
            labels = body["token_ids_logprob"][index]
            rows = [self._row(tokens[:end], labels) for end in range(start + 1, len(tokens) + 1)]
            usage["input_token_ids_logprobs"] = [None, *rows[:-1]]
            usage["output_token_ids_logprobs"] = rows[-1:]
        elif parameters["max_new_tokens"]:
            self._write(answer, tokens, parameters)
        return answer

    def _row(self, tokens: list[int], labels: list[int]) -> list[Any]:
        source = random.Random(_digest(tokens))
        return [[-5 * source.random(), label, None] for label in labels]

    def _write(self, answer: Any, tokens: list[int], parameters: Any) -> None:
        # Without a seed every draw is another.
        drawn = parameters.get("sampling_seed", len(self.prompts)) if parameters["temperature"] else 0
        source = random.Random(_digest([*tokens, drawn]))
        done = str(self.tokenizer.decode(tokens)).count("Step ")
        text, last = "", False
        while not last:
            done += 1
            text += f"Step {done}: {source.randrange(1000)}\n"
            last = done >= 5 or (done >= 2 and source.random() < 0.3)
            if last:
                text += f"The answer is: {source.randrange(4)}"
            elif parameters.get("stop"):
                text += parameters["stop"][0]
                break
        ids = self.tokenizer.encode(text)
        reason: dict[str, Any] = {"type": "stop", "matched": (parameters.get("stop") or [None])[0]}
        if last:
            ids.append(self.tokenizer.eos_token_id)
            reason = {"type": "stop", "matched": self.tokenizer.eos_token_id}
        if len(ids) > parameters["max_new_tokens"]:
            ids = ids[: parameters["max_new_tokens"]]
            reason = {"type": "length", "length": len(ids)}
        answer["text"], answer["output_ids"] = text, ids
        answer["meta_info"] |= {"finish_reason": reason, "completion_tokens": len(ids)}


def _digest(tokens: list[Any]) -> bytes:
    return blake2b(orjson.dumps(tokens), digest_size=8).digest()
