"""The client of one SGLang server."""

from __future__ import annotations

import itertools
import uuid
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any
from weakref import WeakSet

import anyio

from runtimes.base import (
    Capabilities,
    Deliver,
    GenerateRequest,
    GenerateResult,
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
    failure_concerning,
)
from runtimes.http import JsonSession
from runtimes.opening import SharedOpening
from runtimes.sglang.messages import (
    classify_body,
    generate_body,
    label_body,
    prefill_body,
    read_generation,
    read_head,
    read_labels,
    read_usage,
)
from runtimes.sglang.server import Server, meet_server

__all__ = ["SglangRuntime"]

_SCORES_PER_CALL = 64
_ABORT_SECONDS = 2.0


@dataclass(slots=True, eq=False)
class _Sent:
    """A request in flight: what the server knows it by, and the scope of the task that waits for it."""

    rids: tuple[str, ...]
    scope: anyio.CancelScope = field(default_factory=anyio.CancelScope)


@dataclass(slots=True, eq=False)
class _Call:
    """One call of `generate` or `score`: its requests that are not delivered yet."""

    left: dict[Request, _Sent]
    deliver: Deliver

    def settle(self, request: Request, outcome: Result | RuntimeFailure) -> None:
        """Deliver an outcome, unless there was one."""
        if self.left.pop(request, None) is not None:
            self.deliver(request, outcome)


@dataclass(frozen=True, slots=True)
class _Scoring:
    """A score request as it is sent: the tokens of its text, and the positions of the tags that are read."""

    request: ScoreRequest
    tokens: list[int]
    tags: list[int]


