"""What is true of every tree that a strategy grows; what is true of all strategies, the conformance kit checks."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Sequence
from functools import partial

import pytest
from grown import PROBLEM, Scripted, context_of, grow, shape
from hypothesis import given, settings
from hypothesis import strategies as st

from asyncsearch import ConfigurationError, Strategy, make_strategy, solve, strategy_names
from asyncsearch.answers.math_grader import MathGrader
from asyncsearch.candidates import candidates_of
from asyncsearch.election import elect, gather_voters
from asyncsearch.scheduler import open_scheduler
from asyncsearch.strategies import AbMcts, Beam, Dvts, Ets, Mcts, ParticleFilter, Rebase, Speculative, TreeOfThoughts
from asyncsearch.strategies.even_allocation import even_shares
from asyncsearch.tree import Node, NodeState, Tree
from runtimes.simulated import Faults, SimulatedRuntime
from runtimes.virtual_clock import run_virtual

seeds = st.integers(0, 200)
widths = st.integers(1, 24)
few = settings(max_examples=25)


def expanded_by_depth(tree: Tree) -> Counter[int]:
    return Counter(node.depth for node in tree.nodes() if node.children and node.parent is not None)


@given(
    strategy=st.one_of(
        st.builds(Beam, width=widths, beams=st.integers(1, 6)),
        st.builds(Dvts, width=widths, subtrees=st.integers(1, 6)),
        st.builds(Mcts, width=widths, evaluation=st.sampled_from(["score", "rollout"]), wave=st.integers(1, 5)),
        st.builds(AbMcts, width=widths, wave=st.integers(1, 5)),
        st.builds(Ets, width=widths, cost=st.floats(0, 3), solver=st.just("greedy")),
        st.builds(TreeOfThoughts, width=widths, order=st.sampled_from(["breadth", "depth"])),
        st.builds(ParticleFilter, width=widths, ess_threshold=st.floats(0, 1)),
        st.builds(Beam, width=widths, beams=st.integers(1, 6), refill=st.just(True)),
    ),
    seed=seeds,
    rejected=st.sampled_from([0.0, 0.2]),
)
@settings(max_examples=80)
def test_the_width_paid_out_is_the_width_given(strategy: Strategy, seed: int, rejected: float) -> None:
    """Candidates, and draws that were lost to failures."""
    tree = grow(strategy, SimulatedRuntime(faults=Faults(rejected=rejected)), seed=seed)
    assert sum(leaf.multiplicity for leaf in tree.leaves()) == strategy.width


@given(width=widths, beams=st.integers(1, 6), refill=st.booleans(), lookahead=st.integers(0, 2), seed=seeds)
@few
def test_no_more_beams_are_kept_than_wanted(width: int, beams: int, refill: bool, lookahead: int, seed: int) -> None:
    tree = grow(
        Beam(width=width, beams=beams, refill=refill, lookahead=lookahead, max_depth=8), SimulatedRuntime(), seed=seed
    )
    assert all(count <= beams for count in expanded_by_depth(tree).values())


@given(width=widths, subtrees=st.integers(1, 6), seed=seeds)
@few
def test_subtrees_are_disjoint_and_each_goes_one_way(width: int, subtrees: int, seed: int) -> None:
    tree = grow(Dvts(width=width, subtrees=subtrees), SimulatedRuntime(), seed=seed)
    places = [share for share in even_shares(subtrees, width) if share]
    children = iter(tree.root.children)
    for share in places:
        roots = [next(children) for _ in range(share)]
        frontier = roots
        leaves = 0
        while frontier:
            expanded = [node for node in frontier if node.children]
            assert len(expanded) <= 1
            leaves += sum(node.is_leaf for node in frontier)
            frontier = [child for node in expanded for child in node.children]
        assert leaves == share, "what one subtree is given, no other takes"
    assert next(children, None) is None


@given(width=st.integers(4, 24), iterations=st.integers(1, 2), seed=seeds, threshold=st.floats(0, 1))
@few
def test_the_number_of_particles_is_constant(width: int, iterations: int, seed: int, threshold: float) -> None:
    strategy = ParticleFilter(width=width, iterations=iterations, ess_threshold=threshold)
    tree = grow(strategy, SimulatedRuntime(), seed=seed)
    assert sum(leaf.multiplicity for leaf in tree.leaves()) == width
    assert all(count <= width for count in expanded_by_depth(tree).values())


def test_a_particle_filter_that_always_resamples_does_so_among_equals() -> None:
    """Multinomially, four equal particles are not each drawn once, but for 3 in 32 times."""
    steps = {"": [(letter, 0.5) for letter in "abcd"], **{letter: [(f"{letter} answer", 0.5)] * 4 for letter in "abcd"}}
    expanded = [
        expanded_by_depth(grow(ParticleFilter(width=4, resampling="multinomial"), Scripted(steps), seed=seed))[1]
        for seed in range(8)
    ]
    assert min(expanded) < 4


@pytest.mark.parametrize("seed", range(4))
def test_a_particle_that_was_lost_is_not_copied(seed: int) -> None:
    """However little the others are worth."""
    steps = {"": [("lost", 0.0), ("a answer", 0.0), ("b answer", 0.0), ("c", 0.0)], "c": [("c answer", 0.0)] * 4}
    for parameters in ({"resampling": "multinomial"}, {"softmax_temperature": 20.0}):
        strategy = make_strategy("particle-filter", {"width": 4, **parameters})
        tree = grow(strategy, Scripted(steps), seed=seed)
        assert sum(leaf.multiplicity for leaf in tree.leaves() if leaf.state is NodeState.ANSWERED) == 4


def test_a_deep_tree_is_searched_as_any_other() -> None:
    steps = {"c" * depth: [("c", 0.5)] for depth in range(1200)}
    tree = grow(Mcts(width=1, root_children=1, children=1, max_depth=1200, max_tokens=20_000), Scripted(steps))
    assert max(node.depth for node in tree.nodes()) == 1200


def test_a_particle_filter_that_never_resamples_is_step_wise_sampling() -> None:
    tree = grow(ParticleFilter(width=6, ess_threshold=0.0), SimulatedRuntime())
    assert len(tree.root.children) == 6
    assert all(len(node.children) == 1 for node in tree.nodes() if node.children and node.parent)
    assert {leaf.multiplicity for leaf in tree.leaves()} == {1}


@given(width=widths, seed=seeds)
@few
def test_ets_without_cost_is_rebase(width: int, seed: int) -> None:
    ets = grow(Ets(width=width, cost=0.0), SimulatedRuntime(), seed=seed)
    assert shape(ets) == shape(grow(Rebase(width=width), SimulatedRuntime(), seed=seed))


@given(width=widths, seed=seeds)
@few
def test_ets_never_keeps_more_than_rebase(width: int, seed: int) -> None:
    ets = expanded_by_depth(grow(Ets(width=width, cost=2.0), SimulatedRuntime(), seed=seed))
    rebase = expanded_by_depth(grow(Rebase(width=width), SimulatedRuntime(), seed=seed))
    assert ets[1] <= rebase[1], "of the first depth, which is the same"


@given(seed=seeds, root_children=st.sampled_from([4, 8, 16]), wave=st.integers(1, 4))
@few
def test_unfinished_branches_of_a_tree_search_never_vote(seed: int, root_children: int, wave: int) -> None:
    tree = grow(Mcts(width=8, root_children=root_children, wave=wave), SimulatedRuntime(), seed=seed)
    candidates = candidates_of(tree, MathGrader())
    assert len(candidates) == 8
    assert all(candidate.answer is not None for candidate in candidates)


async def answer_of(
    strategy: Strategy, seed: int, vote: str, runtime: SimulatedRuntime | None = None
) -> tuple[str | None, Tree]:
    runtime = runtime or SimulatedRuntime()
    async with MathGrader() as grader, open_scheduler(runtime, runtime) as scheduler:
        context = context_of(scheduler, strategy, problem=PROBLEM, seed=seed, grader=grader, vote=vote)
        await strategy.search(context)
        voters = await gather_voters(candidates_of(context.tree, grader), grader)
        return elect(voters, vote, "last"), context.tree


@given(
    inner=st.sampled_from(["sampling", "rebase", "beam", "dvts", "mcts", "tot", "ab-mcts"]),
    width=st.integers(3, 24),
    seed=seeds,
    vote=st.sampled_from(["majority", "weighted", "best-of-n"]),
)
@settings(max_examples=60)
def test_an_early_stop_never_changes_the_vote_that_it_claims_decided(
    inner: str, width: int, seed: int, vote: str
) -> None:
    whole, tree = run_virtual(partial(answer_of, make_strategy(inner, {"width": width}), seed, vote))
    stopped, part = run_virtual(partial(answer_of, make_strategy(f"early-stop:{inner}", {"width": width}), seed, vote))
    assert stopped == whole
    assert sum(leaf.multiplicity for leaf in part.leaves()) <= sum(leaf.multiplicity for leaf in tree.leaves())


@given(
    cast=st.lists(st.tuples(st.integers(1, 3), st.sampled_from([0.0, 0.1, 0.5, 0.9, 1.0])), min_size=2, max_size=9),
    vote=st.sampled_from(["majority", "weighted", "best-of-n"]),
)
@settings(max_examples=200)
def test_no_leaves_that_come_change_a_vote_that_an_early_stop_claims_decided(
    cast: list[tuple[int, float]], vote: str
) -> None:
    steps = {"": [(f"s{number} The answer is: {answer}", score) for number, (answer, score) in enumerate(cast)]}
    whole, _ = run_virtual(
        partial(answer_of, make_strategy("sampling", {"width": len(cast)}), 0, vote, Scripted(steps))
    )
    stopped, tree = run_virtual(
        partial(answer_of, make_strategy("early-stop:sampling", {"width": len(cast)}), 0, vote, Scripted(steps))
    )
    assert stopped == whole
    numbers = Counter(answer for answer, _ in cast)
    if vote == "majority" and len(numbers) == 1 and len(cast) > 2:
        assert sum(leaf.multiplicity for leaf in tree.leaves()) == len(cast) // 2 + 1


def test_an_early_stop_does_stop_early() -> None:
    votes = [
        sum(leaf.multiplicity for leaf in grow(strategy, SimulatedRuntime(), seed=seed, vote="majority").leaves())
        for seed in range(20)
        for strategy in [make_strategy("early-stop:sampling", {"width": 24, "scored": False, "confidence": 0.8})]
    ]
    assert sum(votes) < 20 * 24 * 0.8


LEVELS = [
    name
    for name in strategy_names()
    if name not in ("early-stop", "speculative") and make_strategy(name, {}).level_synchronous
]


@pytest.mark.parametrize("inner", LEVELS)
@given(width=widths, seed=seeds, levels=st.integers(1, 3), limit=st.sampled_from([64, 5]))
@settings(max_examples=12)
def test_speculation_never_changes_a_tree(inner: str, width: int, seed: int, levels: int, limit: int) -> None:
    plain = grow(make_strategy(inner, {"width": width}), SimulatedRuntime(), seed=seed)
    speculative = make_strategy(f"speculative:{inner}", {"width": width, "levels": levels})
    assert shape(grow(speculative, SimulatedRuntime(), seed=seed, limit=limit)) == shape(plain)


class Fanciful(Rebase):
    """Foresees anything."""

    def foresee(self, settled: Sequence[Node], growing: Sequence[Node]) -> list[int]:
        return [random.Random(f"{node.path}{len(growing)}").randrange(6) for node in settled]


@given(width=widths, seed=seeds, levels=st.integers(1, 4), limit=st.sampled_from([64, 5]))
@settings(max_examples=30)
def test_no_foresight_is_so_bad_that_it_changes_a_tree(width: int, seed: int, levels: int, limit: int) -> None:
    plain = grow(Rebase(width=width), SimulatedRuntime(), seed=seed)
    fanciful = Speculative(inner=Fanciful(width=width), levels=levels)
    assert shape(grow(fanciful, SimulatedRuntime(), seed=seed, limit=limit)) == shape(plain)


class Blind(Rebase):
    """Cannot look ahead."""

    def foresee(self, settled: Sequence[Node], growing: Sequence[Node]) -> list[int]:
        raise LookupError("nothing to be seen")


def test_foresight_that_fails_ends_its_search() -> None:
    runtime = SimulatedRuntime()
    strategy = Speculative(inner=Blind(width=8))
    result = run_virtual(lambda: solve(PROBLEM, strategy, policy=runtime, reward=runtime))
    assert result.error is not None
    assert "LookupError: nothing to be seen" in result.error


def test_what_cannot_be_foreseen_is_not_wrapped() -> None:
    with pytest.raises(ConfigurationError, match="speculative:mcts: mcts does not grow level by level"):
        make_strategy("speculative:mcts", {})
    with pytest.raises(ConfigurationError, match="early-stop:particle-filter: which leaves of particle-filter vote"):
        make_strategy("early-stop:particle-filter", {})
    with pytest.raises(ConfigurationError, match="leaves of rebase vote, or how many, is known"):
        make_strategy("early-stop:rebase", {"legacy": True})


@given(lookahead=st.integers(1, 3), seed=seeds)
@few
def test_what_is_looked_at_is_no_candidate(lookahead: int, seed: int) -> None:
    tree = grow(Beam(width=8, lookahead=lookahead), SimulatedRuntime(), seed=seed)
    greedy = list(tree.greedy_nodes())
    assert greedy
    in_tree: set[Node] = set(tree.nodes())
    assert not in_tree & set(greedy)
    assert len({node.path for node in greedy}) == len(greedy), "each is grown once"
