"""Runs recomputed from their journals, with no model."""

from __future__ import annotations

from pathlib import Path

import pytest

from asyncsearch import Problem, Rebase, Run, RunDirectoryError, Sampling, SolveOptions, Strategy, solve_dataset
from asyncsearch.replay import Replay, replay
from asyncsearch.results import read_results
from runtimes.simulated import SimulatedRuntime
from runtimes.virtual_clock import run_virtual

pytestmark = pytest.mark.anyio


def run(path: Path, strategy: Strategy, *, seed: int = 0) -> Run:
    problems = [Problem(id=f"p{number}", text=f"problem {number}", answer=str(number % 5)) for number in range(10)]
    runtime = SimulatedRuntime()
    options = SolveOptions(seed=seed, durability=None)
    return run_virtual(
        lambda: solve_dataset(problems, strategy, policy=runtime, reward=runtime, run_dir=path, options=options)
    )


def answers(found: Replay) -> list[tuple[str, str | None]]:
    return [(result.id, result.answer) for result in found.results]


@pytest.fixture
def sampled(tmp_path: Path) -> Path:
    run(tmp_path / "run", Sampling(width=8))
    return tmp_path / "run"


@pytest.mark.parametrize("strategy", [Sampling(width=8), Rebase(width=8), Sampling(width=4, scored=False)])
def test_a_replay_is_the_run(tmp_path: Path, strategy: Strategy) -> None:
    run(tmp_path / "run", strategy)
    found = run_virtual(lambda: replay(tmp_path / "run"))
    assert found.strategy == strategy
    assert (found.unfinished, found.differing) == ((), ())
    written = {result.id: result for result in read_results(tmp_path / "run")}
    for result in found.results:
        assert (result.candidates, result.answer, result.accounts.peak_tokens, result.correct) == (
            written[result.id].candidates,
            written[result.id].answer,
            written[result.id].accounts.peak_tokens,
            written[result.id].correct,
        )


def test_the_first_of_many_samples_are_a_run_of_their_own(sampled: Path, tmp_path: Path) -> None:
    run(tmp_path / "narrow", Sampling(width=3))
    found = run_virtual(lambda: replay(sampled, parameters={"width": 3}))
    written = {result.id: result for result in read_results(tmp_path / "narrow")}
    assert all(result.candidates == written[result.id].candidates for result in found.results)
    assert answers(found) == [(result.id, written[result.id].answer) for result in found.results]


def test_what_was_never_drawn_is_refused(sampled: Path) -> None:
    with pytest.raises(RunDirectoryError, match="of 10 problems draws are missing"):
        run_virtual(lambda: replay(sampled, parameters={"width": 9}))
    with pytest.raises(RunDirectoryError, match="does not hold what rebase takes"):
        run_virtual(lambda: replay(sampled, strategy="rebase"))


def test_other_votes_are_put_to_the_same_candidates(sampled: Path) -> None:
    same = run_virtual(lambda: replay(sampled))
    other = run_virtual(lambda: replay(sampled, vote="best-of-n"))
    assert [result.candidates for result in same.results] == [result.candidates for result in other.results]
    assert answers(same) != answers(other)
    assert other.differing == (), "another vote is no difference"


def test_what_was_not_finished_is_told(sampled: Path) -> None:
    journal = sampled / "journal.bin"
    journal.write_bytes(journal.read_bytes()[:-200])
    lines = (sampled / "results.jsonl").read_bytes().splitlines(keepends=True)
    (sampled / "results.jsonl").write_bytes(b"".join(lines[:5]))
    found = run_virtual(lambda: replay(sampled))
    assert found.unfinished
    assert len(found.unfinished) + len(found.results) == 10


def test_a_result_that_somebody_has_changed_is_found(sampled: Path) -> None:
    results = sampled / "results.jsonl"
    lines = results.read_bytes().splitlines(keepends=True)
    results.write_bytes(lines[0].replace(b'"tokens":', b'"tokens":1', 1) + b"".join(lines[1:]))
    found = run_virtual(lambda: replay(sampled))
    assert len(found.differing) == 1
