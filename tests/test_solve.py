"""Whole runs over a simulated server: results, determinism, failures, interruption, memory."""

from __future__ import annotations

import asyncio
import errno
import gc
import io
import random
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import anyio
import pytest

from asyncsearch import (
    ConfigurationError,
    DatasetError,
    ModelError,
    ModelGone,
    Problem,
    ProblemResult,
    Rebase,
    Run,
    RunDirectoryError,
    Sampling,
    SolveOptions,
    StorageError,
    Strategy,
    Tree,
    read_results,
    solve,
    solve_dataset,
)
from asyncsearch.answers.countdown_grader import CountdownGrader
from asyncsearch.context import SearchContext
from asyncsearch.evaluation import Method, evaluate
from asyncsearch.results import Candidate
from asyncsearch.run_directory import read_config
from asyncsearch.run_directory.results_file import ResultsFile
from runtimes.base import Deliver, GenerateRequest, RetryableError, RuntimeGone
from runtimes.simulated import Faults, SimulatedRuntime, World
from runtimes.virtual_clock import run_virtual


def problems(count: int) -> list[Problem]:
    return [Problem(id=f"p{number}", text=f"problem {number}", answer=str(number % 5)) for number in range(count)]


def without_times(path: Path) -> list[bytes]:
    return [result.without_times().to_json() for result in read_results(path)]


def run(
    chosen: Sequence[Problem],
    strategy: Strategy,
    *,
    run_dir: Path | None = None,
    options: SolveOptions = SolveOptions(),
    faults: Faults = Faults(),
) -> Run:
    runtime = SimulatedRuntime(faults=faults)
    return run_virtual(
        lambda: solve_dataset(chosen, strategy, policy=runtime, reward=runtime, run_dir=run_dir, options=options)
    )


def test_a_run_says_what_came_of_every_problem(tmp_path: Path) -> None:
    done = run(problems(30), Rebase(width=8), run_dir=tmp_path / "run")
    results = list(done.results())
    assert [result.id for result in results] == [f"p{number}" for number in range(30)]
    assert (done.solved, done.failed, done.graded) == (30, 0, 30)
    assert done.correct == sum(result.correct is True for result in results)
    assert done.accounts.policy.generated_tokens == sum(result.accounts.policy.generated_tokens for result in results)
    for result in results:
        assert len(result.candidates) == 8
        assert result.answer in {candidate.answer for candidate in result.candidates}
        assert result.correct == (result.answer == result.reference)
        for candidate in result.candidates:
            assert len(candidate.step_scores) == candidate.text.count("Step ")


def test_results_do_not_depend_on_limits_or_faults(tmp_path: Path) -> None:
    chosen = problems(25)
    run(chosen, Rebase(), run_dir=tmp_path / "a")
    run(chosen, Rebase(), run_dir=tmp_path / "b", options=SolveOptions(policy_limit=3, reward_limit=2))
    run(chosen, Rebase(), run_dir=tmp_path / "c", options=SolveOptions(problems_in_flight=2))
    run(chosen, Rebase(), run_dir=tmp_path / "d", faults=Faults(retryable=0.1, lost=0.02))
    reference = without_times(tmp_path / "a")
    assert reference == without_times(tmp_path / "b") == without_times(tmp_path / "c")
    # Faults cost attempts; cached prompt tokens, which depend on what a server has seen, may differ.
    assert [result.candidates for result in read_results(tmp_path / "a")] == [
        result.candidates for result in read_results(tmp_path / "d")
    ]


def test_the_order_of_problems_does_not_matter(tmp_path: Path) -> None:
    chosen = problems(25)
    shuffled = random.Random(1).sample(chosen, len(chosen))
    run(chosen, Rebase(), run_dir=tmp_path / "a")
    run(shuffled, Rebase(), run_dir=tmp_path / "b")
    assert sorted(without_times(tmp_path / "a")) == sorted(without_times(tmp_path / "b"))


def test_another_seed_gives_other_candidates(tmp_path: Path) -> None:
    run(problems(3), Rebase(), run_dir=tmp_path / "a")
    run(problems(3), Rebase(), run_dir=tmp_path / "b", options=SolveOptions(seed=1))
    assert without_times(tmp_path / "a") != without_times(tmp_path / "b")