class SglangRuntime(SharedOpening):
    """One SGLang server, unmodified: a policy, or a reward model with token labels or with a head.

    Each generation is a request of its own, so that it is delivered as soon as it ends; score requests that
    come together are sent together. A prefix that several requests continue and that the server has not seen
    is computed once, before them.

    Equal seeds give equal text only on a server that runs with ``--enable-deterministic-inference``;
    ``capabilities.honours_seeds`` says whether it does.

    Args:
        address: of the server, as ``http://127.0.0.1:30000``.
        tokenizer: directory or hub name; by default what the server names, which must be readable here.
        api_key: of the server.
        largest_batch: requests that are useful in flight; by default what the server runs at a time, 256 at most.
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
        self._held: WeakSet[Prefix] = WeakSet()
        self._being_prefilled: dict[Prefix, anyio.Event] = {}
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
            self._stack = stack.pop_all()
        return self._server.capabilities

    async def _close(self) -> None:
        self._server = None
        self._held.clear()
        await self._stack.aclose()

    async def probe(self) -> None:
        """Return if the server answers.

        Raises:
            RuntimeFailure: it does not.
        """
        await self._session.get("/model_info")

    async def generate(self, requests: Sequence[GenerateRequest], deliver: Deliver) -> None:
        """See `runtimes.base.Runtime.generate`."""
        server = self._opened()
        if server.has_head:
            # Sent all the same, it would end the server.
            raise RuntimeGone(f"{self!r} serves a reward model with a head, which generates nothing")
        by_prefix: dict[Prefix, list[GenerateRequest]] = {}
        for request in requests:
            by_prefix.setdefault(request.prefix, []).append(request)
        async with self._call(requests, deliver) as call, anyio.create_task_group() as tasks:
            for forks in by_prefix.values():
                tasks.start_soon(self._generate_forks, server, forks, call)

    async def score(self, requests: Sequence[ScoreRequest], deliver: Deliver) -> None:
        """See `runtimes.base.Runtime.score`."""
        server = self._opened()
        async with self._call(requests, deliver) as call, anyio.create_task_group() as tasks:
            for begin in range(0, len(requests), _SCORES_PER_CALL):
                tasks.start_soon(self._score_together, server, requests[begin : begin + _SCORES_PER_CALL], call)

    async def abort(self, requests: Sequence[Request]) -> None:
        """See `runtimes.base.Runtime.abort`."""
        async with anyio.create_task_group() as tasks:
            for call in self._calls:
                for request in requests:
                    if (sent := call.left.get(request)) is not None:
                        sent.scope.cancel()
                        tasks.start_soon(self._abort, sent.rids)

    def _opened(self) -> Server:
        if self._server is None:
            raise RuntimeGone(f"{self!r} is not open: use 'async with'")
        return self._server

    @asynccontextmanager
    async def _call(self, requests: Sequence[Request], deliver: Deliver) -> AsyncIterator[_Call]:
        """Own requests for as long as the block runs; what is not delivered by then is aborted."""
        call = _Call({request: _Sent(self._new_rids(request)) for request in requests}, deliver)
        self._calls.add(call)
        try:
            yield call
        finally:
            self._calls.discard(call)
            if call.left:
                with anyio.CancelScope(shield=True), anyio.move_on_after(_ABORT_SECONDS):
                    async with anyio.create_task_group() as tasks:
                        for sent in call.left.values():
                            tasks.start_soon(self._abort, sent.rids)

    def _new_rids(self, request: Request) -> tuple[str, ...]:
        """Names for a request on the server; a head reads each step in a text of its own."""
        texts = len(request.reads) if isinstance(request, ScoreRequest) and self._opened().has_head else 1
        return tuple(f"{self._client}-{next(self._numbers)}" for _ in range(texts))

    async def _abort(self, rids: Sequence[str]) -> None:
        for rid in rids:
            with suppress(RuntimeFailure):  # then the server works on nothing of ours, or ends it by itself
                await self._session.post("/abort_request", {"rid": rid})

    # Generation.

    async def _generate_forks(self, server: Server, forks: Sequence[GenerateRequest], call: _Call) -> None:
        """Generate all the continuations of one prefix."""
        prefilled = await self._prefill(server, forks[0].prefix) if len(forks) > 1 else 0
        async with anyio.create_task_group() as tasks:
            for fork, extra_tokens in zip(forks, _shares(prefilled, len(forks)), strict=True):
                tasks.start_soon(self._generate_one, server, fork, extra_tokens, call)

    async def _generate_one(self, server: Server, request: GenerateRequest, extra_tokens: int, call: _Call) -> None:
        if (sent := call.left.get(request)) is None:
            return
        with sent.scope:
            try:
                result = await self._generation(server, request, extra_tokens, sent.rids[0])
            except RuntimeFailure as failure:
                call.settle(request, self._noticed(failure, request))
            else:
                self._held.add(result.prefix)
                call.settle(request, result)
        call.settle(request, RequestAborted("aborted", request=request))

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

    async def _prefill(self, server: Server, prefix: Prefix) -> int:
        """Have a prefix computed that several requests are about to continue, unless the server holds it.

        Sequences whose prompts are computed in one batch do not share them, so it has to be done before.

        Returns:
            The tokens that were computed.
        """
        if prefix in self._held:
            return 0
        if (done := self._being_prefilled.get(prefix)) is not None:
            await done.wait()
            return 0
        done = self._being_prefilled[prefix] = anyio.Event()
        try:
            body = prefill_body(server.checked(server.tokens.of(prefix)))
            answer = await self._session.post("/classify" if server.has_head else "/generate", body)
            prompt_tokens, cached_tokens = read_usage(answer)
        except RuntimeFailure:
            return 0  # the requests themselves will meet with the same, and say so
        finally:
            del self._being_prefilled[prefix]
            done.set()
        self._held.add(prefix)
        return prompt_tokens - cached_tokens

    # Scores.

    async def _score_together(self, server: Server, requests: Sequence[ScoreRequest], call: _Call) -> None:
        """Prefill what several of the requests begin with, then send them all at once."""
        scorings: list[_Scoring] = []
        for request in requests:
            try:
                tokens = server.checked(server.tokens.of(request.prefix))
                scorings.append(_Scoring(request, tokens, server.tokens.read_positions(request.reads)))
            except RuntimeFailure as failure:
                call.settle(request, failure_concerning(failure, request))
        extra_tokens: dict[Request, int] = {}
        async with anyio.create_task_group() as tasks:

            async def prefill(beginning: Prefix, forks: Sequence[ScoreRequest]) -> None:
                prefilled = await self._prefill(server, beginning)
                extra_tokens.update(zip(forks, _shares(prefilled, len(forks)), strict=True))

            for beginning, forks in self._common_beginnings([scoring.request for scoring in scorings]).items():
                tasks.start_soon(prefill, beginning, forks)
        await self._score_or_split(server, scorings, extra_tokens, call)

    def _common_beginnings(self, requests: Sequence[ScoreRequest]) -> dict[Prefix, list[ScoreRequest]]:
        """What several of the requests begin with and the server does not hold, the longest of it, and whose it is."""
        before = {request: [*request.reads[0].segments()][1:] for request in requests}
        counts = Counter(prefix for prefixes in before.values() for prefix in prefixes)
        common: dict[Prefix, list[ScoreRequest]] = {}
        for request, prefixes in before.items():
            beginning = next((prefix for prefix in prefixes if counts[prefix] > 1), None)
            if beginning is not None and beginning not in self._held:
                common.setdefault(beginning, []).append(request)
        return common

    async def _score_or_split(
        self, server: Server, scorings: Sequence[_Scoring], extra_tokens: Mapping[Request, int], call: _Call
    ) -> None:
        """Score in one call; where that is refused, each half in one of its own, until a bad request is alone."""
        scorings = [scoring for scoring in scorings if scoring.request in call.left]
        if not scorings:
            return
        rids = [rid for scoring in scorings for rid in call.left[scoring.request].rids]
        try:
            answers = await self._ask(server, scorings, rids)
        except RequestRejected as failure:
            if len(scorings) == 1:
                call.settle(scorings[0].request, failure_concerning(failure, scorings[0].request))
                return
            middle = len(scorings) // 2
            for half in (scorings[:middle], scorings[middle:]):
                await self._score_or_split(server, half, extra_tokens, call)
            return
        except RuntimeFailure as failure:
            for scoring in scorings:
                call.settle(scoring.request, self._noticed(failure, scoring.request))
            return
        for scoring in scorings:
            texts = [next(answers) for _ in (scoring.tags if server.has_head else scoring.tags[:1])]
            call.settle(scoring.request, self._read_scores(server, scoring, texts, extra_tokens))

    async def _ask(self, server: Server, scorings: Sequence[_Scoring], rids: Sequence[str]) -> Iterator[Any]:
        """One answer per text that is sent: a scoring's whole one, or to a head the part up to each of its tags."""
        if server.has_head:
            body = classify_body([one.tokens[: tag + 1] for one in scorings for tag in one.tags], rids)
            answers = await self._session.post("/classify", body)
        else:
            body = label_body(
                [one.tokens for one in scorings],
                [one.tags[0] for one in scorings],
                [server.labels(one.request) for one in scorings],
                rids,
            )
            answers = await self._session.post("/generate", body)
        if not isinstance(answers, list) or len(answers) != len(rids):
            raise RetryableError(f"{self.address} did not answer each of {len(rids)} texts")
        return iter(answers)

    def _read_scores(
        self, server: Server, scoring: _Scoring, answers: Sequence[Any], extra_tokens: Mapping[Request, int]
    ) -> ScoreResult | RuntimeFailure:
        request = scoring.request
        try:
            if server.has_head:
                scores = tuple(read_head(answer) for answer in answers)
            else:
                scores = read_labels(answers[0], scoring.tags, len(scoring.tokens), server.labels(request))
            usages = [read_usage(answer) for answer in answers]
        except RuntimeFailure as failure:
            return failure_concerning(failure, request)
        self._held.update(request.prefix.segments())
        new = sum(prompt - cached for prompt, cached in usages) + extra_tokens.get(request, 0)
        return ScoreResult(
            scores=scores, prompt_tokens=len(scoring.tokens), cached_tokens=max(len(scoring.tokens) - new, 0)
        )

    def _noticed(self, failure: RuntimeFailure, request: Request) -> RuntimeFailure:
        if isinstance(failure, ServerUnreachable):
            self._held.clear()  # when it is back, it remembers nothing
        return failure_concerning(failure, request)


def _shares(tokens: int, count: int) -> list[int]:
    """What each of ``count`` requests pays of tokens computed for them all."""
    each, rest = divmod(tokens, count)
    return [each + (index < rest) for index in range(count)]
