"""The command line over a seeded server in another process's place, killed again and again in the middle of a run."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import anyio
import pytest
from scripted_sglang import ScriptedServer

from asyncsearch import ProblemResult, load_problems, read_results
from asyncsearch.accounting import Accounts, ModelAccount
from asyncsearch.journal import read_journal
from asyncsearch.seeds import draw_seed

pytestmark = pytest.mark.anyio

PROBLEMS = 24
KILLS = int(os.environ.get("ASYNCSEARCH_KILLS", "5"))


def solving(server: ScriptedServer, out: Path) -> list[str]:
    models = ["--policy", f"sglang:{server.address}", "--reward", f"sglang:{server.address}"]
    run = ["solve", "arithmetic", "--limit", str(PROBLEMS), "--strategy", "rebase", "--width", "8", "--out", str(out)]
    return [
        sys.executable,
        "-m",
        "asyncsearch",
        *run,
        *models,
        "--reward-format",
        "lines",
        "--in-flight",
        "4",
        "--resume",
    ]


def journaled_seeds(out: Path) -> set[int]:
    """The seeds of the draws that the journal has."""
    if not (out / "journal.bin").exists():
        return set()
    return {
        draw_seed(0, problem.id, path) % 2**31
        for problem, nodes in read_journal(out / "journal.bin")
        for path, known in nodes.items()
        if known.generated is not None
    }


def told(result: ProblemResult) -> bytes:
    """A result's line but for times, and for what happened to be in a cache."""
    generated = ModelAccount(generated_tokens=result.accounts.policy.generated_tokens)
    accounts = Accounts(policy=generated, peak_tokens=result.accounts.peak_tokens)
    return replace(result.without_times(), accounts=accounts).to_json()


async def test_a_run_that_is_killed_again_and_again_ends_as_if_it_had_not_been(
    policy_directory: Path, tmp_path: Path
) -> None:
    async with ScriptedServer(policy_directory).serve() as server:
        done = await anyio.run_process(solving(server, tmp_path / "whole"), check=False)
        assert done.returncode == 0, done.stderr.decode()
        total = len(server.seeds)
    assert total == len(set(server.seeds))
    server = ScriptedServer(policy_directory)
    async with server.serve():
        moments = sorted(random.Random(KILLS).choices(range(1, total), k=KILLS))
        for moment in moments:
            kept, asked = journaled_seeds(tmp_path / "killed"), len(server.seeds)
            async with await anyio.open_process(
                solving(server, tmp_path / "killed"), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
            ) as process:
                with anyio.fail_after(60):
                    while len(journaled_seeds(tmp_path / "killed")) < moment:
                        assert process.returncode is None
                        await anyio.sleep(0.02)
                os.kill(process.pid, signal.SIGKILL)
            assert not kept & set(server.seeds[asked:]), "no journaled draw is generated again"
        kept, asked = journaled_seeds(tmp_path / "killed"), len(server.seeds)
        done = await anyio.run_process(solving(server, tmp_path / "killed"), check=False)
        assert done.returncode == 0, done.stderr.decode()
        assert not kept & set(server.seeds[asked:])
        # Only what was in flight when the process was killed has been asked for twice.
        assert len(server.seeds) - len(set(server.seeds)) <= 4 * KILLS
    assert set(journaled_seeds(tmp_path / "killed")) == set(journaled_seeds(tmp_path / "whole"))
    mine = [told(result) for result in read_results(tmp_path / "killed")]
    assert mine == [told(result) for result in read_results(tmp_path / "whole")]
    assert len(mine) == len(load_problems("arithmetic", limit=PROBLEMS))
    replayed = await anyio.run_process(
        [sys.executable, "-m", "asyncsearch", "replay", str(tmp_path / "killed")], check=False
    )
    assert replayed.returncode == 0, replayed.stderr.decode()
    assert f"{PROBLEMS} problems replayed" in replayed.stdout.decode()