def test_strategies_share_one_call_and_its_batches(tmp_path: Path) -> None:
    class Recorder(SimulatedRuntime):
        mixed = 0

        async def generate(self, requests: Sequence[GenerateRequest], deliver: Deliver) -> None:
            # Whole solutions are sampling's; REBASE stops before the next step.
            self.mixed += len({bool(sent.stop) for sent in requests}) == 2
            await super().generate(requests, deliver)

    runtime = Recorder()
    runs = run_virtual(
        lambda: solve_dataset(
            problems(10), [Sampling(width=4), Rebase(width=4)], policy=runtime, reward=runtime, run_dir=tmp_path
        )
    )
    assert runtime.mixed
    assert [one.path for one in runs] == [tmp_path / "sampling", tmp_path / "rebase"]
    both, paths = [Sampling(width=4), Rebase(width=4)], [tmp_path / "one", tmp_path / "other" / "rebase"]
    named = run_virtual(lambda: solve_dataset(problems(2), both, policy=runtime, reward=runtime, run_dir=paths))
    assert [one.path for one in named] == paths
    with pytest.raises(ConfigurationError, match="run_dir names 1 directories for 2 strategies"):
        run_virtual(lambda: solve_dataset(problems(2), both, policy=runtime, reward=runtime, run_dir=paths[:1]))
    for together, strategy in zip(runs, (Sampling(width=4), Rebase(width=4)), strict=True):
        alone = run(problems(10), strategy)
        assert [result.candidates for result in together.results()] == [result.candidates for result in alone.results()]


def test_a_failed_problem_is_recorded_and_the_others_go_on() -> None:
    class SometimesBroken(Sampling):
        name = "broken"

        async def search(self, tree: SearchContext) -> None:
            if tree.problem.id == "p3":
                raise ZeroDivisionError("of all things")
            await super().search(tree)

    chosen = [*problems(6), Problem(id="empty", text="  \n", answer="1")]
    done = run(chosen, SometimesBroken(width=2))
    by_id = {result.id: result for result in done.results()}
    assert by_id["p3"].error is not None
    assert by_id["p3"].error.startswith("ZeroDivisionError: of all things (test_solve.py, line ")
    assert by_id["empty"].error == "the problem is empty"
    assert (done.solved, done.failed) == (5, 2)
    assert by_id["p3"].correct is False, "a failed problem counts as wrong"


class MoodyGrader(CountdownGrader):
    """Fails at one problem where answers are found, at others where they are compared and judged."""

    def extract(self, solution: str, *, marker: str | None = None) -> str | None:
        answer = super().extract(solution, marker=marker)
        return answer if answer is None else f"{len(solution) // int(answer != '3')}"

    async def equal(self, left: str, right: str) -> bool:
        if "7" in left + right:
            raise LookupError("seven")
        return left == right

    async def is_right(self, problem: str, reference: str, answer: str) -> bool:
        if reference == "4":
            raise KeyError("four")
        return True


def test_a_grader_that_raises_fails_its_problem_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(SolveOptions, "make_grader", lambda _: MoodyGrader())
    done = run(problems(30), Sampling(width=2))
    errors = Counter((result.error or "").partition(":")[0] for result in done.results())
    assert errors.keys() == {"", "ZeroDivisionError", "LookupError", "KeyError"}
    for result in done.results():
        assert (result.answer is None) == (result.error is not None)
        assert result.correct is (result.error is None)
        assert result.error is None or "(test_solve.py, line " in result.error


@pytest.mark.anyio
async def test_an_evaluation_goes_on_where_a_grader_raises() -> None:
    """At answers that the run's own vote did not come to."""
    candidates = tuple(Candidate(text="", answer=answer, truncated=False, tokens=1) for answer in "12")
    results = [
        ProblemResult(id=reference, problem="p", answer="1", reference=reference, correct=True, candidates=candidates)
        for reference in "345"
    ]
    found = await evaluate(results, MoodyGrader())
    assert (found.grading_failed, found.found.correct, found.found.total) == (1, 2, 3)
    assert found.accuracies[Method("majority", None)].correct == 2


