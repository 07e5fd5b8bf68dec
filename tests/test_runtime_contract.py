"""The conformance kit for runtimes: those that ship pass, and what breaks the contract is found out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import anyio
import pytest

from asyncsearch import bundled_model, load_problems
from asyncsearch.datasets.countdown import propose
from asyncsearch.rewards import REWARD_FORMATS
from asyncsearch.testing import ContractViolation, check_runtime
from runtimes.base import (
    Deliver,
    GenerateRequest,
    GenerateResult,
    Request,
    RequestAborted,
    Result,
    RetryableError,
    RuntimeFailure,
    ScoreRequest,
    ScoreResult,
    Usage,
)
from runtimes.function import FunctionPolicy, FunctionReward
from runtimes.local import LocalRuntime
from runtimes.simulated import SimulatedRuntime
from runtimes.virtual_clock import run_virtual

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize("aborts", [True, False])
def test_the_simulated_runtime_keeps_the_contract(aborts: bool) -> None:
    run_virtual(lambda: check_runtime(SimulatedRuntime(aborts=aborts)))


async def test_a_reward_function_keeps_the_contract() -> None:
    async with FunctionReward(lambda _, steps: [1 / len(step) for step in steps]) as runtime:
        await check_runtime(runtime, generates=False)


async def test_a_policy_function_keeps_the_contract() -> None:
    texts = [problem.text for problem in load_problems("countdown", limit=2)]
    async with FunctionPolicy(propose) as runtime:
        await check_runtime(runtime, scores=False, texts=texts)


@pytest.mark.parametrize("role", ["policy", "reward"])
async def test_the_local_runtime_keeps_the_contract(role: str) -> None:
    async with LocalRuntime(bundled_model(role)) as runtime:
        readout = REWARD_FORMATS["lines"].readout
        await check_runtime(runtime, generates=role == "policy", scores=role == "reward", readout=readout)


class Spoiled(SimulatedRuntime):
    """Delivers otherwise than it should."""

    async def generate(self, requests: Sequence[GenerateRequest], deliver: Deliver) -> None:
        await super().generate(requests, self.spoil(requests, deliver))

    async def score(self, requests: Sequence[ScoreRequest], deliver: Deliver) -> None:
        await super().score(requests, self.spoil(requests, deliver))

    def spoil(self, requests: Sequence[Request], deliver: Deliver) -> Deliver:
        return deliver


class Forgetful(Spoiled):
    def spoil(self, requests: Sequence[Request], deliver: Deliver) -> Deliver:
        def some(request: Request, outcome: Result | RuntimeFailure) -> None:
            if request is not requests[-1] or len(requests) == 1:
                deliver(request, outcome)

        return some


class Talkative(Spoiled):
    def spoil(self, requests: Sequence[Request], deliver: Deliver) -> Deliver:
        def twice(request: Request, outcome: Result | RuntimeFailure) -> None:
            deliver(request, outcome)
            deliver(request, outcome)

        return twice


class Confused(Spoiled):
    """Answers one request with what another was told."""

    def spoil(self, requests: Sequence[Request], deliver: Deliver) -> Deliver:
        outcomes: dict[Request, Any] = {}

        def crossed(request: Request, outcome: Result | RuntimeFailure) -> None:
            outcomes[request] = outcome
            if len(outcomes) == len(requests):
                for asked, told in zip(requests, outcomes.values(), strict=True):
                    deliver(asked, told)

        return crossed


class Runaway(Spoiled):
    def spoil(self, requests: Sequence[Request], deliver: Deliver) -> Deliver:
        def stopped(request: Request, outcome: Result | RuntimeFailure) -> None:
            if isinstance(request, GenerateRequest) and isinstance(outcome, GenerateResult) and request.stop:
                outcome = replace(outcome, prefix=request.prefix.extend(outcome.text + request.stop[0]))
            deliver(request, outcome)

        return stopped


class Generous(Spoiled):
    def spoil(self, requests: Sequence[Request], deliver: Deliver) -> Deliver:
        def more(request: Request, outcome: Result | RuntimeFailure) -> None:
            if isinstance(outcome, ScoreResult):
                outcome = replace(outcome, scores=tuple(score + 1 for score in outcome.scores))
            deliver(request, outcome)

        return more


class Moody(SimulatedRuntime):
    """Whose texts depend on who is asked beside them."""

    async def generate(self, requests: Sequence[GenerateRequest], deliver: Deliver) -> None:
        others = [replace(request, seed=request.seed + len(requests)) for request in requests]
        back = dict(zip(others, requests, strict=True))
        await super().generate(others, lambda request, outcome: deliver(back[request], outcome))  # type: ignore[index]


class Restless(SimulatedRuntime):
    """Knows no greedy decoding."""

    async def generate(self, requests: Sequence[GenerateRequest], deliver: Deliver) -> None:
        others = [replace(request, temperature=1.0) for request in requests]
        back = dict(zip(others, requests, strict=True))
        await super().generate(others, lambda request, outcome: deliver(back[request], outcome))  # type: ignore[index]


class Hurt(Spoiled):
    """Takes an abort for an accident."""

    def spoil(self, requests: Sequence[Request], deliver: Deliver) -> Deliver:
        def failed(request: Request, outcome: Result | RuntimeFailure) -> None:
            is_aborted = isinstance(outcome, RequestAborted)
            deliver(request, RetryableError("what happened?", request=request) if is_aborted else outcome)

        return failed


class Broken(SimulatedRuntime):
    async def generate(self, requests: Sequence[GenerateRequest], deliver: Deliver) -> None:
        raise KeyError("oops")


class Modest(Spoiled):
    """Says that it has taken nothing."""

    def spoil(self, requests: Sequence[Request], deliver: Deliver) -> Deliver:
        def for_nothing(request: Request, outcome: Result | RuntimeFailure) -> None:
            deliver(request, replace(outcome, usage=Usage()) if isinstance(outcome, GenerateResult) else outcome)

        return for_nothing


class Deaf(SimulatedRuntime):
    async def abort(self, requests: Sequence[Request]) -> None:
        await anyio.sleep_forever()


@pytest.mark.parametrize(
    ("broken", "words"),
    [
        (Forgetful, "generate: of 2 requests 1 had no outcome"),
        (Talkative, "generate: two outcomes were delivered for one request"),
        (Confused, "its text does not continue the prefix that was given"),
        (Runaway, r"has the stop string 'Step 2' in it"),
        (Generous, "score: in a call of 1: 2 prefixes are scored"),
        (Moody, "alone, and .* in a call of 2"),
        (Restless, "temperature=0.0.* alone, and .* in a call of 7"),
        (Broken, "generate: a call raised KeyError: 'oops'"),
        (Modest, "no token was generated, and yet there is a text"),
        (Hurt, "requests that were aborted failed with RetryableError"),
        (Deaf, "had not ended after 60 seconds"),
    ],
)
def test_what_breaks_the_contract_is_found_out(broken: type[SimulatedRuntime], words: str) -> None:
    with pytest.raises(ContractViolation, match=words):
        run_virtual(lambda: check_runtime(broken()))


def test_a_server_that_does_not_honour_seeds_may_say_what_it_likes() -> None:
    class Honest(Moody):
        def __init__(self) -> None:
            super().__init__()
            self.capabilities = replace(self.capabilities, honours_seeds=False)

    run_virtual(lambda: check_runtime(Honest()))
