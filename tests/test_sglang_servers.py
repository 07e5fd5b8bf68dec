"""Real SGLang servers without a GPU, as ``asyncsearch launch`` starts them, on the bundled models.

``asyncsearch launch --cpu --prepare`` makes the environment that they run in; ``tox -e sglang`` does so first.
"""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import anyio
import pytest

from asyncsearch import ProblemResult, Rebase, Sampling, SearchContext, Tree, load_problems, solve_dataset
from asyncsearch.strategies import Strategy
from runtimes.base import (
    GenerateRequest,
    GenerateResult,
    Prefix,
    Request,
    Result,
    RuntimeFailure,
    ScoreRequest,
    ScoreResult,
    TokenLabels,
)
from runtimes.http import JsonSession
from runtimes.local import LocalRuntime
from runtimes.sglang import SglangRuntime, sglang_servers

pytestmark = [pytest.mark.sglang, pytest.mark.anyio]

PORT = 31400
LABELS = TokenLabels(good="+", bad="-")


@dataclass(frozen=True, slots=True)
class Pair:
    """Two servers, and the process that keeps them up."""

    policy: str
    reward: str
    policy_process: int


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    logs = tmp_path_factory.mktemp("logs")
    command = [sys.executable, "-m", "asyncsearch", "launch", "pair", "--cpu", "--port", str(PORT), "--log", str(logs)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        assert process.stdout is not None
        said = []
        for line in process.stdout:
            said.append(line)
            if line.startswith("ready"):
                break
        else:
            pytest.fail("".join(said))
        policy, reward = re.findall(r"sglang:(\S+)", said[-1])
        (policy_process,) = re.findall(r"policy answers at .* \(process (\d+)\)", "".join(said))
        yield Pair(policy, reward, int(policy_process))
        process.terminate()
        assert process.wait(60) == 0
    with pytest.raises(OSError, match="refused"):
        socket.create_connection(("127.0.0.1", PORT), timeout=1)


class Collected(dict[Request, Result | RuntimeFailure]):
    def deliver(self, request: Request, outcome: Result | RuntimeFailure) -> None:
        self[request] = outcome


async def until(condition: Callable[[], Any], seconds: float = 60) -> None:
    with anyio.fail_after(seconds):
        while not await condition():  # noqa: ASYNC110 - the server tells nobody
            await anyio.sleep(0.02)


async def test_greedy_text_and_scores_are_those_of_the_local_runtime(
    pair: Pair, policy_directory: Path, reward_directory: Path
) -> None:
    problems = load_problems("arithmetic", limit=8)
    prompts = [Prefix(f"{problem.text}\n") for problem in problems]
    greedy = [GenerateRequest(prefix=one, seed=0, max_new_tokens=200, temperature=0.0) for one in prompts]
    here, there = Collected(), Collected()
    async with LocalRuntime(policy_directory, dtype="float32") as local, SglangRuntime(pair.policy) as server:
        await local.generate(greedy, here.deliver)
        await server.generate(greedy, there.deliver)
    scores = []
    for request in greedy:
        one, other = here[request], there[request]
        assert isinstance(one, GenerateResult)
        assert isinstance(other, GenerateResult)
        assert (one.text, one.finish, one.prefix.token_ids) == (other.text, other.finish, other.prefix.token_ids)
        reads = [Prefix(request.prefix.text)]
        for line in one.text.splitlines(keepends=True):
            reads.append(reads[-1].extend(line if line.endswith("\n") else f"{line}\n"))
        scores.append(ScoreRequest(reads=tuple(reads[1:]), readout=LABELS))
    async with LocalRuntime(reward_directory, dtype="float32") as local, SglangRuntime(pair.reward) as server:
        await local.score(scores, here.deliver)
        await server.score(scores, there.deliver)
    for scored in scores:
        mine, its = here[scored], there[scored]
        assert isinstance(mine, ScoreResult)
        assert isinstance(its, ScoreResult)
        assert its.scores == pytest.approx(mine.scores, abs=1e-4)


async def test_a_search_finds_prefixes_cached_and_scores_new_steps_alone(pair: Pair) -> None:
    trees: list[Tree] = []

    class Observed(Rebase):
        async def search(self, tree: SearchContext) -> None:
            await super().search(tree)
            trees.append(tree.tree)

    problems = load_problems("arithmetic", limit=8)
    strategies: list[Strategy] = [Observed(width=8), Sampling(width=8)]
    runs = await solve_dataset(
        problems, strategies, policy=sglang_servers(pair.policy), reward=sglang_servers(pair.reward)
    )
    assert [run.solved for run in runs] == [len(problems)] * 2
    inner = [node for tree in trees for node in tree.nodes() if node.depth > 1]
    assert sum(node.cached_tokens for node in inner) >= 0.9 * sum(node.prompt_tokens for node in inner)
    # A tag is read from the token after it, and a prefix is reused but for its last token.
    lane = runs[0].statistics.score
    new_text = sum(len(candidate.text) for run in runs for result in run.results() for candidate in result.candidates)
    assert lane.prompt_tokens - lane.cached_tokens < 0.5 * lane.prompt_tokens
    assert lane.prompt_tokens - lane.cached_tokens < new_text


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
            tasks.start_soon(runtime.generate, endless, Collected().deliver)
            await until(lambda: running_at_least(running, 8))
            tasks.cancel_scope.cancel()
        await until(lambda: is_idle(running), seconds=5)


async def running_at_least(running: Callable[[], Any], count: int) -> bool:
    return bool(await running() >= count)


async def is_idle(running: Callable[[], Any]) -> bool:
    return bool(await running() == 0)


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
