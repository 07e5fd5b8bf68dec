"""A real vLLM server without a GPU, asked for completions: ``tox -e vllm``, which has vLLM beside the tests."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest
from outcomes import Outcomes

from asyncsearch import Candidate, Rebase, Run, SolveOptions, load_problems, solve_dataset
from runtimes.base import FinishReason, GenerateRequest, Prefix, ScoreRequest, TokenLabels
from runtimes.local import LocalRuntime
from runtimes.openai import openai_servers

pytestmark = [pytest.mark.vllm, pytest.mark.anyio]

START_SECONDS = 300


@contextmanager
def serving(model: Path, log: Path) -> Iterator[str]:
    """The address of a server of a model, for as long as the block runs."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "vllm.entrypoints.openai.api_server", "--model", str(model), "--port", str(port)]
    # Without the fraction it takes nearly all the machine's memory. Compilation takes longer than the tests.
    command += ["--host", "127.0.0.1", "--dtype", "float32", "--gpu-memory-utilization", "0.2", "--enforce-eager"]
    environment = {**os.environ, "VLLM_CPU_KVCACHE_SPACE": "1"}
    with (
        log.open("wb") as output,
        subprocess.Popen(command, stdout=output, stderr=output, env=environment, start_new_session=True) as process,
    ):
        try:
            until = time.monotonic() + START_SECONDS
            while not answers(f"http://127.0.0.1:{port}/health"):
                assert process.poll() is None, log.read_text()[-3000:]
                assert time.monotonic() < until, "vLLM does not come up"
                time.sleep(0.5)
            yield f"http://127.0.0.1:{port}/v1"
        finally:
            os.killpg(process.pid, signal.SIGTERM)


def answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=5):
            return True
    except (urllib.error.URLError, OSError):
        return False


@pytest.fixture(scope="module")
def policy(policy_directory: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with serving(policy_directory, tmp_path_factory.mktemp("vllm") / "policy.log") as address:
        yield address


def draws(prefixes: Sequence[Prefix], *, temperature: float) -> list[GenerateRequest]:
    return [
        GenerateRequest(prefix=prefix, seed=seed, max_new_tokens=200, temperature=temperature)
        for seed, prefix in enumerate(prefixes)
    ]


async def test_greedy_text_is_that_of_the_local_runtime(policy: str, policy_directory: Path) -> None:
    problems = load_problems("arithmetic", limit=8)
    requests = draws([Prefix(f"{problem.text}\n") for problem in problems], temperature=0.0)
    here, there = Outcomes(), Outcomes()
    async with LocalRuntime(policy_directory, dtype="float32") as local, openai_servers(policy) as server:
        await local.generate(requests, here.deliver)
        await server.generate(requests, there.deliver)
    for request in requests:
        assert there.generated(request).text == here.generated(request).text
        assert there.generated(request).finish is FinishReason.END, "vLLM says null where the model ended by itself"


async def test_equal_seeds_give_equal_text_whatever_else_is_asked(policy: str) -> None:
    """One by one, all at once, and in another order."""
    prefixes = [Prefix(f"{problem.text}\n") for problem in load_problems("arithmetic", limit=6) for _ in range(2)]
    requests = draws(prefixes, temperature=1.0)
    alone, together, backwards = Outcomes(), Outcomes(), Outcomes()
    async with openai_servers(policy) as server:
        assert server.capabilities.honours_seeds
        for request in requests:
            await server.generate([request], alone.deliver)
        await server.generate(requests, together.deliver)
        await server.generate(requests[::-1], backwards.deliver)
    texts = [alone.generated(request).text for request in requests]
    assert texts == [together.generated(request).text for request in requests]
    assert texts == [backwards.generated(request).text for request in requests]
    assert len(set(texts)) > len(texts) / 2, "other seeds give other texts"


async def test_scores_are_those_of_the_local_runtime_and_a_search_is_repeatable(
    policy: str, reward_directory: Path, tmp_path: Path
) -> None:
    problems = load_problems("arithmetic", limit=4)
    with serving(reward_directory, tmp_path / "reward.log") as reward:
        step = Prefix(f"{problems[0].text}\n").extend("Step 1: 1 + 1 = 2\n")
        score = ScoreRequest(reads=(step,), readout=TokenLabels(good="+", bad="-"))
        here, there = Outcomes(), Outcomes()
        async with LocalRuntime(reward_directory, dtype="float32") as local, openai_servers(reward) as server:
            await local.score([score], here.deliver)
            await server.score([score], there.deliver)
        assert there.scored(score).scores == pytest.approx(here.scored(score).scores, abs=1e-4)

        async def search(limit: int) -> Run:
            options = SolveOptions(reward_format="lines", policy_limit=limit, reward_limit=limit)
            return await solve_dataset(
                problems, Rebase(width=4), policy=f"openai:{policy}", reward=f"openai:{reward}", options=options
            )

        wide, narrow = await search(64), await search(3)
    assert (wide.solved, narrow.solved) == (4, 4)
    assert [texts(result.candidates) for result in wide.results()] == [
        texts(result.candidates) for result in narrow.results()
    ]


def texts(candidates: Sequence[Candidate]) -> list[str]:
    return [candidate.text for candidate in candidates]
