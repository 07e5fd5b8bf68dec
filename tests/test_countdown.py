"""A second task, with a grader of its own, and functions for policy and reward model."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from random import Random

import pytest
from command_line import command
from hypothesis import given
from hypothesis import strategies as st

from asyncsearch import (
    Problem,
    Rebase,
    Run,
    Sampling,
    SolveOptions,
    Strategy,
    load_problems,
    make_strategy,
    read_results,
    solve_dataset,
    strategy_names,
)
from asyncsearch.answers.countdown_grader import CountdownGrader, evaluate_expression
from asyncsearch.datasets.countdown import bundled_countdown_file, judge, propose
from runtimes.base import RuntimeGone
from runtimes.function import FunctionPolicy, FunctionReward, policy_named

pytestmark = pytest.mark.anyio

PROBLEM = "Numbers: 25, 8, 3, 7. Target: 147."


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("25 - (8 - 3)", 20),
        ("((25 - 3) * 7) - 7", 147),
        ("7 / 2 * 4", 14),
        ("(25 - 3) * 7 - 7 = 147", 147),
        ("1 / (1 - 1)", None),
        ("2 ** 3", None),
        ("9 ** 9 ** 9 ** 9", None),
        ("-3", None),
        ("True + 1", None),
        ("x + 1", None),
        ("__import__('os')", None),
        ("2.5 * 2", None),
        ("(" * 500, None),
        ("1" * 300, None),
        ("", None),
    ],
)
def test_expressions(text: str, value: int | None) -> None:
    found = evaluate_expression(text)
    assert (None if found is None else found[0]) == (None if value is None else Fraction(value))


@given(st.text())
def test_any_text_is_an_expression_or_none(text: str) -> None:
    evaluate_expression(text)


@pytest.mark.parametrize(
    ("answer", "right"),
    [
        ("(25 - 7) * 8 + 3", True),
        ("3 + 8 * (25 - 7) = 147", True),
        ("(25 - 3) * 7 - 7", False),  # which takes 7 twice
        ("(25 + 3) * 7 - 49", False),
        ("147", False),
        ("25 * 8 - 3 - 7", False),
        ("nonsense", False),
    ],
)
async def test_right_is_what_reaches_the_target_with_the_numbers(answer: str, right: bool) -> None:
    assert await CountdownGrader().is_right(PROBLEM, "147", answer) is right


async def test_nothing_is_right_where_the_target_is_none() -> None:
    assert await CountdownGrader().is_right(PROBLEM, "a hundred", "147") is False


async def test_expressions_are_the_same_in_a_vote_by_their_value() -> None:
    grader = CountdownGrader()
    assert await grader.equal("25 - 5", "4 * 5")
    assert not await grader.equal("25 - 5", "4 * 6")
    assert await grader.equal("nonsense", "nonsense")
    assert not await grader.equal("nonsense", "25")


def walk(problem: str, seed: int) -> list[str]:
    steps: list[str] = []
    while (step := propose(problem, steps, Random(seed + len(steps)))) is not None:
        steps.append(step)
    return steps


@given(st.integers(0, 199), st.integers(0, 1000))
def test_a_solution_takes_every_number_once_at_most(index: int, seed: int) -> None:
    problem = load_problems("countdown")[index]
    steps = walk(problem.text, seed)
    assert 2 <= len(steps) <= 4
    assert [step.startswith(f"Step {number}: ") for number, step in enumerate(steps, 1)] == [True] * len(steps)
    found = evaluate_expression(steps[-1].partition("The answer is: ")[2])
    assert found is not None
    assert found[0] > 0
    numbers = problem.text.partition(".")[0].removeprefix("Numbers: ").split(", ")
    assert all(count <= numbers.count(str(number)) for number, count in found[1].items())
    scores = judge(problem.text, steps)
    assert all(0 <= score <= 1 for score in scores)
    assert scores[-1] == (found[0] == int(problem.answer or 0))


def test_the_bundled_problems_are_those_of_the_command() -> None:
    made = subprocess.run(
        [sys.executable, "-m", "asyncsearch.datasets.make_countdown"], capture_output=True, check=True
    )
    assert made.stdout == bundled_countdown_file().read_bytes()
    assert made.stderr == b""


async def solve(problems: Sequence[Problem], strategy: Strategy) -> Run:
    return await solve_dataset(
        problems,
        strategy,
        policy=FunctionPolicy(propose),
        reward=FunctionReward(judge) if strategy.scored else None,
        options=SolveOptions(grader="countdown"),
    )


@pytest.mark.parametrize("name", strategy_names())
async def test_every_strategy_plays_the_game(name: str) -> None:
    run = await solve(load_problems("countdown", limit=6), make_strategy(name, {"width": 8}))
    assert (run.solved, run.failed) == (6, 0)
    again = await solve(load_problems("countdown", limit=6), make_strategy(name, {"width": 8}))
    assert [result.answer for result in again.results()] == [result.answer for result in run.results()]


async def test_search_finds_what_samples_do_not() -> None:
    problems = load_problems("countdown", limit=60)
    search, samples = await solve(problems, Rebase(width=16)), await solve(problems, Sampling(width=16))
    assert search.correct > 1.5 * samples.correct


def test_the_command_line_plays_it_too_and_goes_on(tmp_path: Path) -> None:
    done = command("solve", "countdown", "--strategy", "beam", "--limit", "5", "--out", "run", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    (tmp_path / "run" / "results.jsonl").write_bytes(b"")
    resumed = command("solve", "--resume", "--out", "run", cwd=tmp_path)
    assert resumed.returncode == 0, resumed.stderr
    assert len(list(read_results(tmp_path / "run"))) == 5
    replayed = command("replay", "run", cwd=tmp_path)
    assert replayed.returncode == 0, replayed.stderr
    other = command("solve", "--resume", "--out", "run", "--grader", "math", cwd=tmp_path)
    assert other.returncode == 2
    assert 'grader was "countdown" and is "math"' in other.stderr


async def test_a_function_that_fails_fails_its_node_alone() -> None:
    def moody(problem: str, steps: Sequence[str], random: Random) -> str | None:
        if random.random() < 0.3:
            raise ValueError("not today")
        return None if steps else "Step 1: The answer is: 1"

    run = await solve_dataset(
        [Problem(id="p", text="p", answer="1")], Sampling(width=12, scored=False), policy=FunctionPolicy(moody)
    )
    assert run.solved == 1
    assert 0 < len(run.kept[0].candidates) < 12


@pytest.mark.parametrize("address", ["nowhere:f", "math:nothing", "math:pi", "math", ":x", ""])
def test_a_function_that_is_not_there_is_named(address: str) -> None:
    with pytest.raises(RuntimeGone, match="no function"):
        policy_named(address)