def test_a_model_that_is_gone_ends_the_run_and_what_was_solved_is_kept(tmp_path: Path) -> None:
    class Dying(SimulatedRuntime):
        left = 40

        async def generate(self, requests: Sequence[GenerateRequest], deliver: Deliver) -> None:
            self.left -= len(requests)
            if self.left < 0:
                raise RuntimeGone("the server is gone")
            await super().generate(requests, deliver)

    seen: list[ProblemResult] = []
    with pytest.raises(ModelGone, match="the server is gone"):
        run_virtual(
            lambda: solve_dataset(
                problems(100),
                Sampling(width=2, scored=False),
                policy=Dying(),
                run_dir=tmp_path / "run",
                options=SolveOptions(problems_in_flight=2),
                on_result=lambda _, result: seen.append(result),
            )
        )
    kept = list(read_results(tmp_path / "run"))
    assert len(kept) == len(seen) > 0
    assert all(result.error is None for result in kept)


def test_a_server_that_is_not_ready_is_no_model() -> None:
    class NotReady(SimulatedRuntime):
        async def __aenter__(self) -> Self:
            raise RetryableError("503: still loading")

    with pytest.raises(ModelError, match="still loading"):
        run_virtual(lambda: solve_dataset([], Sampling(scored=False), policy=NotReady()))


def test_nothing_is_written_behind_a_line_that_is_torn(tmp_path: Path) -> None:
    """The disk is full in the middle of a line, and a moment later it is not."""

    def result(number: int) -> ProblemResult:
        return ProblemResult(id=str(number), problem="p", answer=None, reference=None, correct=None)

    results = ResultsFile(tmp_path / "results.jsonl", {})
    results.append(2, result(2))
    file = results._file
    results._file = ShortWriter(file)  # type: ignore[assignment]
    with pytest.raises(StorageError, match="No space left"):
        results.append(1, result(1))
    results._file = file
    with pytest.raises(StorageError, match="No space left"):
        results.append(0, result(0))
    results.close()
    assert [one.id for one in read_results(tmp_path)] == ["2"]
    assert (tmp_path / "results.jsonl").read_bytes().count(b"\n") == 1


class ShortWriter:
    """Takes a few bytes, and then none."""

    closed = False

    def __init__(self, file: io.FileIO) -> None:
        self._file = file
        self._room = 30

    def fileno(self) -> int:
        return self._file.fileno()

    def write(self, content: memoryview) -> int:
        if not self._room:
            raise OSError(errno.ENOSPC, "No space left on device")
        written = self._file.write(content[: self._room])
        self._room = 0
        return written

    def truncate(self, size: int) -> int:
        return self._file.truncate(size)


def test_the_configuration_says_what_was_run(tmp_path: Path) -> None:
    @dataclass(frozen=True, slots=True, kw_only=True)
    class WithRule(Sampling):
        name = "with-rule"
        rule: Callable[..., object] = max
        sizes: frozenset[int] = frozenset({1})

    done = run(problems(1), WithRule(width=2), run_dir=tmp_path / "run", options=SolveOptions(reward_format="lines"))
    assert done.solved == 1
    config = read_config(tmp_path / "run")
    assert config["parameters"]["rule"] == "builtins.max", "what can be imported is recorded by its name"
    assert config["parameters"]["sizes"] == repr(frozenset({1})), "what is no JSON value, as Python shows it"
    assert config["reward_format"] == "lines"
    assert config["format"]["step_start"] == "Step {step}"
    assert config["seeds_honoured"] is True


def test_a_vote_over_scores_that_are_not_there_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="takes scores"):
        run(problems(1), Sampling(scored=False), options=SolveOptions(vote="weighted"))


def test_a_problem_whose_nodes_all_fail_has_their_error() -> None:
    done = run(problems(3), Sampling(width=2), faults=Faults(rejected=1.0))
    assert [result.error for result in done.results()] == ["simulated rejection"] * 3


def test_text_that_no_encoding_takes_is_refused() -> None:
    with pytest.raises(DatasetError, match="'a' is not valid Unicode"):
        run([Problem(id="a", text="half a character: \ud800")], Sampling(width=1))


def test_duplicate_ids_are_refused() -> None:
    twins = [Problem(id="a", text="x"), Problem(id="a", text="y")]
    with pytest.raises(DatasetError, match="'a' stands for two problems"):
        run(twins, Sampling())


def test_a_run_directory_that_exists_is_refused(tmp_path: Path) -> None:
    (tmp_path / "precious").write_text("mine")
    with pytest.raises(RunDirectoryError, match="exists already"):
        run(problems(2), Sampling(), run_dir=tmp_path)
    assert (tmp_path / "precious").read_text() == "mine"


