"""The client of OpenAI-like servers, against a scripted one that writes and scores the same by both protocols."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
from outcomes import Outcomes
from scripted_sglang import ScriptedServer

from asyncsearch import Rebase, Run, Sampling, SolveOptions, load_problems, solve_dataset
from runtimes.base import (
    FinishReason,
    GenerateRequest,
    HeadMean,
    Prefix,
    RequestRejected,
    RuntimeGone,
    ScoreRequest,
)
from runtimes.openai import OpenAIRuntime, _log_probability
from runtimes.sglang import SglangRuntime

pytestmark = pytest.mark.anyio


async def solve_on(runtime: OpenAIRuntime | SglangRuntime) -> list[Run]:
    problems = load_problems("arithmetic", limit=6)
    strategies = [Rebase(width=4), Sampling(width=4)]
    options = SolveOptions(reward_format="lines")
    return await solve_dataset(problems, strategies, policy=runtime, reward=runtime, options=options)


async def test_both_protocols_give_the_same_trees(policy_directory: Path) -> None:
    async with ScriptedServer(policy_directory).serve() as server:
        native = await solve_on(SglangRuntime(server.address))
        completions = await solve_on(OpenAIRuntime(f"{server.address}/v1"))
    for one, other in zip(native, completions, strict=True):
        assert other.failed == 0
        for mine, its in zip(one.results(), other.results(), strict=True):
            assert [candidate.text for candidate in mine.candidates] == [candidate.text for candidate in its.candidates]
            for left, right in zip(mine.candidates, its.candidates, strict=True):
                assert left.step_scores == pytest.approx(right.step_scores)


@pytest.mark.parametrize(
    ("field", "end"),
    [("matched_stop", FinishReason.END), ("stop_reason", FinishReason.END), (None, FinishReason.STOP)],
)
async def test_servers_say_in_their_own_ways_why_a_text_ended(
    policy_directory: Path, field: str | None, end: FinishReason
) -> None:
    """vLLM says null where the model ended by itself; of a server that says nothing it may have been a stop string."""
    outcomes = Outcomes()
    server = ScriptedServer(policy_directory, stop_field=field)
    async with server.serve(), OpenAIRuntime(f"{server.address}/v1") as runtime:
        root = Prefix("A problem.\n")
        step = GenerateRequest(prefix=root, seed=0, max_new_tokens=200, stop=("Step 2",))
        long = root.extend("".join(f"Step {number}: 1\n" for number in range(1, 5)))
        last = GenerateRequest(prefix=long, seed=0, max_new_tokens=200, stop=("Step 6",))
        await runtime.generate([step, last], outcomes.deliver)
    assert outcomes.generated(step).finish is FinishReason.STOP
    assert "The answer is" in outcomes.generated(last).text
    assert outcomes.generated(last).finish is end


async def test_what_does_not_fit_the_context_is_shortened(policy_directory: Path) -> None:
    outcomes = Outcomes()
    server = ScriptedServer(policy_directory)
    async with server.serve(), OpenAIRuntime(f"{server.address}/v1") as runtime:
        long = "Step 1: 12\n" * 80
        fits = GenerateRequest(prefix=Prefix("A problem.\n"), seed=0, max_new_tokens=1024)
        full = GenerateRequest(prefix=Prefix(long), seed=0, max_new_tokens=1024)
        hopeless = GenerateRequest(prefix=Prefix(long * 3), seed=0, max_new_tokens=1024)
        await runtime.generate([fits, full, hopeless], outcomes.deliver)
    assert outcomes.generated(fits).finish is FinishReason.END
    assert outcomes.generated(full).usage.prompt_tokens + outcomes.generated(full).usage.generated_tokens <= 512
    assert isinstance(outcomes[hopeless], RequestRejected)


async def test_only_vllm_is_relied_on_for_seeds(policy_directory: Path) -> None:
    for owner, honoured in (("vllm", True), ("sglang", False), ("somebody", False)):
        server = ScriptedServer(policy_directory, owner=owner)
        async with server.serve():
            for seeds, expected in ((None, honoured), (True, True), (False, False)):
                async with OpenAIRuntime(f"{server.address}/v1", seeds=seeds) as runtime:
                    assert runtime.capabilities.honours_seeds is expected


async def test_labels_are_told_from_tokens_that_look_like_them() -> None:
    found = {"+": -3.0, " + ": -0.1, " -": -0.5}
    assert _log_probability(found, "+") == -3.0
    assert _log_probability(found, "-") == -0.5
    assert _log_probability(found, "*") == -math.inf


async def test_samples_of_one_prompt_can_be_asked_for_at_once(policy_directory: Path) -> None:
    outcomes = Outcomes()
    server = ScriptedServer(policy_directory)
    async with server.serve(), OpenAIRuntime(f"{server.address}/v1", seeds=False, n_sampling=True) as runtime:
        assert not runtime.capabilities.honours_seeds
        root = Prefix("A problem.\n")
        requests = [GenerateRequest(prefix=root, seed=seed, max_new_tokens=200) for seed in range(5)]
        await runtime.generate(requests, outcomes.deliver)
    results = [outcomes.generated(request) for request in requests]
    assert len(server.prompts) == 1
    assert len({result.text for result in results}) > 1
    assert sum(result.usage.prompt_tokens - result.usage.cached_tokens for result in results) == len(server.prompts[0])
    with pytest.raises(ValueError, match="not both"):
        OpenAIRuntime(server.address, seeds=True, n_sampling=True)


async def test_what_it_cannot_do_is_said(policy_directory: Path) -> None:
    outcomes = Outcomes()
    server = ScriptedServer(policy_directory)
    async with server.serve():
        async with OpenAIRuntime(f"{server.address}/v1") as runtime:
            head = ScoreRequest(reads=(Prefix("x"),), readout=HeadMean())
            await runtime.score([head], outcomes.deliver)
            empty = GenerateRequest(prefix=Prefix(""), seed=0, max_new_tokens=5)
            await runtime.generate([empty], outcomes.deliver)
        with pytest.raises(RuntimeGone, match="404"):
            async with OpenAIRuntime(server.address):
                pass
    assert "cannot be read through completions" in str(outcomes[head])
    assert isinstance(outcomes[empty], RequestRejected)
