"""Runs recomputed from their journals, with no model."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import pytest

from asyncsearch import (
    ConfigurationError,
    JournalError,
    Problem,
    Rebase,
    Run,
    RunDirectoryError,
    Sampling,
    SolveOptions,
    Strategy,
    make_strategy,
    solve_dataset,
    strategy_names,
)
from asyncsearch.journal.blocks import BlockReader
from asyncsearch.replay import Replay, replay, replay_anytime
from asyncsearch.run_directory import read_results
from runtimes.base import Deliver, Request, Result, RuntimeFailure, ScoreRequest
from runtimes.simulated import SimulatedRuntime
from runtimes.virtual_clock import run_virtual

pytestmark = pytest.mark.anyio


def run(path: Path, strategy: Strategy, *, seed: int = 0, runtime: SimulatedRuntime | None = None) -> Run:
    problems = [Problem(id=f"p{number}", text=f"problem {number}", answer=str(number % 5)) for number in range(10)]
    runtime = runtime or SimulatedRuntime()
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


EVERY = [
    Sampling(width=8),
    Sampling(width=4, scored=False),
    *(make_strategy(name, {"width": 8}) for name in strategy_names() if ":" not in name and name != "sampling"),
    make_strategy("early-stop:sampling", {"width": 12, "confidence": 0.8}),
    make_strategy("early-stop:rebase", {"width": 12, "confidence": 0.8}),
    make_strategy("speculative:beam", {"width": 8}),
]


@pytest.mark.parametrize("strategy", EVERY, ids=lambda strategy: strategy.full_name)
def test_a_replay_is_the_run(tmp_path: Path, strategy: Strategy) -> None:
    run(tmp_path / "run", strategy)
    found = run_virtual(lambda: replay(tmp_path / "run"))
    assert found.strategy == strategy
    assert (found.unfinished, found.differing) == ((), ()), "token for token, waste and all"
    written = {result.id: result for result in read_results(tmp_path / "run")}
    for result in found.results:
        assert (result.candidates, result.answer, result.accounts.peak_tokens, result.correct) == (
            written[result.id].candidates,
            written[result.id].answer,
            written[result.id].accounts.peak_tokens,
            written[result.id].correct,
        )


@pytest.mark.parametrize("aborts", [True, False])
def test_what_a_search_gave_up_by_itself_is_replayed_too(tmp_path: Path, aborts: bool) -> None:
    strategy = make_strategy("early-stop:rebase", {"width": 16, "confidence": 0.8})
    done = run(tmp_path / "run", strategy, runtime=SimulatedRuntime(aborts=aborts))
    assert not aborts or done.accounts.policy.aborted_tokens > 0
    assert all(result.accounts.peak_tokens for result in done.results())
    assert run_virtual(lambda: replay(tmp_path / "run")).differing == ()
    again = run_virtual(lambda: replay(tmp_path / "run")).accounts
    assert again.without_times() == done.accounts.without_times()


@pytest.mark.parametrize("aborts", [True, False])
def test_what_was_drawn_ahead_in_vain_is_replayed_too(tmp_path: Path, aborts: bool) -> None:
    runtime = SimulatedRuntime(aborts=aborts)
    done = run(tmp_path / "run", make_strategy("speculative:rebase", {"width": 16}), runtime=runtime)
    assert not aborts or done.accounts.policy.speculated_tokens > 0
    again = run_virtual(lambda: replay(tmp_path / "run")).accounts
    assert again.without_times() == done.accounts.without_times()


def test_a_strategy_without_a_name_is_given_itself(tmp_path: Path) -> None:
    class Unnamed(Sampling):
        name = "unnamed"

    run(tmp_path / "run", Unnamed(width=4))
    with pytest.raises(ConfigurationError, match="unknown strategy 'unnamed'"):
        run_virtual(lambda: replay(tmp_path / "run"))
    assert run_virtual(lambda: replay(tmp_path / "run", strategy=Unnamed(width=4))).differing == ()
    narrow = run_virtual(lambda: replay(tmp_path / "run", strategy=Unnamed(width=2)))
    assert {len(result.candidates) for result in narrow.results} == {2}


def test_the_first_of_many_samples_are_a_run_of_their_own(sampled: Path, tmp_path: Path) -> None:
    run(tmp_path / "narrow", Sampling(width=3))
    found = run_virtual(lambda: replay(sampled, parameters={"width": 3}))
    written = {result.id: result for result in read_results(tmp_path / "narrow")}
    assert all(result.candidates == written[result.id].candidates for result in found.results)
    assert answers(found) == [(result.id, written[result.id].answer) for result in found.results]


def test_what_was_never_drawn_is_refused(sampled: Path) -> None:
    with pytest.raises(RunDirectoryError, match="of 10 problems draws are missing"):
        run_virtual(lambda: replay(sampled, parameters={"width": 9}))


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"temperature": 0.5}, "was drawn with temperature 1.0; its journal has nothing for 0.5"),
        ({"top_p": 0.5}, "was drawn with top_p 1.0"),
        ({"max_tokens": 5}, "was drawn with max_tokens 1024"),
        ({"max_step_tokens": 5}, "was drawn with max_step_tokens 256"),
    ],
)
@pytest.mark.parametrize("strategy", [Sampling(width=8), Rebase(width=8)])
def test_other_draws_are_not_taken_for_those_asked_for(
    tmp_path: Path, strategy: Strategy, parameters: dict[str, float], message: str
) -> None:
    run(tmp_path / "run", strategy)
    with pytest.raises(RunDirectoryError, match=message):
        run_virtual(lambda: replay(tmp_path / "run", parameters=parameters))


@pytest.mark.parametrize(("drawn", "asked"), [(Sampling(width=8), "rebase"), (Rebase(width=8), "sampling")])
def test_steps_are_not_taken_for_whole_solutions(tmp_path: Path, drawn: Strategy, asked: str) -> None:
    run(tmp_path / "run", drawn)
    with pytest.raises(RunDirectoryError, match=f"does not hold what {asked} takes"):
        run_virtual(lambda: replay(tmp_path / "run", strategy=asked))


def test_scores_that_nobody_gave_are_refused(tmp_path: Path) -> None:
    run(tmp_path / "run", Sampling(width=8, scored=False))
    with pytest.raises(RunDirectoryError, match="was not scored"):
        run_virtual(lambda: replay(tmp_path / "run", parameters={"scored": True}))


def test_smaller_budgets_are_those_of_runs_of_their_own(sampled: Path, tmp_path: Path) -> None:
    found = run_virtual(lambda: replay_anytime(sampled))
    assert [one.strategy.width for one in found] == [1, 2, 4, 8]
    for one in found:
        run(tmp_path / f"run{one.strategy.width}", Sampling(width=one.strategy.width))
        written = list(read_results(tmp_path / f"run{one.strategy.width}"))
        assert answers(one) == [(result.id, result.answer) for result in written]
        assert one.accuracy.correct == sum(result.correct is True for result in written)
    run(tmp_path / "rebase", Rebase(width=4))
    with pytest.raises(ConfigurationError, match="no run of a smaller width"):
        run_virtual(lambda: replay_anytime(tmp_path / "rebase"))


def test_other_votes_are_put_to_the_same_candidates(sampled: Path) -> None:
    same = run_virtual(lambda: replay(sampled))
    other = run_virtual(lambda: replay(sampled, vote="best-of-n"))
    assert [result.candidates for result in same.results] == [result.candidates for result in other.results]
    assert answers(same) != answers(other)
    assert other.differing == (), "another vote is no difference"


def test_a_search_that_looks_at_the_vote_is_another_one_with_another_vote(tmp_path: Path) -> None:
    run(tmp_path / "run", make_strategy("early-stop:sampling", {"width": 16, "confidence": 0.7}))
    assert run_virtual(lambda: replay(tmp_path / "run", vote="weighted")).differing == (), "that is its own"
    with pytest.raises(RunDirectoryError, match="does not hold what early-stop:sampling takes like this"):
        run_virtual(lambda: replay(tmp_path / "run", vote="best-of-n"))  # which is decided by the last leaf alone


def test_every_budget_is_of_the_problems_that_are_finished_at_the_whole(sampled: Path) -> None:
    journal = sampled / "journal.bin"
    journal.write_bytes(journal.read_bytes()[:-200])
    lines = (sampled / "results.jsonl").read_bytes().splitlines(keepends=True)
    (sampled / "results.jsonl").write_bytes(b"".join(lines[:5]))
    found = run_virtual(lambda: replay_anytime(sampled))
    assert found[-1].unfinished
    assert len({(tuple(result.id for result in one.results), one.unfinished) for one in found}) == 1


def test_what_was_not_finished_is_told(sampled: Path) -> None:
    journal = sampled / "journal.bin"
    journal.write_bytes(journal.read_bytes()[:-200])
    lines = (sampled / "results.jsonl").read_bytes().splitlines(keepends=True)
    (sampled / "results.jsonl").write_bytes(b"".join(lines[:5]))
    found = run_virtual(lambda: replay(sampled))
    assert found.unfinished
    assert len(found.unfinished) + len(found.results) == 10


def test_a_configuration_that_is_not_the_journals_is_refused(sampled: Path) -> None:
    config = sampled / "config.json"
    config.write_bytes(config.read_bytes().replace(b'"seed": 0', b'"seed": 7'))
    with pytest.raises(JournalError, match="is of another run: seed was 0 and is 7"):
        run_virtual(lambda: replay(sampled))


def test_a_result_that_somebody_has_changed_is_found(sampled: Path) -> None:
    results = sampled / "results.jsonl"
    lines = results.read_bytes().splitlines(keepends=True)
    results.write_bytes(lines[0].replace(b'"tokens":', b'"tokens":1', 1) + b"".join(lines[1:]))
    found = run_virtual(lambda: replay(sampled))
    assert len(found.differing) == 1


def test_a_result_of_which_the_journal_has_nothing_is_found(sampled: Path) -> None:
    journal = sampled / "journal.bin"
    with BlockReader(journal) as blocks:
        offsets = [offset for offset, _ in blocks]
    journal.write_bytes(journal.read_bytes()[: offsets[1]])  # the header is left
    found = run_virtual(lambda: replay(sampled))
    assert (found.results, found.unfinished) == ((), ())
    assert found.differing == tuple(f"p{number}" for number in range(10))
    with pytest.raises(RunDirectoryError, match="of 10 problems draws are missing"):
        run_virtual(lambda: replay(sampled, parameters={"width": 4}))


def test_a_run_that_goes_on_is_replayed_as_far_as_it_is(tmp_path: Path) -> None:
    """Whoever looks at it in the middle finds nothing wrong."""

    class Watched(SimulatedRuntime):
        outcomes = 0

        async def score(self, requests: Sequence[ScoreRequest], deliver: Deliver) -> None:
            def watch(request: Request, outcome: Result | RuntimeFailure) -> None:
                self.outcomes += 1
                if self.outcomes % 40 == 0:
                    shutil.copytree(tmp_path / "run", tmp_path / f"at{self.outcomes}")
                deliver(request, outcome)

            await super().score(requests, watch)

    run(tmp_path / "run", Rebase(width=8), runtime=Watched())
    copies = list(tmp_path.glob("at*"))
    assert len(copies) > 3
    for copy in copies:
        found = run_virtual(partial(replay, copy))
        assert found.differing == ()
        assert len(found.results) >= len(list(read_results(copy)))