def test_a_scored_strategy_needs_a_reward_model() -> None:
    with pytest.raises(ConfigurationError, match="needs a reward model"):
        run_virtual(lambda: solve_dataset(problems(1), Rebase(), policy=SimulatedRuntime()))


@pytest.mark.parametrize(
    ("name", "error", "message"),
    [
        ("nowhere", ConfigurationError, "write NAME:ADDRESS"),
        ("locl:x", ConfigurationError, "did you mean 'local'"),
        ("local:/no/such/directory", ModelError, "no such directory"),
    ],
)
def test_a_model_that_cannot_be_opened_is_named(name: str, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        asyncio.run(solve_dataset(problems(1), Sampling(scored=False), policy=name))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"vote": "borda"}, "unknown vote 'borda'"),
        ({"aggregation": "median"}, "unknown aggregation 'median'"),
        ({"grader": "maths"}, "unknown grader 'maths'; did you mean 'math'"),
        ({"policy_limit": 0}, "policy_limit must be at least 1"),
    ],
)
def test_wrong_options_are_named(options: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        SolveOptions(**options)  # type: ignore[arg-type]


def test_one_problem() -> None:
    runtime = SimulatedRuntime()
    result = run_virtual(lambda: solve(problems(1)[0], Rebase(width=4), policy=runtime, reward=runtime))
    assert len(result.candidates) == 4


def test_an_interrupted_run_keeps_what_was_solved(tmp_path: Path) -> None:
    async def main() -> None:
        runtime = SimulatedRuntime()
        with anyio.move_on_after(20):
            await solve_dataset(problems(500), Rebase(), policy=runtime, reward=runtime, run_dir=tmp_path / "run")
        assert runtime.in_flight == 0
        assert len(asyncio.all_tasks()) == 1

    run_virtual(main)
    kept = list(read_results(tmp_path / "run"))
    assert 0 < len(kept) < 500
    assert [result.id for result in kept] == sorted((result.id for result in kept), key=lambda name: int(name[1:]))


def test_a_torn_last_line_is_passed_over(tmp_path: Path) -> None:
    run(problems(5), Sampling(width=2), run_dir=tmp_path / "run")
    file = tmp_path / "run" / "results.jsonl"
    file.write_bytes(file.read_bytes()[:-40])
    assert len(list(read_results(tmp_path / "run"))) == 4


def test_a_damaged_line_is_named(tmp_path: Path) -> None:
    run(problems(5), Sampling(width=2), run_dir=tmp_path / "run")
    file = tmp_path / "run" / "results.jsonl"
    lines = file.read_bytes().split(b"\n")
    lines[2] = b'{"id": 3}'
    file.write_bytes(b"\n".join(lines))
    with pytest.raises(StorageError, match=r"results\.jsonl, line 3"):
        list(read_results(tmp_path / "run"))


def test_thousands_of_problems_in_one_process_and_no_tree_outlives_its_problem(tmp_path: Path) -> None:
    alive: list[int] = []

    def count(_: Strategy, result: ProblemResult) -> None:
        if int(result.id[1:]) % 400 == 399:
            gc.collect()
            alive.append(sum(type(thing) is Tree for thing in gc.get_objects()))

    async def main() -> Run:
        runtime = SimulatedRuntime(world=World(shortest=2, longest=4))
        return await solve_dataset(
            problems(2000),
            Rebase(width=4),
            policy=runtime,
            reward=runtime,
            run_dir=tmp_path / "run",
            options=SolveOptions(problems_in_flight=40),
            on_result=count,
        )

    done = run_virtual(main)
    assert (done.solved, done.failed) == (2000, 0)
    assert len(alive) == 5
    assert max(alive) <= 40, "finished trees are still held"
    assert done.kept == ()


class Defective(SimulatedRuntime):
    """Raises what no runtime should."""

    async def generate(self, requests: Sequence[GenerateRequest], deliver: Deliver) -> None:
        raise LookupError("a defect")


def test_the_defect_of_a_runtime_is_what_is_raised() -> None:
    runtime = Defective()
    with pytest.raises(LookupError, match="a defect"):
        run_virtual(lambda: solve(Problem(id="1", text="one"), Rebase(width=4), policy=runtime, reward=runtime))
