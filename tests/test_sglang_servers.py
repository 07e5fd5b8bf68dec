"""Real SGLang servers without a GPU, as ``asyncsearch launch`` starts them, on the bundled models.

``asyncsearch launch --cpu --prepare`` makes the environment that they run in; ``tox -e sglang`` does so first.
"""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import anyio
import pytest
import torch
from outcomes import Outcomes
from reference_head import reference_scores
from transformers import AutoTokenizer

from asyncsearch import (
    ProblemResult,
    Rebase,
    Sampling,
    SearchContext,
    SolveOptions,
    Tree,
    load_problems,
    make_strategy,
    read_results,
    solve_dataset,
    strategy_names,
)
from asyncsearch.finetune.configuration import RewardFinetuning
from asyncsearch.finetune.finetuning import finetune_reward
from asyncsearch.journal import NodeRecords, read_journal
from asyncsearch.replay import replay
from asyncsearch.rewards import recognise_reward_format
from asyncsearch.rewards.conversion import convert_reward_head
from asyncsearch.strategies import Strategy
from asyncsearch.testing import check_runtime
from asyncsearch.training_data import TrainingSolution
from runtimes.base import Deliver, GenerateRequest, Prefix, ScoreRequest, TokenLabels
from runtimes.http import JsonSession
from runtimes.local import LocalRuntime
from runtimes.openai import openai_servers
from runtimes.sglang import SglangRuntime, sglang_servers
from runtimes.text import TextCodec
from runtimes.tokens import PrefixTokens

pytestmark = [pytest.mark.sglang, pytest.mark.anyio]

PORT = 31400
LABELS = TokenLabels(good="+", bad="-")


@dataclass(frozen=True, slots=True)
class Pair:
    """Two servers, and the process that keeps them up."""

    policy: str
    reward: str
    policy_process: int


@contextmanager
def launched(*arguments: str, logs: Path, flags: Sequence[str] = ()) -> Iterator[list[str]]:
    """What ``asyncsearch launch`` says until its servers are ready, for as long as the block runs."""
    command = [sys.executable, "-m", "asyncsearch", "launch", *arguments, "--cpu", "--log", str(logs), "--", *flags]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        assert process.stdout is not None
        said = []
        for line in process.stdout:
            said.append(line)
            if line.startswith("ready"):
                break
        else:
            pytest.fail("".join(said))
        try:
            yield said
        finally:
            process.terminate()
            assert process.wait(60) == 0


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    logs = tmp_path_factory.mktemp("logs")
    with launched("pair", "--port", str(PORT), logs=logs, flags=["--enable-metrics"]) as said:
        policy, reward = re.findall(r"sglang:(\S+)", said[-1])
        (policy_process,) = re.findall(r"policy answers at .* \(process (\d+)\)", "".join(said))
        yield Pair(policy, reward, int(policy_process))
    with pytest.raises(OSError, match="refused"):
        socket.create_connection(("127.0.0.1", PORT), timeout=1)


async def until(condition: Callable[[], Any], seconds: float = 60) -> None:
    with anyio.fail_after(seconds):
        while not await condition():  # noqa: ASYNC110 - the server tells nobody
            await anyio.sleep(0.02)


