"""Any server with an OpenAI-like ``/v1/completions``: vLLM, SGLang, hosted services."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from typing import Any

import anyio
from anyio import to_thread

from runtimes.base import (
    Capabilities,
    Deliver,
    FinishReason,
    GenerateRequest,
    GenerateResult,
    Request,
    RequestAborted,
    RequestRejected,
    RetryableError,
    RuntimeFailure,
    RuntimeGone,
    ScoreRequest,
    ScoreResult,
    TokenLabels,
    Usage,
    failure_concerning,
)
from runtimes.http import JsonSession, split_addresses
from runtimes.model_files import find_model, read_model_config, weights_fingerprint
from runtimes.model_size import model_size
from runtimes.opening import SharedOpening
from runtimes.pool import RuntimePool

__all__ = ["API_KEY_VARIABLE", "OpenAIRuntime", "openai_servers"]

API_KEY_VARIABLE = "OPENAI_API_KEY"
"""The environment variable that holds the key, where the server wants one."""

_LARGEST_BATCH = 64
_ENDING = "does the address end in /v1?"
_TOP_LOG_PROBABILITIES = 5
"""The most that every server gives."""
_HONOURS_SEEDS = "vllm"
"""What a server says owns its models where it is known to give equal text for equal seeds. SGLang ignores seeds."""


class OpenAIRuntime(SharedOpening):
    """One server, asked for completions of text.

    The protocol knows no token ids, so what a model has written is encoded again by the server when it is
    continued. It gives the log-probabilities of a few likeliest tokens, which is enough to read a reward model
    with token labels, one request per step. Which tokens were cached is told by few servers, and by those where they
    are asked to: vLLM with ``--enable-prompt-tokens-details``, SGLang with ``--enable-cache-report``.

    Args:
        address: up to where ``/completions`` follows, as ``http://127.0.0.1:8000/v1``.
        model: its name on the server; by default the first that the server lists.
        api_key: sent as a bearer token; never shown.
        seeds: whether equal seeds give equal text; by default they are sent, and relied on if the server is vLLM. False
            for a server that refuses them.
        n_sampling: ask for several samples of one prompt in one request. Then there can be no seeds, but where a
            prompt is paid for by the request it is paid for once.
        largest_batch: requests that are useful in flight; by default that is found out.
        deadline_seconds: after which an answer is given up.
    """

    def __init__(
        self,
        address: str,
        *,
        model: str | None = None,
        api_key: str | None = None,
        seeds: bool | None = None,
        n_sampling: bool = False,
        largest_batch: int | None = None,
        deadline_seconds: float = 600.0,
    ) -> None:
        super().__init__()
        if seeds and n_sampling:
            raise ValueError("several samples in one request cannot have a seed each: seeds or n_sampling, not both")
        self.address = address
        self._session = JsonSession(address, api_key=api_key, deadline_seconds=deadline_seconds)
        self._model = model
        self._seeds = False if n_sampling else seeds
        self._n_sampling = n_sampling
        self._largest_batch = largest_batch
        self._context_length: int | None = None
        self._stack = AsyncExitStack()
        self._scopes: dict[Request, anyio.CancelScope] = {}

    def __repr__(self) -> str:
        return f"OpenAIRuntime({self.address!r})"

    async def _open(self) -> Capabilities:
        async with AsyncExitStack() as stack:
            await stack.enter_async_context(self._session)
            first, root, owner, self._context_length = await self._first_model()
            self._stack = stack.pop_all()
        directory = await to_thread.run_sync(find_model, root)
        return Capabilities(
            model=self._model or first,
            honours_seeds=owner == _HONOURS_SEEDS if self._seeds is None else self._seeds,
            aborts=True,
            largest_batch=self._largest_batch or _LARGEST_BATCH,
            batch_is_guessed=self._largest_batch is None,
            size=model_size(await to_thread.run_sync(read_model_config, directory)),
            fingerprint=await to_thread.run_sync(weights_fingerprint, directory),
        )

    async def _close(self) -> None:
        await self._stack.aclose()

    async def _first_model(self) -> tuple[str, str, str, int | None]:
        """The name of a model on the server, where it is from, who owns it, and its context, as the server says."""
        try:
            model = (await self._session.get("/models"))["data"][0]
            length = model.get("max_model_len")
            name = str(model["id"])
            root, owner = str(model.get("root") or name), str(model.get("owned_by"))
            return name, root, owner, None if length is None else int(length)
        except (TypeError, KeyError, IndexError, AttributeError, ValueError) as error:
            raise RuntimeGone(f"{self.address} lists no models; {_ENDING}") from error
        except RuntimeGone as failure:
            raise RuntimeGone(f"{failure}; {_ENDING}") from failure

    async def probe(self) -> str:
        """See `runtimes.pool.ServerRuntime.probe`."""
        return self._model or (await self._first_model())[0]

    async def generate(self, requests: Sequence[GenerateRequest], deliver: Deliver) -> None:
        """See `runtimes.base.Runtime.generate`."""
        groups: dict[Any, list[GenerateRequest]] = {}
        for request in requests:
            alike = (request.prefix, request.max_new_tokens, request.temperature, request.top_p, request.stop)
            groups.setdefault(alike if self._n_sampling else request, []).append(request)
        async with anyio.create_task_group() as tasks:
            for group in groups.values():
                tasks.start_soon(self._generate, group, deliver)

    async def score(self, requests: Sequence[ScoreRequest], deliver: Deliver) -> None:
        """See `runtimes.base.Runtime.score`."""
        async with anyio.create_task_group() as tasks:
            for request in requests:
                tasks.start_soon(self._score, request, deliver)

    async def abort(self, requests: Sequence[Request]) -> None:
        """See `runtimes.base.Runtime.abort`. The connection is closed, by which servers know."""
        for request in requests:
            if (scope := self._scopes.get(request)) is not None:
                scope.cancel()

    async def _generate(self, group: Sequence[GenerateRequest], deliver: Deliver) -> None:
        """Ask for the samples of one prompt, all alike but for their seeds; one alone where it has a seed."""
        request = group[0]
        body: dict[str, Any] = {
            "model": self.capabilities.model,
            "prompt": request.prefix.full_text(),
            "max_tokens": request.max_new_tokens,
            "temperature": request.temperature,
            "top_p": request.top_p,
            "n": len(group),
        }
        if request.stop:
            body["stop"] = list(request.stop)
        if self._seeds is not False:
            body["seed"] = request.seed % 2**31
        scope = anyio.CancelScope()
        # Of several in one request none can be given up alone.
        self._scopes.update(dict.fromkeys(group, scope) if len(group) == 1 else {})
        try:
            with scope:
                if not body["prompt"]:
                    raise RequestRejected("the prompt is empty")
                answer, shortened = await self._complete(body)
                results = _read_completions(answer, group, shortened=shortened)
                for one, result in zip(group, results, strict=True):
                    deliver(one, result)
                return
            deliver(request, RequestAborted("aborted", request=request))
        except RuntimeFailure as failure:
            for one in group:
                deliver(one, failure_concerning(failure, one))
        finally:
            self._scopes.pop(request, None)

    async def _complete(self, body: dict[str, Any]) -> tuple[Any, bool]:
        """The answer to a request, and whether fewer tokens were asked for because the context ends.

        How many tokens a prompt has only the server knows; it is asked when it has refused the whole.
        """
        try:
            return await self._session.post("/completions", body), False
        except RequestRejected:
            if self._context_length is None or body["max_tokens"] == 1:
                raise
            prompt_tokens, _, _ = _read_usage(
                await self._session.post("/completions", {**body, "max_tokens": 1, "n": 1})
            )
            left = self._context_length - prompt_tokens
            if not 1 <= left < body["max_tokens"]:
                raise
            return await self._session.post("/completions", {**body, "max_tokens": left}), True

    async def _score(self, request: ScoreRequest, deliver: Deliver) -> None:
        scope = self._scopes[request] = anyio.CancelScope()
        try:
            with scope:
                scores, tokens, new = [], 0, 0
                for read in request.reads:
                    score, tokens, cached = await self._score_after(read.full_text(), request)
                    scores.append(score)
                    new += tokens - cached
                usage = Usage(prompt_tokens=tokens, cached_tokens=max(tokens - new, 0))
                deliver(request, ScoreResult(scores=tuple(scores), usage=usage))
                return
            deliver(request, RequestAborted("aborted", request=request))
        except RuntimeFailure as failure:
            deliver(request, failure_concerning(failure, request))
        finally:
            del self._scopes[request]

    async def _score_after(self, text: str, request: ScoreRequest) -> tuple[float, int, int]:
        """The score at the end of a text, and how many tokens it has, new and cached."""
        if not text:
            raise RequestRejected("the text is empty")
        if any(segment.markup for segment in request.prefix.segments()):
            raise RequestRejected("special tokens cannot be sent in completions, and this reward format has some")
        if not isinstance(request.readout, TokenLabels):
            raise RequestRejected("a reward head cannot be read through completions; SGLang's /classify can")
        answer = await self._session.post(
            "/completions",
            {
                "model": self.capabilities.model,
                "prompt": text,
                "max_tokens": 1,
                "temperature": 0.0,
                "logprobs": _TOP_LOG_PROBABILITIES,
            },
        )
        try:
            likeliest: dict[str, float] = answer["choices"][0]["logprobs"]["top_logprobs"][0]
            found = {token: float(value) for token, value in likeliest.items()}
        except (TypeError, KeyError, IndexError, AttributeError, ValueError) as error:
            raise RequestRejected(
                f"{self.address} gives no log-probabilities, and scores are read from them"
            ) from error
        good, bad = (_log_probability(found, label) for label in (request.readout.good, request.readout.bad))
        if math.isnan(good) or math.isnan(bad) or good == bad == -math.inf:
            raise RequestRejected(f"neither label is among the {_TOP_LOG_PROBABILITIES} likeliest tokens after a step")
        prompt, cached, _ = _read_usage(answer)
        return (1 / (1 + math.exp(min(bad - good, 700.0))) if good > -math.inf else 0.0), prompt, cached


def openai_servers(addresses: str) -> RuntimePool:
    """One runtime over servers of one model, each ``URL`` or ``URL#MODEL``, separated by commas.

    A key is taken from the environment, see `API_KEY_VARIABLE`.

    Raises:
        RuntimeGone: there is no address.
    """
    api_key = os.environ.get(API_KEY_VARIABLE)
    servers = [address.partition("#") for address in split_addresses(addresses)]
    return RuntimePool([OpenAIRuntime(url, model=model or None, api_key=api_key) for url, _, model in servers])


def _log_probability(found: Mapping[str, float], label: str) -> float:
    """That of a label, which some servers spell with the space that a tokenizer puts before it."""
    spelled = (value for token, value in found.items() if token.strip() == label)
    return found[label] if label in found else max(spelled, default=-math.inf)


def _read_completions(answer: Any, group: Sequence[GenerateRequest], *, shortened: bool) -> list[GenerateResult]:
    prompt, cached, generated = _read_usage(answer)
    try:
        choices = sorted(answer["choices"], key=lambda choice: choice["index"])
        told = [(str(choice["text"]), choice) for choice in choices]
    except (TypeError, KeyError) as error:
        raise RetryableError("the server's answer has no choices") from error
    if len(told) != len(group):
        raise RetryableError(f"the server answered {len(told)} of {len(group)} samples")
    each, rest = divmod(generated, len(group))
    return [
        GenerateResult(
            prefix=request.prefix.extend(text),
            finish=_finish_reason(choice, request, shortened=shortened),
            usage=Usage(
                prompt_tokens=prompt,
                # The prompt was computed once for all of them.
                cached_tokens=cached if index == 0 else prompt,
                generated_tokens=each + (index < rest),
            ),
        )
        for index, (request, (text, choice)) in enumerate(zip(group, told, strict=True))
    ]


def _finish_reason(choice: Mapping[str, Any], request: GenerateRequest, *, shortened: bool) -> FinishReason:
    """Why a completion ended. vLLM and SGLang say at what, each in a field of its own; others do not."""
    reason = choice.get("finish_reason")
    if reason == "length":
        return FinishReason.CONTEXT if shortened else FinishReason.LENGTH
    if reason != "stop":
        raise RetryableError(f"the server's answer has an unknown finish_reason: {reason!r}")
    told = [choice[name] for name in ("stop_reason", "matched_stop") if name in choice]
    if not told:  # it may have been the end; then nothing more will come of it
        return FinishReason.STOP if request.stop else FinishReason.END
    return FinishReason.STOP if told[0] in request.stop else FinishReason.END


def _read_usage(answer: Any) -> tuple[int, int, int]:
    """Prompt tokens, those of them that were cached, and tokens generated."""
    try:
        usage = answer["usage"]
        details = usage.get("prompt_tokens_details") or {}
        return int(usage["prompt_tokens"]), int(details.get("cached_tokens") or 0), int(usage["completion_tokens"])
    except (TypeError, KeyError, AttributeError, ValueError) as error:
        raise RetryableError("the server's answer has no usage") from error
