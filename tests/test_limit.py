"""How many requests are in flight where nobody says, and how many problems are open."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from statistics import mean
from typing import Any

import anyio
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asyncsearch import Problem, Rebase, Run, SearchContext, SolveOptions, Strategy, solve_dataset
from asyncsearch.scheduler.limit import Limit
from runtimes.base import Deliver, GenerateRequest, Load, ServerUnreachable
from runtimes.simulated import ServerModel, SimulatedRuntime, World
from runtimes.virtual_clock import run_virtual

WORLD = World(padded=True)


class Watched(SimulatedRuntime):
    """Notes how many requests it had whenever some came, and of how many problems."""

    def __init__(self, **options: object) -> None:
        super().__init__(world=WORLD, **options)  # type: ignore[arg-type]
        self.had: list[int] = []
        self.problems: list[int] = []

    async def generate(self, requests: Sequence[GenerateRequest], deliver: Deliver) -> None:
        self.had.append(len(requests) + self.in_flight)
        working = [*requests, *self._work]
        self.problems.append(len({[*request.prefix.segments()][-1] for request in working}))
        await super().generate(requests, deliver)


class Guessing(Watched):
    """Does not know how many sequences its server has room for, and may say how many wait there."""

    def __init__(self, rows: int, *, says: bool) -> None:
        super().__init__(server=ServerModel(rows=rows))
        self.capabilities = replace(self.capabilities, largest_batch=64, batch_is_guessed=True)
        self.says = says

    async def load(self) -> Load | None:  # type: ignore[override]
        return await super().load() if self.says else None


class Distant(Guessing):
    """Answers come some time later; and what has come within a decode step waits for it to end."""

    async def generate(self, requests: Sequence[GenerateRequest], deliver: Deliver) -> None:
        self.last = anyio.current_time(), len(requests)
        await anyio.sleep(0.3)
        await super().generate(requests, deliver)

    async def load(self) -> Load | None:  # type: ignore[override]
        await anyio.sleep(0.001)
        load = await super().load()
        came, count = self.last
        new = count if anyio.current_time() < came + 0.02 else 0
        return load and Load(load.running - new, load.waiting + new)


def solved(policy: SimulatedRuntime, count: int, strategy: Strategy | None = None, **options: Any) -> Run:
    return run_virtual(
        lambda: solve_dataset(
            [Problem(id=str(number), text=f"problem {number}") for number in range(count)],
            strategy or Rebase(width=16),
            policy=policy,
            reward=SimulatedRuntime(seed=1, world=WORLD),
            options=SolveOptions(reward_format="lines", **options),
        )
    )


@pytest.mark.parametrize("says", [True, False])
@pytest.mark.parametrize("rows", [30, 200])
def test_the_room_of_a_server_is_found(rows: int, says: bool) -> None:
    policy = Guessing(rows, says=says)
    solved(policy, 250)
    middle = policy.had[len(policy.had) // 3 : len(policy.had) * 2 // 3]
    assert rows * 0.75 < sum(middle) / len(middle) < rows * 1.25


@pytest.mark.parametrize("says", [True, False])
def test_the_way_to_a_server_is_no_queue(says: bool) -> None:
    policy = Distant(300, says=says)
    solved(policy, 100)
    assert max(policy.had) > 100


def test_how_busy_a_server_is_is_asked_once_at_a_time() -> None:
    asked = at_once = most = 0

    class Slow(Guessing):
        async def load(self) -> Load | None:  # type: ignore[override]
            nonlocal asked, at_once, most
            asked, at_once = asked + 1, at_once + 1
            most = max(most, at_once)
            try:
                await anyio.sleep(10)
                raise AssertionError("it is not waited for so long")
            finally:
                at_once -= 1

    solved(Slow(100, says=True), 60)
    assert asked > 3
    assert most == 1


def test_a_server_that_once_does_not_say_how_busy_it_is_is_sent_as_much_as_before() -> None:
    asked = 0

    class Stumbling(Guessing):
        async def load(self) -> Load | None:  # type: ignore[override]
            nonlocal asked
            asked += 1
            if asked % 5 == 0:
                raise ServerUnreachable("away")
            return await super().load()

    solved(policy := Stumbling(200, says=True), 250)
    assert asked > 10
    middle = policy.had[len(policy.had) // 3 : len(policy.had) * 2 // 3]
    assert sum(middle) / len(middle) > 150


def test_a_room_that_is_known_is_filled() -> None:
    policy = Guessing(200, says=False)
    policy.capabilities = replace(policy.capabilities, largest_batch=200, batch_is_guessed=False)
    solved(policy, 100)
    middle = policy.had[len(policy.had) // 3 : len(policy.had) * 2 // 3]
    assert sum(middle) / len(middle) > 180


def test_a_problem_whose_search_has_asked_for_nothing_yet_holds_others_back() -> None:
    thinking = most = 0

    class Thoughtful(Rebase):
        async def search(self, tree: SearchContext) -> None:
            nonlocal thinking, most
            thinking += 1
            most = max(most, thinking)
            await anyio.sleep(1.0)
            thinking -= 1
            await super().search(tree)

    solved(SimulatedRuntime(world=WORLD), 100, Thoughtful(width=4))
    assert most == 16


def test_a_chosen_limit_stays() -> None:
    policy = Guessing(200, says=True)
    solved(policy, 40, policy_limit=50)
    assert max(policy.had) == 50


@given(
    start=st.integers(1, 300),
    answers=st.lists(st.tuples(st.integers(0, 500), st.floats(0, 100)), max_size=2000),
    waiting=st.one_of(st.none(), st.floats(0, 1)),
)
@settings(max_examples=50)
def test_a_limit_stays_in_its_bounds(start: int, answers: list[tuple[int, float]], waiting: float | None) -> None:
    limit = Limit(start, most=400)
    for number, (tokens, seconds) in enumerate(answers):
        limit.note(tokens, seconds)
        if limit.window_is_over:
            limit.adjust(float(number), held_back=number % 3 > 0, waiting=waiting)
        assert min(start, 4) <= limit.now <= 400


def test_problems_begin_when_there_is_room() -> None:
    """As many as keep a server busy are open, and not all there are."""
    policy = Watched(server=ServerModel(rows=64))
    run = solved(policy, 100)
    middle = policy.had[len(policy.had) // 3 : len(policy.had) * 2 // 3]
    assert min(middle) > 64 * 0.85
    assert max(policy.problems) < 30
    assert len(run.kept) == 100


def test_open_trees_fit_the_cache() -> None:
    roomy, small = (Watched(server=ServerModel(rows=64, kv_tokens=tokens)) for tokens in (100_000, 2000))
    runs = [solved(policy, 60) for policy in (roomy, small)]
    assert [result.answer for result in runs[0].kept] == [result.answer for result in runs[1].kept]
    open_in = [mean(policy.problems[len(policy.problems) // 3 :]) for policy in (roomy, small)]
    assert open_in[1] < open_in[0] / 2


def test_a_cache_in_which_no_tree_fits_is_no_reason_to_wait() -> None:
    assert len(solved(Watched(server=ServerModel(rows=64, kv_tokens=500)), 5).kept) == 5


@given(most=st.integers(1, 9))
@settings(max_examples=9)
def test_so_many_problems_are_open_as_somebody_wants(most: int) -> None:
    policy = Watched(server=ServerModel(rows=64))
    solved(policy, 20, problems_in_flight=most)
    assert max(policy.problems) == most
