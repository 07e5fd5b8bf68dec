"""All that the package adds keeps its contract, and does its work."""

from __future__ import annotations

from pathlib import Path

import pytest
from asyncsearch import load_problems, solve_dataset
from asyncsearch.testing import check_runtime, check_strategy
from asyncsearch_example.best_child import BestChild
from asyncsearch_example.equations import equations, judge
from asyncsearch_example.recorded import Recorded

HERE = Path(__file__).parents[1]

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.mark.parametrize("children", [1, 3])
def test_the_strategy_keeps_the_contract(children: int) -> None:
    check_strategy(BestChild(width=6, children=children))


async def test_the_runtime_keeps_the_contract() -> None:
    texts = [problem.text + "\n" for problem in load_problems(HERE / "problems.jsonl")]
    async with Recorded(str(HERE / "recorded.jsonl")) as runtime:
        await check_runtime(runtime, scores=False, texts=texts)


async def test_the_reward_model_keeps_the_contract() -> None:
    async with equations("0.8") as runtime:
        await check_runtime(runtime, generates=False)


def test_the_reward_model_knows_right_from_wrong() -> None:
    assert judge("", ["Step 1: 4 * 5 = 20.", "Step 2: 3 + 20 = 24.", "so be it"], weight=0.5) == [1.0, 0.5, 1.0]


async def test_together_they_find_what_is_right() -> None:
    run = await solve_dataset(
        load_problems(HERE / "problems.jsonl"),
        BestChild(width=6),
        policy=f"recorded:{HERE / 'recorded.jsonl'}",
        reward="equations:1.0",
    )
    assert (run.solved, run.correct) == (2, 2)
