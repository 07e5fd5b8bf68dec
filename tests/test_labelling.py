"""Labels of steps: what a tree says, and what the command makes of problems with answers."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

import pytest
from command_line import command
from grown import PROBLEM, Scripted, grow
from hypothesis import given, settings
from hypothesis import strategies as st
from test_golden_trees import MONTE_CARLO, OMEGAPRM

from asyncsearch import Problem, Strategy
from asyncsearch.answers.math_grader import MathGrader
from asyncsearch.datasets.arithmetic import generate_problems, label_steps
from asyncsearch.errors import DatasetError
from asyncsearch.format import FORMATS
from asyncsearch.labelling import AnswerReward, labelled_solutions
from asyncsearch.strategies import MonteCarlo, OmegaPrm
from asyncsearch.training_data import read_training_solutions
from runtimes.simulated import SimulatedRuntime


def labels(strategy: Strategy, steps: dict[str, list[tuple[str, float]]], *, soft: bool) -> dict[str, object]:
    """The labels of each solution, by its steps."""
    found = labelled_solutions(PROBLEM, grow(strategy, Scripted(steps)), soft=soft)
    return {" ".join(solution.steps): solution.labels for solution in found}


@pytest.mark.parametrize(("soft", "expected"), [(True, (0.5, 0.0, 0.0)), (False, (1.0, 0.0, 0.0))])
def test_a_step_is_worth_its_rollouts(soft: bool, expected: tuple[float, ...]) -> None:
    assert labels(MonteCarlo(width=1, rollouts=2), MONTE_CARLO, soft=soft) == {"a b ba answer": expected}


def test_the_first_mistake_is_found() -> None:
    found = labels(OmegaPrm(width=6, rollouts=2), OMEGAPRM, soft=False)
    # Nothing was rolled out from the first step, but what goes on from it is right; that stands in one solution alone.
    assert found == {"a aa aaa aaaa answer": (1.0, 1.0, 0.0, 0.0), "b ba answer": (1.0, 1.0)}
    assert labels(OmegaPrm(width=6, rollouts=2), OMEGAPRM, soft=True) == {"a aa aaa aaaa answer": (None, 0.5, 0.0, 0.0)}


def test_a_failed_rollout_says_nothing() -> None:
    steps = {**MONTE_CARLO, "a": [("b", 0.0), ("lost", 0.0), ("d answer", 1.0)]}
    assert labels(MonteCarlo(width=1, rollouts=2), steps, soft=True) == {"a b ba answer": (1.0, 0.0, 0.0)}


STRATEGIES = st.one_of(
    st.builds(MonteCarlo, width=st.integers(1, 4), rollouts=st.integers(1, 4), max_depth=st.just(6)),
    st.builds(OmegaPrm, width=st.integers(1, 40), rollouts=st.integers(1, 4), max_depth=st.just(6)),
)


@given(STRATEGIES, st.integers(0, 1000), st.booleans())
@settings(max_examples=40, deadline=None)
def test_labels_are_of_steps(strategy: Strategy, seed: int, soft: bool) -> None:
    solutions = [*labelled_solutions(PROBLEM, grow(strategy, SimulatedRuntime(), seed=seed), soft=soft)]
    for solution in solutions:
        assert solution.labels is not None
        assert len(solution.labels) == len(solution.steps)
        known = [label for label in solution.labels if label is not None]
        assert known
        assert all(0 <= label <= 1 for label in known)
        if not soft:
            assert known == sorted(known, reverse=True), "what is wrong once stays wrong"
    assert len(set(solutions)) == len(solutions)


# A reward model that knows the answers


async def scores(reward: AnswerReward, problem: str, *solutions: str) -> list[float]:
    async with reward:
        return [(await reward.reference_answers(problem, solution.split("|")))[-1] for solution in solutions]


@pytest.mark.anyio
async def test_what_states_the_right_answer_is_right() -> None:
    problems = [Problem(id="1", text="What is 1/2 + 1/2? ", answer="1"), Problem(id="2", text="Two?", answer="2")]
    reward = AnswerReward(problems, MathGrader(), FORMATS["steps"])
    found = await scores(
        reward,
        "What is 1/2 + 1/2?",
        "Step 1: it is one|Step 2: The answer is: 1",
        "Step 1: it is one|Step 2: The answer is: 2/2",
        "Step 1: it is one|Step 2: The answer is: 2",
        "Step 1: it is 1",
        "Step 1: it is one|The answer is: nobody knows",
        "",
    )
    assert found == [1.0, 1.0, 0.0, 0.0, 0.0, 0.0]


@pytest.mark.parametrize(
    ("problems", "said"),
    [
        ([Problem(id="1", text="P", answer=None)], "'1' has no answer"),
        (
            [Problem(id="1", text="P", answer="1"), Problem(id="2", text="P ", answer="2")],
            "'2' has the text of another",
        ),
    ],
)
def test_what_cannot_be_labelled_by(problems: Iterable[Problem], said: str) -> None:
    with pytest.raises(DatasetError, match=said):
        AnswerReward(problems, MathGrader(), FORMATS["steps"])


# The command


@pytest.fixture(scope="module")
def problems(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("problems") / "train.jsonl"
    lines = [
        json.dumps({"problem": one.problem, "answer": one.answer})
        for one in generate_problems(6, split="train", seed=9)
    ]
    path.write_text("\n".join(lines))
    return path


@pytest.mark.parametrize("method", ["monte-carlo", "omegaprm"])
def test_the_command_labels_as_the_arithmetic_does(method: str, problems: Path, tmp_path: Path) -> None:
    line = f"label {problems} --policy bundled:policy --method {method} --rollouts 4 --out run"
    done = command(*line.split(), "--width", "4" if method == "monte-carlo" else "32", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "written to run/labels.jsonl" in done.stdout
    by_text = {one.problem: one for one in generate_problems(6, split="train", seed=9)}
    found = [*read_training_solutions(tmp_path / "run/labels.jsonl")]
    assert found
    agreeing = [
        (label == 1) == truth
        for solution in found
        for label, truth in zip(
            solution.labels or (), label_steps(by_text[solution.problem], solution.steps), strict=True
        )
        if label is not None
    ]
    assert sum(agreeing) / len(agreeing) > 0.8, "what leads to the answer is right, all but now and then"
    (tmp_path / "run/labels.jsonl").unlink()
    again = command(*line.split(), "--width", "4" if method == "monte-carlo" else "32", "--resume", cwd=tmp_path)
    assert "6 of 6 results are there already" in again.stderr
    assert [*read_training_solutions(tmp_path / "run/labels.jsonl")] == found, "the journal has it all"
    shares = command(
        *line.split(), "--width", "4" if method == "monte-carlo" else "32", "--resume", "--soft", cwd=tmp_path
    )
    assert shares.returncode == 0
    soft = [*read_training_solutions(tmp_path / "run/labels.jsonl")]
    assert {label for one in soft for label in one.labels or ()} - {0.0, 1.0, None}


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("none.jsonl", "--policy", "bundled:policy"), "none.jsonl: no such file"),
        (("{problems}", "--policy", "bundled:policy", "--method", "omega"), "did you mean 'omegaprm'?"),
        (("{problems}", "--policy", "bundled:policy", "-p", "rolouts=3"), "has no parameter 'rolouts'"),
        (("{unanswered}", "--policy", "bundled:policy"), "has no answer, and steps are labelled by answers"),
        (("{problems}", "--policy", "nobody"), "names no model"),
    ],
)
def test_a_mistake_is_one_line(arguments: tuple[str, ...], said: str, problems: Path, tmp_path: Path) -> None:
    unanswered = tmp_path / "unanswered.jsonl"
    unanswered.write_text('{"problem": "P"}')
    done = command("label", *(one.format(problems=problems, unanswered=unanswered) for one in arguments), cwd=tmp_path)
    assert done.returncode == 2
    assert said in done.stderr
    assert [line for line in done.stderr.splitlines() if line.startswith("error")] == [done.stderr.splitlines()[-1]]
