"""The client of one SGLang server."""

from __future__ import annotations

import itertools
import uuid
from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from typing import Any

import anyio
from anyio.abc import TaskGroup

from runtimes.base import (
    Capabilities,
    ChatPrompt,
    Deliver,
    GenerateRequest,
    GenerateResult,
    Load,
    Prefix,
    Request,
    RequestAborted,
    RequestRejected,
    Result,
    RetryableError,
    RuntimeFailure,
    RuntimeGone,
    ScoreRequest,
    ScoreResult,
    ServerUnreachable,
    Usage,
    failure_concerning,
)
from runtimes.http import JsonSession
from runtimes.opening import SharedOpening
from runtimes.sglang.messages import (
    classify_body,
    generate_body,
    label_body,
    read_generation,
    read_head,
    read_labels,
    read_prompt_tokens,
    read_usage,
)
from runtimes.sglang.prefixes import ServerPrefixes
from runtimes.sglang.server import Server, meet_server, read_load

__all__ = ["SglangRuntime"]

_SCORES_PER_CALL = 64
_ABORT_SECONDS = 2.0


@dataclass(slots=True, eq=False)
class _Sent:
    """A request in flight: what the server knows it by, and whether it was given up.

    The scope is that of the task that waits for a generation; scores are asked for together, and read to the end.
    """

    rid: str
    scope: anyio.CancelScope = field(default_factory=anyio.CancelScope)
    given_up: bool = False


@dataclass(slots=True, eq=False)
class _Call:
    """One call of `generate` or `score`: whom it asks, and its requests that are not delivered yet."""

    server: Server
    prefixes: ServerPrefixes
    left: dict[Request, _Sent]
    deliver: Deliver

    def settle(self, request: Request, outcome: Result | RuntimeFailure) -> None:
        """Deliver an outcome, unless there was one."""
        if self.left.pop(request, None) is not None:
            self.deliver(request, outcome)


@dataclass(slots=True, eq=False)
class _Scoring:
    """A score request on its way: its text, the positions of the tags that are read, and what was read so far.

    A head reads one tag at a time, each when those before it have been computed.
    """

    request: ScoreRequest
    tokens: list[int]
    tags: list[int]
    scores: list[float] = field(default_factory=list)
    computed: int = 0