async def test_greedy_text_and_scores_are_those_of_the_local_runtime(
    pair: Pair, policy_directory: Path, reward_directory: Path
) -> None:
    problems = load_problems("arithmetic", limit=8)
    greedy = [
        GenerateRequest(prefix=Prefix(f"{problem.text}\n"), seed=0, max_new_tokens=200, temperature=0.0)
        for problem in problems
    ]
    here, there, completions = Outcomes(), Outcomes(), Outcomes()
    async with LocalRuntime(policy_directory, dtype="float32") as local:
        await local.generate(greedy, here.deliver)
    async with SglangRuntime(pair.policy) as native, openai_servers(f"{pair.policy}/v1") as compatible:
        await native.generate(greedy, there.deliver)
        await compatible.generate(greedy, completions.deliver)
        assert not native.capabilities.honours_seeds
        assert not compatible.capabilities.honours_seeds
    scores = []
    for request in greedy:
        mine, its = here.generated(request), there.generated(request)
        assert (mine.text, mine.finish, mine.prefix.token_ids) == (its.text, its.finish, its.prefix.token_ids)
        assert (mine.text, mine.finish) == (completions.generated(request).text, completions.generated(request).finish)
        reads = [Prefix(request.prefix.text)]
        for line in mine.text.splitlines(keepends=True):
            reads.append(reads[-1].extend(line if line.endswith("\n") else f"{line}\n"))
        scores.append(ScoreRequest(reads=tuple(reads[1:]), readout=LABELS))
    async with LocalRuntime(reward_directory, dtype="float32") as local:
        await local.score(scores, here.deliver)
    async with SglangRuntime(pair.reward) as native, openai_servers(f"{pair.reward}/v1") as compatible:
        await native.score(scores, there.deliver)
        await compatible.score(scores, completions.deliver)
    for scored in scores:
        assert there.scored(scored).scores == pytest.approx(here.scored(scored).scores, abs=1e-4)
        assert completions.scored(scored).scores == pytest.approx(here.scored(scored).scores, abs=1e-4)


async def test_a_search_on_completions_solves_what_there_is(pair: Pair) -> None:
    problems = load_problems("arithmetic", limit=4)
    options = SolveOptions(reward_format="lines")
    run = await solve_dataset(
        problems,
        Rebase(width=4),
        policy=openai_servers(f"{pair.policy}/v1"),
        reward=openai_servers(f"{pair.reward}/v1"),
        options=options,
    )
    assert (run.solved, run.failed) == (len(problems), 0)


@dataclass(frozen=True, slots=True)
class Tokens:
    """Tokens by a server's own count: computed of prompts, and generated."""

    prompt: int
    generated: int

    def since(self, before: Tokens) -> Tokens:
        return Tokens(self.prompt - before.prompt, self.generated - before.generated)


async def counted(address: str) -> Tokens:
    """What a server's metrics say."""
    async with aiohttp.ClientSession() as session, session.get(f"{address}/metrics") as answer:
        lines = (await answer.text()).splitlines()

    def total(name: str) -> int:
        return int(sum(float(line.split()[-1]) for line in lines if line.startswith((f"{name}{{", f"{name} "))))

    cached = total("sglang:cached_tokens_total")
    return Tokens(total("sglang:prompt_tokens_total") - cached, total("sglang:generation_tokens_total"))


class Overheard(SglangRuntime):
    """Adds up what the server says of its answers."""

    def __init__(self, address: str) -> None:
        super().__init__(address)
        self.prompt = self.generated = 0
        post = self._session.post

        async def overhear(path: str, body: Any) -> Any:
            answer = await post(path, body)
            for one in answer if isinstance(answer, list) else [answer] if isinstance(answer, dict) else []:
                usage = one["meta_info"]
                self.prompt += usage["prompt_tokens"] - usage["cached_tokens"]
                self.generated += usage["completion_tokens"]
            return answer

        self._session.post = overhear  # type: ignore[method-assign]


async def test_the_accounts_are_those_of_the_servers(pair: Pair) -> None:
    before = [await counted(address) for address in (pair.policy, pair.reward)]
    policy, reward = Overheard(pair.policy), Overheard(pair.reward)
    problems = load_problems("arithmetic", limit=12)
    strategies = [Rebase(width=4), Sampling(width=4)]
    runs = await solve_dataset(problems, strategies, policy=policy, reward=reward, options=SolveOptions(seed=11))
    after = [await counted(address) for address in (pair.policy, pair.reward)]
    accounts = runs[0].accounts + runs[1].accounts
    assert accounts.policy.wasted_tokens == accounts.reward.wasted_tokens == 0
    mine = Tokens(accounts.policy.prompt_tokens, accounts.policy.generated_tokens)
    assert mine == Tokens(policy.prompt, policy.generated) == after[0].since(before[0])
    its = Tokens(accounts.reward.prompt_tokens, accounts.reward.generated_tokens)
    assert its == Tokens(reward.prompt, reward.generated) == after[1].since(before[1])
    assert accounts.flops is not None
    assert accounts.flops > 0


