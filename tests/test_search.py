"""Trees grown by strategies on a simulated server, on a virtual clock."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field

import anyio
import pytest
from grown import Scripted, context_of, grow, shape
from hypothesis import given, settings
from hypothesis import strategies as st

from asyncsearch.errors import ConfigurationError
from asyncsearch.scheduler import open_scheduler
from asyncsearch.strategies import Rebase, Sampling, Strategy
from asyncsearch.tree import Node, NodeState
from runtimes.base import (
    Deliver,
    RequestRejected,
    RuntimeFailure,
    ScoreRequest,
)
from runtimes.simulated import Faults, ServerModel, SimulatedRuntime
from runtimes.virtual_clock import run_virtual


@given(width=st.integers(1, 40), seed=st.integers(0, 100), temperature=st.sampled_from([0.05, 0.2, 1.0]))
@settings(max_examples=40)
def test_rebase_pays_out_exactly_its_width(width: int, seed: int, temperature: float) -> None:
    tree = grow(Rebase(width=width, softmax_temperature=temperature), SimulatedRuntime(seed=seed))
    assert len(list(tree.leaves())) == width


@given(width=st.integers(1, 40), seed=st.integers(0, 100))
@settings(max_examples=20)
def test_sampling_pays_out_exactly_its_width(width: int, seed: int) -> None:
    tree = grow(Sampling(width=width), SimulatedRuntime(seed=seed))
    assert [node.path for node in tree.leaves()] == [(draw,) for draw in range(width)]
    assert len({node.text for node in tree.leaves()}) == width, "two draws of one parent are the same"
    for leaf in tree.leaves():
        assert len(leaf.step_scores) == leaf.text.count("Step "), "each step of a whole solution has its score"


@given(
    strategy=st.sampled_from([Rebase(width=12), Sampling(width=12), Rebase(width=12, truncate_ratio=0.5)]),
    limit=st.integers(1, 30),
    seed=st.integers(0, 20),
    slow=st.floats(0.001, 1),
    faults=st.sampled_from([Faults(), Faults(retryable=0.1, lost=0.05)]),
)
@settings(max_examples=60)
def test_timing_never_changes_a_tree(strategy: Strategy, limit: int, seed: int, slow: float, faults: Faults) -> None:
    reference = grow(strategy, SimulatedRuntime(), seed=seed)
    other = SimulatedRuntime(server=ServerModel(sequence_seconds=slow, rows=max(1, limit // 2)), faults=faults)
    assert shape(grow(strategy, other, limit=limit, seed=seed)) == shape(reference)


def test_another_seed_is_another_tree() -> None:
    assert shape(grow(Rebase(), SimulatedRuntime(), seed=1)) != shape(grow(Rebase(), SimulatedRuntime(), seed=2))


def test_greedy_samples_are_all_the_same() -> None:
    tree = grow(Sampling(width=3, temperature=0.0), SimulatedRuntime())
    assert len({node.text for node in tree.leaves()}) == 1


@given(max_tokens=st.integers(1, 300), max_step_tokens=st.integers(1, 60), max_depth=st.integers(1, 8))
@settings(max_examples=40)
def test_no_path_exceeds_its_limits(max_tokens: int, max_step_tokens: int, max_depth: int) -> None:
    strategy = Rebase(width=8, max_tokens=max_tokens, max_step_tokens=max_step_tokens, max_depth=max_depth)
    tree = grow(strategy, SimulatedRuntime())
    leaves = list(tree.leaves())
    assert len(leaves) == 8
    for node in tree.nodes():
        assert node.path_tokens <= max_tokens
        assert node.tokens <= max_step_tokens
        assert node.depth <= max_depth
    for leaf in leaves:
        spent = leaf.path_tokens >= max_tokens or leaf.depth >= max_depth
        assert leaf.state is NodeState.ANSWERED or spent


@given(rejected=st.floats(0, 1), seed=st.integers(0, 50))
@settings(max_examples=30)
def test_a_failed_node_costs_one_draw_and_not_the_tree(rejected: float, seed: int) -> None:
    tree = grow(Rebase(width=12), SimulatedRuntime(faults=Faults(rejected=rejected)), seed=seed)
    leaves = list(tree.leaves())
    assert len(leaves) == 12
    for leaf in leaves:
        assert (leaf.state is NodeState.FAILED) == (leaf.error is not None)


@given(patience=st.floats(0, 3), aborts=st.booleans())
@settings(max_examples=40)
def test_leaving_a_search_leaves_nothing_behind(patience: float, aborts: bool) -> None:
    async def main() -> None:
        runtime = SimulatedRuntime(aborts=aborts)
        async with open_scheduler(runtime, runtime, policy_limit=6) as scheduler:
            strategy = Rebase(width=16)
            with anyio.move_on_after(patience):
                await strategy.search(context_of(scheduler, strategy))
            statistics = scheduler.statistics()
            assert (statistics.generate.queued, statistics.score.queued) == (0, 0)
            assert (statistics.generate.in_flight, statistics.score.in_flight) == (0, 0)
        assert len(asyncio.all_tasks()) == 1

    run_virtual(main)


def test_rebase_golden_tree() -> None:
    """Width 4, T = 0.2, worked by hand.

    Depth 1: the root takes all 4. "a" scores 1.0, "b" 0.8, "c" 0.6; "d" answers, so 3 are left.
    Depth 2: e^0 : e^-1 : e^-2 of 3: ceil(3 * 0.665) = 2, ceil(1 * 0.731) = 1, nothing for "c".
    Both children of "a" and the one of "b" answer.
    """
    runtime = Scripted(
        {
            "": [("a", 1.0), ("b", 0.8), ("c", 0.6), ("d answer", 0.5)],
            "a": [("aa answer", 0.9), ("ab answer", 0.8)],
            "b": [("ba answer", 0.7)],
        }
    )
    tree = grow(Rebase(width=4), runtime)
    assert [(node.path, node.text, node.state.value) for node in tree.nodes()] == [
        ((), "", "open"),
        ((0,), "a", "open"),
        ((0, 0), "aa answer", "answered"),
        ((0, 1), "ab answer", "answered"),
        ((1,), "b", "open"),
        ((1, 0), "ba answer", "answered"),
        ((2,), "c", "open"),
        ((3,), "d answer", "answered"),
    ]
    leaf = next(node for node in tree.leaves() if node.path == (0, 1))
    assert leaf.solution() == "aab answer"
    assert leaf.solution_scores() == (1.0, 0.8)


def test_a_failed_score_fails_the_node_and_keeps_what_it_cost() -> None:
    class NoScores(SimulatedRuntime):
        async def score(self, requests: Sequence[ScoreRequest], deliver: Deliver) -> None:
            for sent in requests:
                failure: RuntimeFailure = RequestRejected("no score today", request=sent)
                deliver(sent, failure)

    tree = grow(Sampling(width=3), NoScores())
    for leaf in tree.leaves():
        assert (leaf.state, leaf.error) == (NodeState.FAILED, "no score today")
        assert leaf.tokens > 0


def test_a_leaf_cannot_be_expanded() -> None:
    async def main() -> None:
        runtime = SimulatedRuntime()
        async with open_scheduler(runtime, runtime) as scheduler:
            context = context_of(scheduler, Sampling(width=1))
            children = await context.expand([context.root], [1], whole_solutions=True)
            with pytest.raises(ValueError, match="cannot be expanded"):
                await context.expand(children, [1])

    run_virtual(main)


def test_a_child_that_is_expanded_again_gets_new_draws() -> None:
    async def main() -> list[Node]:
        runtime = SimulatedRuntime()
        async with open_scheduler(runtime, runtime) as scheduler:
            context = context_of(scheduler, Rebase())
            first = await context.expand([context.root], [2])
            second = await context.expand([context.root], [2])
            return [*first, *second]

    children = run_virtual(main)
    assert [child.path for child in children] == [(0,), (1,), (2,), (3,)]
    assert len({child.text for child in children}) == 4


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"width": 0}, "rebase: width must be at least 1, not 0"),
        ({"widht": 4}, "strategy 'rebase' has no parameter 'widht'; did you mean 'width'?"),
        ({"width": 2.5}, "rebase: width must be a whole number, not 2.5"),
        ({"width": True}, "rebase: width must be a whole number, not True"),
        ({"softmax_temperature": 0}, "rebase: softmax_temperature must be above 0, not 0"),
        ({"softmax_temperature": float("nan")}, "rebase: softmax_temperature must be above 0, not nan"),
        ({"truncate_ratio": 1.5}, "rebase: truncate_ratio must be above 0 and at most 1, not 1.5"),
        ({"legacy": "yes"}, "rebase: legacy must be true or false, not 'yes'"),
        ({"temperature": -1}, "rebase: temperature must be at least 0, not -1"),
        ({"truncate_ratio": "half"}, "rebase: truncate_ratio must be a number, not 'half'"),
        ({"scored": False}, "rebase: scored must be true, the search is guided by scores"),
    ],
)
def test_wrong_parameters_are_named(parameters: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigurationError) as raised:
        Rebase.from_parameters(parameters)
    assert str(raised.value) == message


def test_what_has_no_default_must_be_given() -> None:
    @dataclass(frozen=True, slots=True, kw_only=True)
    class Demanding(Sampling):
        name = "demanding"
        patience: int
        words: tuple[str, ...] = field(default_factory=tuple)

    with pytest.raises(ConfigurationError, match="demanding: patience must be given, it has no default"):
        Demanding.from_parameters({})
    assert Demanding.from_parameters({"patience": 3}) == Demanding(patience=3)
    assert Demanding.parameters()["words"] == ()
