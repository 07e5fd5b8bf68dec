"""What every runtime keeps to, whatever is behind it."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypeAlias

import anyio
from anyio.lowlevel import checkpoint

from asyncsearch.errors import first_cause
from asyncsearch.testing.violation import ContractViolation
from runtimes.base import (
    Deliver,
    FinishReason,
    GenerateRequest,
    GenerateResult,
    Prefix,
    Readout,
    Request,
    RequestAborted,
    Result,
    Runtime,
    RuntimeFailure,
    ScoreRequest,
    ScoreResult,
    TokenLabels,
)

__all__ = ["check_runtime"]

_READOUT = TokenLabels(good="+", bad="-")

_SIZES = (1, 2, 7)
"""Requests in a call, the smallest first: the first that shows something is what is reported."""

_TOKENS = 24

_TOLERANCE = 1e-3
"""Two scores of one text may differ by so much, as sums in floating point depend on what else is in a batch."""


async def check_runtime(
    runtime: Runtime,
    *,
    generates: bool = True,
    scores: bool = True,
    texts: Sequence[str] = ("Tom has 3 apples and buys 4. How many are there?\n", "What is 12 * 7?\n"),
    readout: Readout = _READOUT,
    patience: float = 60.0,
) -> None:
    """Send a runtime requests of all kinds, alone and in company, and see whether it keeps its contract.

    - Each request has exactly one outcome, which is delivered before the call returns; a call may be empty.
    - A text continues the prefix that was given, holds no stop string, and is no longer than was asked for.
    - A score is a number in [0, 1] for each prefix asked for, and the same whatever else is asked.
    - Where `Capabilities.honours_seeds` says so, a text depends on prefix and seed alone, and at temperature 0 on the
      prefix.
    - What is aborted is delivered all the same, answered or as `RequestAborted`; a call that is cancelled ends, and
      delivers nothing afterwards. The runtime then goes on as before.

    Args:
        runtime: open.
        generates: whether it is a policy.
        scores: whether it is a reward model.
        texts: prompts that it understands, two at least.
        readout: how its scores are read.
        patience: seconds that a call may take.

    Raises:
        ContractViolation: one is broken; the message says which, and in which call: the smallest that was tried.

    Cancellation ends it.
    """
    kinds: list[_Kind] = []
    if generates:
        kinds.append(_Kind("generate", runtime, runtime.generate, lambda size: _generate_requests(texts, size)))
    if scores:
        kinds.append(_Kind("score", runtime, runtime.score, lambda size: _score_requests(texts, readout, size)))
    found = []
    for kind in kinds:
        for check in (_answers_each, _is_alone_in_company, _can_be_aborted, _can_be_cancelled):
            try:
                with anyio.fail_after(patience):
                    await check(kind)
            except* ContractViolation as violations:
                found.append(f"- {kind.name}: {first_cause(violations)}")
            except* TimeoutError:
                found.append(f"- {kind.name}: a call had not ended after {patience:.0f} seconds ({check.__doc__})")
            except* Exception as errors:  # noqa: BLE001 - a runtime is anybody's code
                error = first_cause(errors)
                found.append(f"- {kind.name}: a call raised {type(error).__name__}: {error} ({check.__doc__})")
    if found:
        raise ContractViolation("\n".join([f"{runtime!r} breaks the contract of a runtime:", *found]))


@dataclass(frozen=True, slots=True)
class _Kind:
    """Requests of one kind: how they are sent, and how so many are made."""

    name: str
    runtime: Runtime
    send: Callable[[Sequence[Any], Deliver], Coroutine[Any, Any, None]]
    make: Callable[[int], list[Request]]


@dataclass(slots=True)
class _Outcomes:
    """What has been delivered of a call."""

    requests: Sequence[Request]
    by_request: dict[Request, Result | RuntimeFailure] = field(default_factory=dict)
    wrong: str | None = None
    ended: bool = False

    def deliver(self, request: Request, outcome: Result | RuntimeFailure) -> None:
        if self.ended:
            self.wrong = self.wrong or "an outcome was delivered after the call had ended"
        elif request not in self.requests:
            self.wrong = self.wrong or f"an outcome was delivered for what nobody has asked: {request}"
        elif request in self.by_request:
            self.wrong = self.wrong or f"two outcomes were delivered for one request: {request}"
        self.by_request[request] = outcome

    def require_sound(self) -> None:
        if self.wrong is not None:
            raise ContractViolation(self.wrong)


async def _call(kind: _Kind, requests: Sequence[Request]) -> _Outcomes:
    outcomes = _Outcomes(requests)
    try:
        await kind.send(requests, outcomes.deliver)
    except RuntimeFailure as failure:
        raise ContractViolation(f"a call of {len(requests)} failed: {type(failure).__name__}: {failure}") from None
    outcomes.ended = True
    outcomes.require_sound()
    if missing := [request for request in requests if request not in outcomes.by_request]:
        raise ContractViolation(f"of {len(requests)} requests {len(missing)} had no outcome, {missing[0]} for one")
    return outcomes


async def _answers_each(kind: _Kind) -> None:
    """One outcome for each request."""
    await _call(kind, [])
    for size in _SIZES:
        requests = kind.make(size)
        outcomes = await _call(kind, requests)
        for request in requests:
            for problem in _problems_with(request, outcomes.by_request[request]):
                raise ContractViolation(f"in a call of {size}: {problem}: {request}")


async def _is_alone_in_company(kind: _Kind) -> None:
    """The same answers whatever else is asked."""
    caps = kind.runtime.capabilities
    if kind.name == "generate" and not caps.honours_seeds:
        return
    for size in _SIZES[1:]:
        requests = kind.make(size)
        together = await _call(kind, requests)
        alone: dict[Request, Result | RuntimeFailure] = {}

        async def ask(request: Request, alone: dict[Request, Result | RuntimeFailure] = alone) -> None:
            again = _to_be_told_the_same(request)
            alone[request] = (await _call(kind, [again])).by_request[again]

        async with anyio.create_task_group() as calls:
            for request in requests:
                calls.start_soon(ask, request)
        for request in requests:
            one, other = _told(alone[request]), _told(together.by_request[request])
            if not _alike(one, other):
                raise ContractViolation(f"{request} is answered {one} alone, and {other} in a call of {size}")


async def _can_be_aborted(kind: _Kind) -> None:
    """Aborted requests are delivered."""
    for size in _SIZES:
        requests = kind.make(size)
        outcomes = _Outcomes(requests)
        async with anyio.create_task_group() as calls:
            calls.start_soon(kind.send, requests, outcomes.deliver)
            await checkpoint()
            await kind.runtime.abort(requests)
        outcomes.ended = True
        outcomes.require_sound()
        if missing := [request for request in requests if request not in outcomes.by_request]:
            raise ContractViolation(f"of {size} requests that were aborted {len(missing)} had no outcome")
        for outcome in outcomes.by_request.values():
            if isinstance(outcome, RuntimeFailure) and not isinstance(outcome, RequestAborted):
                raise ContractViolation(
                    f"one of {size} requests that were aborted failed with {type(outcome).__name__}, and neither was "
                    f"answered nor RequestAborted: {outcome}"
                )
        await kind.runtime.abort(requests)  # nobody knows any more, and nobody minds
        await _call(kind, kind.make(1))


async def _can_be_cancelled(kind: _Kind) -> None:
    """A call that is cancelled ends."""
    for size in _SIZES:
        requests = kind.make(size)
        outcomes = _Outcomes(requests)
        async with anyio.create_task_group() as calls:
            calls.start_soon(kind.send, requests, outcomes.deliver)
            for _ in range(5):
                await checkpoint()
            calls.cancel_scope.cancel()
        outcomes.ended = True
        await _call(kind, kind.make(size))
        outcomes.require_sound()


def _generate_requests(texts: Sequence[str], size: int) -> list[Request]:
    return [
        GenerateRequest(
            prefix=Prefix(texts[number % len(texts)]),
            seed=1000 + number // 2,
            max_new_tokens=_TOKENS,
            temperature=0.0 if number % 4 == 3 else 1.0,
            stop=("Step 2",) if number % 2 else (),
        )
        for number in range(size)
    ]


def _to_be_told_the_same(request: Request) -> Request:
    """Another request that has the same answer; at temperature 0 no seed matters."""
    if isinstance(request, GenerateRequest) and request.temperature == 0:
        return replace(request, seed=request.seed + 1)
    return replace(request)


def _score_requests(texts: Sequence[str], readout: Readout, size: int) -> list[Request]:
    requests: list[Request] = []
    for number in range(size):
        first = Prefix(texts[number % len(texts)]).extend("Step 1: so it is.\n")
        second = first.extend("Step 2: and so it stays.\n")
        requests.append(ScoreRequest(reads=(first,) if number % 2 else (first, second), readout=readout))
    return requests


def _problems_with(request: Request, outcome: Result | RuntimeFailure) -> Iterator[str]:
    """What is wrong with an outcome."""
    if isinstance(outcome, RuntimeFailure):
        yield f"it failed with {type(outcome).__name__}: {outcome}"
        return
    usage = outcome.usage
    if not 0 <= usage.cached_tokens <= usage.prompt_tokens or usage.generated_tokens < 0:
        yield f"its usage cannot be: {usage}"
    if isinstance(request, ScoreRequest):
        if not isinstance(outcome, ScoreResult):
            yield f"it is answered with a {type(outcome).__name__}"
        elif len(outcome.scores) != len(request.reads) or not all(0 <= score <= 1 for score in outcome.scores):
            yield f"{len(request.reads)} prefixes are scored {outcome.scores}; wanted is one number in [0, 1] for each"
        return
    if not isinstance(outcome, GenerateResult):
        yield f"it is answered with a {type(outcome).__name__}"
        return
    if outcome.prefix.parent is not request.prefix:
        yield "its text does not continue the prefix that was given"
    if stopped := [stop for stop in request.stop if stop in outcome.text]:
        yield f"its text {outcome.text!r} has the stop string {stopped[0]!r} in it"
    if usage.generated_tokens > request.max_new_tokens:
        yield f"{usage.generated_tokens} tokens were generated, and {request.max_new_tokens} asked for at most"
    if outcome.text.strip() and not usage.generated_tokens:
        yield f"no token was generated, and yet there is a text: {outcome.text!r}"
    if outcome.finish is FinishReason.STOP and not request.stop:
        yield "it ended at a stop string, and none was given"


_Told: TypeAlias = tuple[str, tuple[float, ...]]


def _told(outcome: Result | RuntimeFailure) -> _Told:
    if isinstance(outcome, RuntimeFailure):
        return str(outcome), ()
    return (outcome.text, ()) if isinstance(outcome, GenerateResult) else ("", outcome.scores)


def _alike(one: _Told, other: _Told) -> bool:
    near = (abs(left - right) <= _TOLERANCE for left, right in zip(one[1], other[1], strict=True))
    return one[0] == other[0] and len(one[1]) == len(other[1]) and all(near)
