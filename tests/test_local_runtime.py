"""The embedded runtime on the bundled models: real weights, real tokens."""

from __future__ import annotations

import gc
from collections.abc import Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import anyio
import numpy as np
import pytest
import torch
from reference_head import reference_scores
from transformers import AutoModelForCausalLM, AutoTokenizer

from asyncsearch.datasets import load_problems
from asyncsearch.format import FORMATS
from asyncsearch.rewards import REWARD_FORMATS, recognise_reward_format
from runtimes.base import (
    FinishReason,
    GenerateRequest,
    GenerateResult,
    HeadMean,
    Prefix,
    Readout,
    Request,
    RequestAborted,
    RequestRejected,
    Result,
    RuntimeFailure,
    RuntimeGone,
    ScoreRequest,
    ScoreResult,
)
from runtimes.local import LocalRuntime
from runtimes.local.sampling import draw_tokens, uniforms

PROBLEMS = [problem.text for problem in load_problems("arithmetic", limit=12)]
FORMAT = FORMATS["steps"]
REWARD_FORMAT = REWARD_FORMATS["math-shepherd"]

pytestmark = pytest.mark.anyio


def prompt(number: int) -> Prefix:
    return Prefix(FORMAT.prompt_for(PROBLEMS[number]))


def score_request(prefix: Prefix, steps: int, readout: Readout = REWARD_FORMAT.readout) -> ScoreRequest:
    """Score the last so many segments."""
    return ScoreRequest(reads=tuple(islice(prefix.segments(), steps))[::-1], readout=readout)


async def outcomes(runtime: LocalRuntime, requests: Sequence[Request]) -> list[Result | RuntimeFailure]:
    found: dict[Request, Result | RuntimeFailure] = {}

    def deliver(request: Request, outcome: Result | RuntimeFailure) -> None:
        assert request not in found, "delivered twice"
        found[request] = outcome

    if isinstance(requests[0], GenerateRequest):
        await runtime.generate([one for one in requests if isinstance(one, GenerateRequest)], deliver)
    else:
        await runtime.score([one for one in requests if isinstance(one, ScoreRequest)], deliver)
    return [found[request] for request in requests]


async def generate(runtime: LocalRuntime, requests: Sequence[GenerateRequest]) -> list[GenerateResult]:
    results = await outcomes(runtime, requests)
    assert all(isinstance(result, GenerateResult) for result in results), results
    return [result for result in results if isinstance(result, GenerateResult)]


async def score(runtime: LocalRuntime, requests: Sequence[ScoreRequest]) -> list[ScoreResult]:
    results = await outcomes(runtime, requests)
    assert all(isinstance(result, ScoreResult) for result in results), results
    return [result for result in results if isinstance(result, ScoreResult)]


def sample(number: int, seed: int, **options: object) -> GenerateRequest:
    return GenerateRequest(prefix=prompt(number), seed=seed, max_new_tokens=80, **options)  # type: ignore[arg-type]


async def test_greedy_equals_transformers_generate(policy_directory: Path) -> None:
    tokenizer = AutoTokenizer.from_pretrained(policy_directory)
    model: Any = AutoModelForCausalLM.from_pretrained(policy_directory, dtype=torch.float64)
    async with LocalRuntime(policy_directory) as runtime:
        ours = await generate(runtime, [sample(number, 0, temperature=0.0) for number in range(6)])
    for number, result in enumerate(ours):
        inputs = tokenizer(prompt(number).text, return_tensors="pt")
        theirs = model.generate(**inputs, max_new_tokens=80, do_sample=False)[0, inputs["input_ids"].shape[1] :]
        assert result.text == tokenizer.decode(theirs, skip_special_tokens=True)