class SglangRuntime(SharedOpening):
    """One SGLang server, unmodified: a policy, or a reward model with token labels or with a head.

    Each generation is a request of its own, so that it is delivered as soon as it ends; score requests that
    come together are sent together. A prefix that several requests continue and that the server has not seen
    is computed once, before them.

    Equal seeds give equal text only on a server that runs with ``--enable-deterministic-inference``;
    ``capabilities.honours_seeds`` says whether it does. A server with a head does not say what it had cached; there
    the cached tokens are those that this client has had computed before.

    Args:
        address: of the server, as ``http://127.0.0.1:30000``.
        tokenizer: directory or hub name; by default what the server names, which must be readable here.
        api_key: of the server.
        largest_batch: requests that are useful in flight; by default what the server runs at a time, where that is more
            than 256 found out from there.
        deadline_seconds: after which an answer is given up.
    """

    def __init__(
        self,
        address: str,
        *,
        tokenizer: str | None = None,
        api_key: str | None = None,
        largest_batch: int | None = None,
        deadline_seconds: float = 600.0,
    ) -> None:
        super().__init__()
        self.address = address
        self._stack = AsyncExitStack()
        self._session = JsonSession(address, api_key=api_key, deadline_seconds=deadline_seconds)
        self._tokenizer = tokenizer
        self._largest_batch = largest_batch
        self._server: Server | None = None
        self._prefixes: ServerPrefixes | None = None
        self._calls: set[_Call] = set()
        self._numbers = itertools.count()
        self._client = uuid.uuid4().hex[:12]

    def __repr__(self) -> str:
        return f"SglangRuntime({self.address!r})"

    async def _open(self) -> Capabilities:
        """Ask the server what it is, and load its tokenizer.

        Raises:
            ServerUnreachable: nobody answers.
            RuntimeGone: what answers is no SGLang server, or its tokenizer cannot be read.
        """
        async with AsyncExitStack() as stack:
            await stack.enter_async_context(self._session)
            self._server = await meet_server(
                self._session, tokenizer=self._tokenizer, largest_batch=self._largest_batch
            )
            self._prefixes = ServerPrefixes(self._session, self._server)
            self._stack = stack.pop_all()
        return self._server.capabilities

    async def _close(self) -> None:
        self._server = self._prefixes = None
        await self._stack.aclose()

    async def probe(self) -> str:
        """See `runtimes.pool.ServerRuntime.probe`."""
        if self._server is None:
            raise RuntimeGone(f"{self!r} is not open: use 'async with'")
        model = await self._session.get(self._server.about)
        return str(model.get("model_path")) if isinstance(model, dict) else ""

    async def generate(self, requests: Sequence[GenerateRequest], deliver: Deliver) -> None:
        """See `runtimes.base.Runtime.generate`."""
        by_prefix: dict[Prefix, list[GenerateRequest]] = {}
        for request in requests:
            by_prefix.setdefault(request.prefix, []).append(request)
        if self._server is not None and self._server.has_head:
            # Sent all the same, it would end the server.
            raise RuntimeGone(f"{self!r} serves a reward model with a head, which generates nothing")
        async with self._call(requests, deliver) as call, anyio.create_task_group() as tasks:
            for prefix, forks in by_prefix.items():
                if len(forks) > 1 and prefix not in call.prefixes:
                    tasks.start_soon(self._generate_forks, forks, call, tasks)
                else:
                    for fork in forks:
                        tasks.start_soon(self._generate_one, fork, 0, call)

    async def score(self, requests: Sequence[ScoreRequest], deliver: Deliver) -> None:
        """See `runtimes.base.Runtime.score`."""
        async with self._call(requests, deliver) as call, anyio.create_task_group() as tasks:
            for begin in range(0, len(requests), _SCORES_PER_CALL):
                tasks.start_soon(self._score_together, requests[begin : begin + _SCORES_PER_CALL], call)

    async def abort(self, requests: Sequence[Request]) -> None:
        """See `runtimes.base.Runtime.abort`."""
        async with anyio.create_task_group() as tasks:
            for call in self._calls:
                for request in requests:
                    if (sent := call.left.get(request)) is not None:
                        sent.given_up = True
                        # What it has cost by then is in the answer, which comes at once where there are aborts.
                        sent.scope.deadline = anyio.current_time() + _ABORT_SECONDS * call.server.capabilities.aborts
                        tasks.start_soon(self._abort, sent)

    async def load(self) -> Load | None:
        """See `runtimes.base.ReportsLoad.load`."""
        if self._server is None or not self._server.capabilities.aborts:  # a router does not say
            return None
        return await read_load(self._session)

    def apply_chat_template(self, messages: Sequence[Mapping[str, str]]) -> ChatPrompt | None:
        """See `runtimes.base.AppliesChatTemplate`: the template of the tokenizer as it can be read here."""
        if self._server is None:
            raise RuntimeGone(f"{self!r} is not open: use 'async with'")
        return self._server.tokens.codec.apply_chat_template(messages)

    @asynccontextmanager
    async def _call(self, requests: Sequence[Request], deliver: Deliver) -> AsyncIterator[_Call]:
        """Own requests for as long as the block runs; what is not delivered by then is aborted."""
        if self._server is None or self._prefixes is None:
            raise RuntimeGone(f"{self!r} is not open: use 'async with'")
        # A server aborts whatever begins with the name it is told, so that names must be equally long.
        sent = {request: _Sent(f"{self._client}-{next(self._numbers):012d}") for request in requests}
        call = _Call(self._server, self._prefixes, sent, deliver)
        self._calls.add(call)
        try:
            yield call
        finally:
            self._calls.discard(call)
            if call.left:
                with anyio.CancelScope(shield=True):
                    async with anyio.create_task_group() as tasks:
                        for left in call.left.values():
                            tasks.start_soon(self._abort, left)

    async def _abort(self, sent: _Sent) -> None:
        # If it fails, the server works on nothing of ours, or ends it by itself.
        with suppress(RuntimeFailure), anyio.move_on_after(_ABORT_SECONDS):
            await self._session.post("/abort_request", {"rid": sent.rid})

    def _fail(self, request: Request, failure: RuntimeFailure, call: _Call) -> None:
        if isinstance(failure, ServerUnreachable):
            call.prefixes.clear()  # when it is back, it remembers nothing
        sent = call.left.get(request)
        if sent is not None and sent.given_up:
            failure = RequestAborted("aborted", usage=failure.usage)
        call.settle(request, failure_concerning(failure, request))

    # Generation.

    async def _generate_forks(self, forks: Sequence[GenerateRequest], call: _Call, tasks: TaskGroup) -> None:
        """Have a prefix computed, then generate all its continuations."""
        computed = await call.prefixes.compute(forks[0].prefix)
        for fork, share in zip(forks, _shares(computed, len(forks)), strict=True):
            tasks.start_soon(self._generate_one, fork, share, call)

    async def _generate_one(self, request: GenerateRequest, extra_tokens: int, call: _Call) -> None:
        if (sent := call.left.get(request)) is None:
            return
        spent = Usage(prompt_tokens=extra_tokens)
        if sent.given_up:
            call.settle(request, RequestAborted("aborted", request=request, usage=spent))
            return
        with sent.scope:
            try:
                result = await self._generation(call.server, request, extra_tokens, sent.rid)
            except RuntimeFailure as failure:
                prompt = max(failure.usage.prompt_tokens, extra_tokens)
                cached = max(failure.usage.cached_tokens - extra_tokens, 0)
                failure.usage = replace(failure.usage, prompt_tokens=prompt, cached_tokens=cached)
                self._fail(request, failure, call)
            else:
                call.prefixes.add([result.prefix])
                call.settle(request, result)
        call.settle(request, RequestAborted("aborted", request=request, usage=spent))

    async def _generation(
        self, server: Server, request: GenerateRequest, extra_tokens: int, rid: str
    ) -> GenerateResult:
        tokens = server.checked(server.tokens.of(request.prefix))
        limit = min(request.max_new_tokens, server.context_length - len(tokens))
        if limit < 1:
            raise RequestRejected(f"max_new_tokens is {limit}")
        seeded = server.capabilities.honours_seeds
        body = generate_body(tokens, request, max_new_tokens=limit, rid=rid, seeded=seeded)
        return read_generation(
            await self._session.post("/generate", body),
            request,
            server.tokens.codec,
            shortened=limit < request.max_new_tokens,
            extra_tokens=extra_tokens,
        )

    # Scores.

    async def _score_together(self, requests: Sequence[ScoreRequest], call: _Call) -> None:
        """Have computed what several of the requests begin with, then send them all at once."""
        scorings: dict[ScoreRequest, _Scoring] = {}
        for request in requests:
            try:
                tokens = call.server.checked(call.server.tokens.of(request.prefix))
                scorings[request] = _Scoring(request, tokens, call.server.tokens.read_positions(request.reads))
            except RuntimeFailure as failure:
                call.settle(request, failure_concerning(failure, request))
        async with anyio.create_task_group() as tasks:

            async def compute(beginning: Prefix, forks: Sequence[ScoreRequest]) -> None:
                computed = await call.prefixes.compute(beginning)
                for fork, share in zip(forks, _shares(computed, len(forks)), strict=True):
                    scorings[fork].computed += share

            for beginning, forks in _common_beginnings([*scorings], call.prefixes).items():
                tasks.start_soon(compute, beginning, forks)
        while left := [scoring for request, scoring in scorings.items() if request in call.left]:
            await self._read_or_split(left, call)

    async def _read_or_split(self, scorings: Sequence[_Scoring], call: _Call) -> None:
        """Read on in one call; where that is refused, each half in one of its own, until a bad request is alone."""
        for scoring in scorings:
            if (sent := call.left.get(scoring.request)) is not None and sent.given_up:
                self._fail_scoring(scoring, RequestAborted("aborted"), call)
        scorings = [scoring for scoring in scorings if scoring.request in call.left]
        if not scorings:
            return
        try:
            answers = await self._ask(scorings, call)
        except RequestRejected as failure:
            if len(scorings) == 1:
                self._fail_scoring(scorings[0], failure, call)
                return
            middle = len(scorings) // 2
            for half in (scorings[:middle], scorings[middle:]):
                await self._read_or_split(half, call)
        except RuntimeFailure as failure:
            for scoring in scorings:
                self._fail_scoring(scoring, failure, call)
        else:
            for scoring, answer in zip(scorings, answers, strict=True):
                self._read(scoring, answer, call)

    async def _ask(self, scorings: Sequence[_Scoring], call: _Call) -> list[Any]:
        """An answer for each: a head is shown a text up to its next tag, otherwise all tags are read at once."""
        rids = [call.left[scoring.request].rid for scoring in scorings]
        if call.server.has_head:
            texts = [scoring.tokens[: scoring.tags[len(scoring.scores)] + 1] for scoring in scorings]
            answers = await self._session.post("/classify", classify_body(texts, rids))
        else:
            body = label_body(
                [scoring.tokens for scoring in scorings],
                [scoring.tags[0] for scoring in scorings],
                [call.server.labels(scoring.request) for scoring in scorings],
                rids,
            )
            answers = await self._session.post("/generate", body)
        if not isinstance(answers, list) or len(answers) != len(scorings):
            raise RetryableError(f"{self.address} did not answer each of {len(scorings)} texts")
        return answers

    def _fail_scoring(self, scoring: _Scoring, failure: RuntimeFailure, call: _Call) -> None:
        """Settle a request with a failure, and with what was computed for it before."""
        told = failure_concerning(failure, scoring.request)
        told.usage = Usage(prompt_tokens=scoring.computed + failure.usage.new_tokens)
        self._fail(scoring.request, told, call)

    def _read(self, scoring: _Scoring, answer: Any, call: _Call) -> None:
        """Take the scores from an answer, and settle the request if those are all."""
        request = scoring.request
        try:
            if call.server.has_head:
                read = request.reads[len(scoring.scores)]
                scoring.scores.append(read_head(answer))
                scoring.computed += read_prompt_tokens(answer) - call.prefixes.tokens_held(read)
            else:
                read = request.prefix
                scoring.scores.extend(
                    read_labels(answer, scoring.tags, len(scoring.tokens), call.server.labels(request))
                )
                prompt_tokens, cached_tokens = read_usage(answer)
                scoring.computed += prompt_tokens - cached_tokens
        except RuntimeFailure as failure:
            self._fail_scoring(scoring, failure, call)
            return
        call.prefixes.add(read.segments())
        if len(scoring.scores) == len(scoring.tags):
            total = len(scoring.tokens)
            cached_tokens = max(total - scoring.computed, 0)
            usage = Usage(prompt_tokens=total, cached_tokens=cached_tokens)
            call.settle(request, ScoreResult(scores=tuple(scoring.scores), usage=usage))


def _common_beginnings(requests: Sequence[ScoreRequest], prefixes: ServerPrefixes) -> dict[Prefix, list[ScoreRequest]]:
    """What several of the requests begin with and the server does not hold, the longest of it, and whose it is."""
    before = {request: [*request.reads[0].segments()][1:] for request in requests}
    counts = Counter(prefix for beginnings in before.values() for prefix in beginnings)
    common: dict[Prefix, list[ScoreRequest]] = {}
    for request, beginnings in before.items():
        beginning = next((prefix for prefix in beginnings if counts[prefix] > 1), None)
        if beginning is not None and beginning not in prefixes:
            common.setdefault(beginning, []).append(request)
    return common


def _shares(tokens: int, count: int) -> list[int]:
    """What each of ``count`` requests pays of tokens computed for them all."""
    each, rest = divmod(tokens, count)
    return [each + (index < rest) for index in range(count)]
