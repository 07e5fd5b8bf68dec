"""A Python function as reward model."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import pytest

from asyncsearch import ConfigurationError, Problem, Rebase, Run, Sampling, solve_dataset
from runtimes.function import FunctionReward, RewardFunction
from runtimes.simulated import SimulatedRuntime

pytestmark = pytest.mark.anyio


async def solve_with(function: RewardFunction) -> Run:
    problems = [Problem(id=str(number), text=f"problem {number}") for number in range(3)]
    return await solve_dataset(problems, Rebase(width=4), policy=SimulatedRuntime(), reward=FunctionReward(function))


def even(problem: str, steps: Sequence[str]) -> list[float]:
    assert problem.startswith("problem")
    assert [step.partition(":")[0] for step in steps] == [f"Step {number + 1}" for number in range(len(steps))]
    return [float(ord(step[-1]) % 2) for step in steps]


async def even_later(problem: str, steps: Sequence[str]) -> list[float]:
    return even(problem, steps)


class EvenLater:
    """Its call gives a coroutine, which nobody can tell before."""

    async def __call__(self, problem: str, steps: Sequence[str]) -> list[float]:
        return even(problem, steps)


async def test_sync_or_async_it_scores_every_step() -> None:
    functions: list[RewardFunction] = [even, even_later, EvenLater(), partial(even_later)]
    runs = [await solve_with(function) for function in functions]
    for run in runs:
        assert run.failed == 0
        for result in run.results():
            for candidate in result.candidates:
                assert set(candidate.step_scores) <= {0.0, 1.0}
                assert len(candidate.step_scores) == candidate.text.count("Step ")
        assert [one.candidates for one in runs[0].results()] == [other.candidates for other in run.results()]


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (lambda problem, steps: 1 / 0, "raised ZeroDivisionError"),
        (lambda problem, steps: [0.5] * (len(steps) + 1), "scores for 1 steps"),
        (lambda problem, steps: [float("nan")] * len(steps), "the reward model gave"),
        (lambda problem, steps: ["good"] * len(steps), "raised ValueError"),
    ],
)
async def test_what_it_does_wrong_is_told(function: RewardFunction, message: str) -> None:
    run = await solve_with(function)
    assert run.failed == 3
    assert all(result.error is not None and message in result.error for result in run.results())


async def test_it_generates_nothing() -> None:
    with pytest.raises(ConfigurationError, match="is a reward model, and no policy"):
        await solve_dataset([Problem(id="1", text="p")], Sampling(scored=False), policy=FunctionReward(even))