async def test_a_sequence_depends_on_its_seed_and_prefix_and_not_on_its_batch(policy_directory: Path) -> None:
    requests = [sample(number, seed, temperature=1.0) for number in range(8) for seed in range(4)]

    async def texts(chosen: Sequence[GenerateRequest], *, rows: int) -> list[str]:
        async with LocalRuntime(policy_directory, rows=rows) as runtime:
            return [result.text for result in await generate(runtime, chosen)]

    def again(number: int) -> GenerateRequest:
        return sample(number // 4, number % 4, temperature=1.0)

    together = await texts(requests, rows=256)
    assert len(set(together)) > len(together) // 2, "seeds make no difference"
    assert together == await texts([again(number) for number in range(32)], rows=5)
    assert together[::-1] == await texts([again(number) for number in reversed(range(32))], rows=17)
    for number in (0, 13, 31):
        assert [together[number]] == await texts([again(number)], rows=1)


async def test_continuing_a_generated_prefix_equals_starting_afresh(policy_directory: Path) -> None:
    """Keys and values that were kept give the same as computing them again."""
    async with LocalRuntime(policy_directory) as runtime:
        first = (await generate(runtime, [sample(0, 7, stop=("Step 2",))]))[0]
        assert first.finish is FinishReason.STOP
        assert first.text.startswith("Step 1")
        assert "Step 2" not in first.text
        follow = GenerateRequest(prefix=first.prefix, seed=8, max_new_tokens=60)
        continued = (await generate(runtime, [follow]))[0]
    assert continued.usage.cached_tokens == continued.usage.prompt_tokens - 1, "the prefix was computed again"
    async with LocalRuntime(policy_directory) as runtime:
        fresh = prompt(0).extend(first.text, first.prefix.token_ids)
        anew = (await generate(runtime, [GenerateRequest(prefix=fresh, seed=8, max_new_tokens=60)]))[0]
    assert anew.usage.cached_tokens == 0
    assert (anew.text, anew.prefix.token_ids) == (continued.text, continued.prefix.token_ids)


async def test_forks_compute_their_prefix_once(policy_directory: Path) -> None:
    prefix = prompt(0)
    requests = [GenerateRequest(prefix=prefix, seed=seed, max_new_tokens=5) for seed in range(8)]
    async with LocalRuntime(policy_directory) as runtime:
        results = await generate(runtime, requests)
    new = [result.usage.prompt_tokens - result.usage.cached_tokens for result in results]
    assert new[0] == results[0].usage.prompt_tokens
    assert new[1:] == [1] * 7


async def test_limits_and_stops(policy_directory: Path) -> None:
    async with LocalRuntime(policy_directory) as runtime:
        cut, ended = await generate(
            runtime,
            [
                GenerateRequest(prefix=prompt(0), seed=0, max_new_tokens=3, temperature=0.0),
                GenerateRequest(prefix=prompt(0), seed=0, max_new_tokens=300, temperature=0.0),
            ],
        )
        assert (cut.finish, cut.usage.generated_tokens) == (FinishReason.LENGTH, 3)
        assert ended.finish is FinishReason.END
        assert "The answer is: " in ended.text
        (inside,) = await generate(runtime, [sample(0, 0, temperature=0.0, stop=("he answer",))])
        assert inside.text == ended.text[: ended.text.index("he answer")], "a stop string inside a token"


async def test_top_p_of_nearly_nothing_is_greedy(policy_directory: Path) -> None:
    async with LocalRuntime(policy_directory) as runtime:
        greedy, narrow = await generate(
            runtime, [sample(1, 5, temperature=0.0), sample(1, 5, temperature=1.0, top_p=1e-9)]
        )
    assert greedy.text == narrow.text


def steps_prefix(number: int, steps: Sequence[str]) -> Prefix:
    prefix = REWARD_FORMAT.opening_for(PROBLEMS[number])
    for index, step in enumerate(steps):
        prefix = REWARD_FORMAT.extend(prefix, step, first=index == 0)
    return prefix


STEPS = ("Step 1: 90 * 8 = 720\n", "Step 2: 720 + 65 = 785\n", "Step 3: 785 - 448 = 337\nThe answer is: 337")


async def test_scores_equal_a_plain_forward_pass(reward_directory: Path) -> None:
    tokenizer = AutoTokenizer.from_pretrained(reward_directory)
    model = AutoModelForCausalLM.from_pretrained(reward_directory, dtype=torch.float64)
    prefix = steps_prefix(0, STEPS)
    tokens = tokenizer(prefix.full_text(), return_tensors="pt")["input_ids"]
    good, bad = (tokenizer.encode(label)[-1] for label in "+-")
    tag = tokenizer.encode(" ки")[-1]
    logits = model(tokens).logits[0][tokens[0] == tag][:, [good, bad]]
    expected = logits.softmax(dim=-1)[:, 0].tolist()
    async with LocalRuntime(reward_directory) as runtime:
        (result,) = await score(runtime, [score_request(prefix, 3)])
    assert result.scores == pytest.approx(expected, abs=1e-6)


async def test_only_the_new_step_is_scored(reward_directory: Path) -> None:
    two = steps_prefix(0, STEPS[:2])
    three = REWARD_FORMAT.extend(two, STEPS[2], first=False)
    async with LocalRuntime(reward_directory) as runtime:
        (first,) = await score(runtime, [score_request(two, 2)])
        (second,) = await score(runtime, [score_request(three, 1)])
        (again,) = await score(runtime, [score_request(steps_prefix(0, STEPS), 3)])
    assert second.usage.cached_tokens == first.usage.prompt_tokens
    assert again.scores == first.scores + second.scores, "one by one or all at once, the scores are the same"


async def test_scores_do_not_depend_on_the_batch(reward_directory: Path) -> None:
    def requests() -> list[ScoreRequest]:
        return [score_request(steps_prefix(number, STEPS[:steps]), steps) for number in range(8) for steps in (1, 2, 3)]

    async with LocalRuntime(reward_directory) as runtime:
        together = [result.scores for result in await score(runtime, requests())]
        alone = [(await score(runtime, [one]))[0].scores for one in requests()]
    assert together == alone


async def test_a_small_store_forgets_and_computes_again(policy_directory: Path) -> None:
    async def texts(cache_bytes: int) -> list[str]:
        found: list[str] = []
        async with LocalRuntime(policy_directory, cache_bytes=cache_bytes) as runtime:
            prefixes = [prompt(number) for number in range(6)]
            for depth in range(2, 5):
                results = await generate(
                    runtime,
                    [
                        GenerateRequest(prefix=prefix, seed=1, max_new_tokens=40, stop=(f"Step {depth}",))
                        for prefix in prefixes
                    ],
                )
                prefixes = [result.prefix for result in results]
                found += [result.text for result in results]
        return found

    assert await texts(1 << 30) == await texts(100_000)


async def test_what_is_kept_of_a_prefix_goes_with_it(policy_directory: Path) -> None:
    async with LocalRuntime(policy_directory) as runtime:
        await generate(runtime, [sample(number, 0) for number in range(4)])
        gc.collect()
        await generate(runtime, [sample(5, 0)])
        assert runtime._engine is not None
        assert len(runtime._engine._store._segments) <= 2


async def test_one_bad_request_fails_alone(policy_directory: Path) -> None:
    long = Prefix("Step " * 2000)
    async with LocalRuntime(policy_directory) as runtime:
        good = sample(0, 0)
        bad = GenerateRequest(prefix=long, seed=0, max_new_tokens=5)
        empty = GenerateRequest(prefix=Prefix(""), seed=0, max_new_tokens=5)
        results = await outcomes(runtime, [bad, good, empty])
    assert isinstance(results[0], RequestRejected)
    assert "arithmetic/policy has 512" in str(results[0])
    assert isinstance(results[1], GenerateResult)
    assert isinstance(results[2], RequestRejected)


async def test_what_is_not_a_number_stays_where_it_arose(policy_directory: Path, tmp_path: Path) -> None:
    tokenizer = AutoTokenizer.from_pretrained(policy_directory)
    model = AutoModelForCausalLM.from_pretrained(policy_directory)
    with torch.no_grad():
        model.model.embed_tokens.weight[tokenizer.encode("~")] = torch.nan
    model.save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    broken = GenerateRequest(prefix=Prefix("~" * 100), seed=0, max_new_tokens=5)
    async with LocalRuntime(policy_directory) as runtime:
        expected = [result.text for result in await generate(runtime, [sample(number, 0) for number in range(4)])]
    async with LocalRuntime(tmp_path) as runtime:
        results = await outcomes(runtime, [broken, *(sample(number, 0) for number in range(4))])
        assert isinstance(results[0], RequestRejected)
        assert "not numbers" in str(results[0])
        assert [result.text for result in results[1:] if isinstance(result, GenerateResult)] == expected
        later = await generate(runtime, [sample(number, 0) for number in range(4)])
        assert [result.text for result in later] == expected


async def test_abort_and_cancellation_free_the_batch(policy_directory: Path) -> None:
    async with LocalRuntime(policy_directory, rows=4) as runtime:
        slow = [GenerateRequest(prefix=prompt(number % 12), seed=number, max_new_tokens=400) for number in range(40)]
        found: dict[Request, Result | RuntimeFailure] = {}

        def deliver(request: Request, outcome: Result | RuntimeFailure) -> None:
            found[request] = outcome
            if len(found) == 4:
                scope.cancel()

        with anyio.CancelScope() as scope:
            await runtime.generate(slow, deliver)
        assert len(found) < 40
        await generate(runtime, [sample(0, 0)])
        assert runtime._engine is not None
        assert not runtime._engine._running
        assert not runtime._engine._waiting

        aborted: dict[Request, Result | RuntimeFailure] = {}
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(runtime.generate, slow, lambda request, outcome: aborted.update({request: outcome}))
            while len(aborted) < 2:
                await anyio.lowlevel.checkpoint()
            await runtime.abort(slow)
        assert len(aborted) == 40
        assert sum(isinstance(outcome, RequestAborted) for outcome in aborted.values()) > 20


async def test_capabilities_and_use_while_closed(policy_directory: Path) -> None:
    runtime = LocalRuntime(policy_directory)
    with pytest.raises(RuntimeGone, match="not open"):
        _ = runtime.capabilities
    with pytest.raises(RuntimeGone, match="not open"):
        await runtime.generate([sample(0, 0)], lambda *_: None)
    async with runtime:
        async with runtime:  # opened twice, loaded once
            assert runtime.capabilities.honours_seeds
        assert runtime.capabilities.largest_batch == 256
    async with LocalRuntime(policy_directory, dtype="float32") as other:
        assert not other.capabilities.honours_seeds


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "no such directory"),
        ({}, "has no config.json"),
        ({"config.json": "{"}, "cannot be loaded"),
        ({"config.json": '{"model_type": "llama"}'}, "cannot be loaded"),
        ({"config.json": '{"model_type": "no-such-model"}'}, "cannot be loaded"),
        ({"config.json": '{"model_type": "llama", "hidden_size": "64"}'}, "cannot be loaded"),
    ],
)
async def test_a_directory_that_is_no_model(tmp_path: Path, content: dict[str, str] | None, message: str) -> None:
    directory = tmp_path / "model"
    if content is not None:
        directory.mkdir()
        for name, text in content.items():
            (directory / name).write_text(text)
    with pytest.raises(RuntimeGone, match=message) as raised:
        async with LocalRuntime(directory):
            pass
    assert "\n" not in str(raised.value)