async def test_what_was_drawn_before_a_kill_is_in_the_final_trees(pair: Pair, tmp_path: Path) -> None:
    """Nobody honours seeds here, so that a draw that were made again would be another."""
    out = tmp_path / "run"
    run = [
        "solve",
        "arithmetic",
        "--limit",
        "24",
        "--strategy",
        "rebase",
        "--width",
        "8",
        "--out",
        str(out),
        "--resume",
    ]
    models = ["--policy", f"sglang:{pair.policy}", "--reward", f"sglang:{pair.reward}"]
    command = [sys.executable, "-m", "asyncsearch", *run, *models]

    def journaled() -> dict[tuple[str, tuple[int, ...]], NodeRecords]:
        if not (out / "journal.bin").exists():
            return {}
        found = read_journal(out / "journal.bin")
        return {(problem.id, path): known for problem, nodes in found for path, known in nodes.items()}

    kept: dict[tuple[str, tuple[int, ...]], NodeRecords] = {}
    for _ in range(3):
        async with await anyio.open_process(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
            with anyio.fail_after(120):
                while len(journaled()) < len(kept) + 60:
                    assert process.returncode is None
                    await anyio.sleep(0.02)
            os.kill(process.pid, signal.SIGKILL)
        again = journaled()
        assert all(again[place].generated == known.generated for place, known in kept.items())
        kept = again
    done = await anyio.run_process(command, check=False)
    assert done.returncode == 0, done.stderr.decode()
    final = journaled()
    assert len(final) > len(kept)
    for place, known in kept.items():
        assert final[place].generated == known.generated
        assert known.scored in (None, final[place].scored)
    replayed = await replay(out)
    assert (replayed.unfinished, replayed.differing) == ((), ())
    assert [result.candidates for result in replayed.results] == [result.candidates for result in read_results(out)]


class Recording(SglangRuntime):
    """Keeps the score requests that were answered, in order."""

    def __init__(self, address: str) -> None:
        super().__init__(address)
        self.scored: list[ScoreRequest] = []

    async def score(self, requests: Sequence[ScoreRequest], deliver: Deliver) -> None:
        self.scored.extend(requests)
        await super().score(requests, deliver)


async def test_a_search_finds_prefixes_cached_and_scores_new_steps_alone(pair: Pair, reward_directory: Path) -> None:
    trees: list[Tree] = []

    class Observed(Rebase):
        async def search(self, tree: SearchContext) -> None:
            await super().search(tree)
            trees.append(tree.tree)

    problems = load_problems("arithmetic", limit=48)[40:]  # which no other test has had computed before
    strategies: list[Strategy] = [Observed(width=8), Sampling(width=8)]
    reward = Recording(pair.reward)
    runs = await solve_dataset(problems, strategies, policy=sglang_servers(pair.policy), reward=reward)
    assert [run.solved for run in runs] == [len(problems)] * 2
    inner = [node for tree in trees for node in tree.nodes() if node.depth > 1]
    usages = [node.policy.usage for node in inner]
    assert sum(usage.cached_tokens for usage in usages) >= 0.9 * sum(usage.prompt_tokens for usage in usages)

    # Every token of a tree is computed once, but for the one before what is read.
    tokens = PrefixTokens(TextCodec(AutoTokenizer.from_pretrained(reward_directory)))
    of_a_tree = {
        (root, *text[: length + 1])
        for request in reward.scored
        for *_, root in [request.prefix.segments()]
        for text in [tokens.of(request.prefix)]
        for length in range(len(text))
    }
    of_all = {text[1:] for text in of_a_tree}
    lane = runs[0].statistics.score
    computed = lane.prompt_tokens - lane.cached_tokens
    assert len(of_all) <= computed <= len(of_a_tree) + len(reward.scored)
    assert len(of_a_tree) < 0.5 * lane.prompt_tokens


async def test_a_converted_reward_head_scores_as_the_reference_does(two_row_head: Path, tmp_path: Path) -> None:
    converted = tmp_path / "converted"
    convert_reward_head(two_row_head, converted)
    tokens = PrefixTokens(TextCodec(AutoTokenizer.from_pretrained(two_row_head)))
    outcomes = Outcomes()
    with launched("reward", str(converted), "--port", str(PORT + 2), logs=tmp_path) as said:
        (address,) = re.findall(r"sglang:(\S+)", said[-1])
        async with SglangRuntime(address) as runtime:
            format = recognise_reward_format("auto", runtime.capabilities)
            opening = format.opening_for("A bakery has 250 rolls and sells 31. How many are left?")
            first = format.extend(opening, "Step 1: 250 - 31 = 219", first=True)
            forks = [
                ScoreRequest(reads=(first, format.extend(first, step, first=False)), readout=format.readout)
                for step in ("Step 2: 219 / 3 = 73", "The answer is: 219", "Step 2: 219 + 2 = 221")
            ]
            await runtime.score(forks, outcomes.deliver)
            deeper = ScoreRequest(
                reads=(format.extend(forks[0].prefix, "The answer is: 73", first=False),), readout=format.readout
            )
            await runtime.score([deeper], outcomes.deliver)
    assert format.name == "reference-head"
    for request in (*forks, deeper):
        text = torch.tensor([tokens.of(request.prefix)])
        expected = reference_scores(two_row_head, text)[0, tokens.read_positions(request.reads)]
        assert outcomes.scored(request).scores == pytest.approx(expected.tolist(), abs=1e-4)
    step = outcomes.scored(deeper)
    assert step.usage.prompt_tokens - step.usage.cached_tokens <= len(tokens.of_segment(deeper.prefix)) + 1


@pytest.mark.parametrize(("reward_format", "port"), [("lines", 4), ("reference-head", 5)])
async def test_what_was_trained_is_served_as_it_is(reward_format: str, port: int, tmp_path: Path) -> None:
    """The directory that a training writes opens in SGLang, and scores as in this process."""
    solution = TrainingSolution(
        problem="A bakery has 250 rolls and sells 31. How many are left?",
        steps=("Step 1: 250 - 31 = 219", "Step 2: 219 / 3 = 73\nThe answer is: 73"),
        labels=(1.0, 0.0),
    )
    (tmp_path / "labelled.jsonl").write_text(json.dumps(solution.to_record()))
    finetuning = RewardFinetuning(
        model="bundled:policy",
        data=(str(tmp_path / "labelled.jsonl"),),
        reward_format=reward_format,
        steps=5,
        batch_size=1,
        max_length=256,
        learning_rate=1e-2,
    )
    trained = tmp_path / "trained"
    finetune_reward(finetuning, trained)
    here, there = Outcomes(), Outcomes()
    with launched("reward", str(trained), "--port", str(PORT + port), logs=tmp_path) as said:
        (address,) = re.findall(r"sglang:(\S+)", said[-1])
        async with SglangRuntime(address) as served, LocalRuntime(trained, dtype="float32") as local:
            format = recognise_reward_format("auto", served.capabilities)
            assert format.name == reward_format
            first = format.extend(format.opening_for(solution.problem), solution.steps[0], first=True)
            reads = (first, format.extend(first, solution.steps[1], first=False))
            request = ScoreRequest(reads=reads, readout=format.readout)
            await served.score([request], there.deliver)
            await local.score([request], here.deliver)
    scores = here.scored(request).scores
    assert scores[0] > 0.6, "it has learned its only solution"
    assert scores[1] < 0.4
    assert there.scored(request).scores == pytest.approx(scores, abs=1e-4)


async def test_every_strategy_searches_over_two_servers_and_is_replayed(pair: Pair, tmp_path: Path) -> None:
    """All at once, so that their requests share batches; a server that honours no seeds is replayed all the same."""
    strategies = [make_strategy(name, {"width": 4}) for name in strategy_names()]
    runs = await solve_dataset(
        load_problems("arithmetic", limit=4),
        strategies,
        policy=sglang_servers(pair.policy),
        reward=sglang_servers(pair.reward),
        run_dir=tmp_path,
    )
    for strategy, run in zip(strategies, runs, strict=True):
        assert (run.solved, run.failed) == (4, 0), strategy.full_name
        assert run.path is not None
        assert (await replay(run.path)).differing == (), strategy.full_name
    assert runs[0].statistics.generate.largest_batch > 16, "more than one strategy alone asks for"


@pytest.mark.parametrize("role", ["policy", "reward"])
async def test_servers_keep_the_contract_of_a_runtime(pair: Pair, role: str) -> None:
    address = pair.policy if role == "policy" else pair.reward
    for runtime in (sglang_servers(address), openai_servers(f"{address}/v1")):
        async with runtime:
            await check_runtime(runtime, generates=role == "policy", scores=role == "reward", readout=LABELS)


async def test_leaving_a_problem_aborts_its_requests(pair: Pair) -> None:
    async with JsonSession(pair.policy) as session, SglangRuntime(pair.policy) as runtime:

        async def running() -> int:
            loads = (await session.get("/v1/loads"))["loads"]
            return sum(load["num_running_reqs"] + load["num_waiting_reqs"] for load in loads)

        endless = [
            GenerateRequest(prefix=Prefix(f"{number} apples\n"), seed=0, max_new_tokens=400, temperature=5.0)
            for number in range(16)
        ]
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(runtime.generate, endless, Outcomes().deliver)
            await until(lambda: running_at_least(running, 8))
            tasks.cancel_scope.cancel()
        await until(lambda: is_idle(running), seconds=5)


async def running_at_least(running: Callable[[], Any], count: int) -> bool:
    return bool(await running() >= count)


async def is_idle(running: Callable[[], Any]) -> bool:
    return bool(await running() == 0)


@pytest.mark.parametrize(
    ("benchmark", "options", "rows"),
    [
        ("sglang_delivery", ("--sequences", "2", "--repeats", "1"), ("steps generated", "steps scored")),
        ("sglang_abort", ("--repeats", "1"), ("abort requests",)),
    ],
)
def test_benchmarks_at_toy_size(pair: Pair, benchmark: str, options: tuple[str, ...], rows: tuple[str, ...]) -> None:
    command = [sys.executable, "-m", f"benchmarks.{benchmark}", pair.policy, *options]
    done = subprocess.run(command, cwd=Path(__file__).parent.parent, capture_output=True, text=True, check=True)
    assert all(row in done.stdout for row in rows)


async def test_a_run_outlives_its_policy_server(pair: Pair) -> None:
    done = 0

    def kill_after_a_few(_: Strategy, __: ProblemResult) -> None:
        nonlocal done
        done += 1
        if done == 3:
            os.kill(pair.policy_process, signal.SIGKILL)

    problems = load_problems("arithmetic", limit=24)
    run = await solve_dataset(
        problems,
        Rebase(width=4),
        policy=sglang_servers(pair.policy),
        reward=sglang_servers(pair.reward),
        on_result=kill_after_a_few,
    )
    assert run.solved == len(problems)
    assert run.failed == 0
    with pytest.raises(ProcessLookupError):
        os.kill(pair.policy_process, 0)