async def test_the_references_head(two_row_head: Path) -> None:
    """The reference's reward model: the vocabulary in the embedding, two rows in the head, their mean's sigmoid."""
    prefix = steps_prefix(0, STEPS)
    async with LocalRuntime(two_row_head) as runtime:
        assert runtime.capabilities.output_rows == 2
        assert recognise_reward_format("auto", runtime.capabilities).name == "reference-head"
        (result,) = await score(runtime, [score_request(prefix, 3, HeadMean())])
    tokenizer = AutoTokenizer.from_pretrained(two_row_head)
    tokens = tokenizer(prefix.full_text(), return_tensors="pt")["input_ids"]
    tag = tokenizer.encode(" ки")[-1]
    expected = reference_scores(two_row_head, tokens)[0][tokens[0] == tag].tolist()
    assert result.scores == pytest.approx(expected, abs=1e-6)


def test_uniforms_are_uniform_and_depend_on_both_arguments() -> None:
    seeds, positions = np.meshgrid(np.arange(200, dtype=np.uint64), np.arange(200, dtype=np.uint64))
    numbers = uniforms(seeds.ravel(), positions.ravel())
    assert len(np.unique(numbers)) == 40_000
    assert 0 <= numbers.min() < numbers.max() < 1
    counts, _ = np.histogram(numbers, bins=100, range=(0, 1))
    # Chi-square with 99 degrees of freedom: above 161 once in 10,000 seeds, and these are fixed.
    assert ((counts - 400) ** 2 / 400).sum() < 161


def test_tokens_are_drawn_with_their_probabilities() -> None:
    logits = torch.tensor([0.1, 0.2, 0.7]).log().expand(30_000, 3)
    numbers = torch.as_tensor(uniforms(np.arange(30_000, dtype=np.uint64), np.zeros(30_000, np.uint64)))
    ones = torch.ones(30_000, dtype=torch.float64)
    drawn = draw_tokens(logits, ones, ones, numbers)
    shares = torch.bincount(drawn, minlength=3) / 30_000
    assert shares.tolist() == pytest.approx([0.1, 0.2, 0.7], abs=0.01)
    top = draw_tokens(logits, ones, ones * 0.85, numbers)
    assert set(top.tolist()) == {1, 2}
    assert draw_tokens(logits[:2], torch.tensor([0.0, 0.0]).double(), ones[:2], numbers[:2]).tolist() == [2, 2]
