"""The pure arithmetic that strategies rest on."""

from __future__ import annotations

import itertools
import math
from collections import Counter
from collections.abc import Callable, Hashable, Sequence
from random import Random
from typing import Any

import pytest
import scipy.stats
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from asyncsearch.answers import Ballot, choose
from asyncsearch.answers.decision import is_confident, is_decided, majority_confidence
from asyncsearch.strategies.ets_selection import (
    Selection,
    cluster_texts,
    retain_exactly,
    retain_greedily,
    trigram_counts,
    value_of,
)
from asyncsearch.strategies.even_allocation import even_shares
from asyncsearch.strategies.resampling import (
    effective_sample_size,
    multinomial_resample,
    particle_weights,
    systematic_resample,
)
from asyncsearch.strategies.thompson import sample_beta_mean, sample_gaussian_mean
from asyncsearch.strategies.tree_statistics import Visits, puct, uct

ERROR_RATE = 1e-6
"""How often a statistical test fails although nothing is wrong, were its seeds not fixed."""

scores = st.lists(st.floats(0, 1), min_size=1, max_size=20)


@given(st.integers(1, 50), st.integers(0, 200))
def test_even_shares_are_even_and_use_all(count: int, width: int) -> None:
    shares = even_shares(count, width)
    assert sum(shares) == width
    assert max(shares) - min(shares) <= 1
    assert shares == sorted(shares, reverse=True)


@given(scores, st.floats(0.05, 10))
def test_particle_weights_sum_to_one_and_follow_the_scores(found: list[float], temperature: float) -> None:
    weights = particle_weights(found, temperature)
    assert math.isclose(sum(weights), 1, rel_tol=1e-12)
    for (score, weight), (other, other_weight) in itertools.combinations(zip(found, weights, strict=True), 2):
        assert score > other or weight <= other_weight
        assert score < other or weight >= other_weight


def test_particle_weights_worked_by_hand() -> None:
    """Odds 1 : 1, 4 : 1 and 1 : 4 at temperature 1; their square roots at temperature 2."""
    assert particle_weights([0.5, 0.8, 0.2], 1.0) == pytest.approx([1 / 5.25, 4 / 5.25, 0.25 / 5.25])
    assert particle_weights([0.5, 0.8, 0.2], 2.0) == pytest.approx([1 / 3.5, 2 / 3.5, 0.5 / 3.5])


@given(scores, st.floats(0.05, 10))
def test_the_effective_number_is_between_one_and_all(found: list[float], temperature: float) -> None:
    weights = particle_weights(found, temperature)
    assert 1 - 1e-9 <= effective_sample_size(weights) <= len(weights) + 1e-9


def test_equal_particles_are_all_effective() -> None:
    assert effective_sample_size([0.25] * 4) == pytest.approx(4)
    assert effective_sample_size([1.0, 0.0, 0.0]) == pytest.approx(1)


@given(scores, st.integers(1, 60), st.integers(0, 1000))
def test_systematic_resampling_rounds_up_or_down(found: list[float], count: int, seed: int) -> None:
    weights = particle_weights(found, 1.0)
    drawn = Counter(systematic_resample(weights, count, Random(seed)))
    assert sum(drawn.values()) == count
    for index, weight in enumerate(weights):
        assert math.floor(count * weight - 1e-9) <= drawn[index] <= math.ceil(count * weight + 1e-9)


@given(scores, st.integers(1, 60), st.integers(0, 1000))
def test_multinomial_resampling_draws_as_many(found: list[float], count: int, seed: int) -> None:
    weights = particle_weights(found, 1.0)
    drawn = multinomial_resample(weights, count, Random(seed))
    assert len(drawn) == count
    assert all(weights[index] > 0 for index in drawn)


@pytest.mark.parametrize("resample", [systematic_resample, multinomial_resample])
def test_resampling_is_unbiased(resample: Callable[[Sequence[float], int, Random], list[int]]) -> None:
    """The mean number of copies is count * weight: a z-test for each index, with an error rate shared among them."""
    weights, count, times = particle_weights([0.9, 0.5, 0.3, 0.05], 1.0), 7, 20_000
    copies = Counter[int]()
    squares = Counter[int]()
    random = Random(1)
    for _ in range(times):
        for index, number in Counter(resample(weights, count, random)).items():
            copies[index] += number
            squares[index] += number * number
    bound = scipy.stats.norm.isf(ERROR_RATE / 2 / len(weights))
    for index, weight in enumerate(weights):
        mean = copies[index] / times
        deviation = math.sqrt((squares[index] / times - mean**2) / times)
        assert abs(mean - count * weight) <= bound * deviation


class Backups(RuleBasedStateMachine):
    """A tree that is visited as a Monte Carlo tree search does."""

    def __init__(self) -> None:
        super().__init__()
        self.visits = Visits()
        self.lineages: list[list[int]] = [[0]]
        self.values: dict[int, list[float]] = {0: [0.5]}
        self.on_their_way: list[list[int]] = []
        self.visits.back_up([0], 0.5)

    @rule(parent=st.integers(0, 30), value=st.floats(0, 1))
    def evaluate_a_child(self, parent: int, value: float) -> None:
        lineage = [*self.lineages[parent % len(self.lineages)], len(self.lineages)]
        self.lineages.append(lineage)
        self.visits.back_up(lineage, value)
        for node in lineage:
            self.values.setdefault(node, []).append(value)

    @rule(node=st.integers(0, 30))
    def begin(self, node: int) -> None:
        lineage = self.lineages[node % len(self.lineages)]
        before = self.visits.mean(lineage[-1])
        self.visits.begin(lineage)
        self.on_their_way.append(lineage)
        assert self.visits.mean(lineage[-1]) <= before, "what is on its way looks no better"

    @rule()
    def end(self) -> None:
        if self.on_their_way:
            self.visits.end(self.on_their_way.pop())

    @invariant()
    def a_parent_has_one_visit_more_than_its_children(self) -> None:
        children = Counter[int]()
        for lineage in self.lineages[1:]:
            children[lineage[-2]] += self.visits.visits[lineage[-1]]
        for lineage in self.lineages:
            assert self.visits.visits[lineage[-1]] == 1 + children[lineage[-1]]

    @invariant()
    def a_value_is_the_mean_of_what_came_of_it(self) -> None:
        for node, values in self.values.items():
            pending = sum(node in lineage for lineage in self.on_their_way)
            assert self.visits.count(node) == len(values) + pending
            assert math.isclose(self.visits.mean(node), sum(values) / (len(values) + pending), abs_tol=1e-9)


TestBackups: Any = Backups.TestCase
TestBackups.settings = settings(max_examples=30, stateful_step_count=20)


def test_selection_worked_by_hand() -> None:
    assert uct(0.5, 4, 100, 1.0) == pytest.approx(0.5 + math.sqrt(math.log(100) / 4))
    assert puct(0.5, 4, 100, 2.0, 0.3) == pytest.approx(0.5 + 2.0 * 0.3 * 10 / 5)


def test_a_gaussian_mean_is_drawn_from_its_posterior() -> None:
    """By hand: a Student's t with 1 + n degrees of freedom about the posterior's mean (Murphy 2007, section 6)."""
    observations = [0.2, 0.4, 0.9]
    count, mean = 3, 0.5
    weight, freedom = 4, 4
    centre = count * mean / weight
    spread = 0.1 + sum((seen - mean) ** 2 for seen in observations) + count * mean**2 / weight
    random = Random(2)
    drawn = [sample_gaussian_mean(observations, random) for _ in range(20_000)]
    posterior = scipy.stats.t(freedom, loc=centre, scale=math.sqrt(spread / freedom / weight))
    assert scipy.stats.kstest(drawn, posterior.cdf).pvalue > ERROR_RATE


def test_a_beta_mean_is_drawn_from_its_posterior() -> None:
    random = Random(3)
    drawn = [sample_beta_mean([0.2, 0.4, 0.9], random) for _ in range(20_000)]
    assert scipy.stats.kstest(drawn, scipy.stats.beta(0.5 + 1.5, 0.5 + 1.5).cdf).pvalue > ERROR_RATE


def lineages_of(parents: list[int]) -> list[frozenset[Hashable]]:
    """Lineages of the leaves of a tree, of which each node's parent comes before it."""
    above: list[frozenset[Hashable]] = [frozenset({0})]
    for node, parent in enumerate(parents, 1):
        above.append(above[parent % node] | {node})
    inner = {parent % node for node, parent in enumerate(parents, 1)}
    return [lineage for node, lineage in enumerate(above) if node not in inner]


@st.composite
def selections(draw: st.DrawFn) -> Selection:
    lineages = lineages_of(draw(st.lists(st.integers(0, 10), min_size=1, max_size=9)))
    worth = draw(st.lists(st.integers(1, 9), min_size=len(lineages), max_size=len(lineages)))
    return Selection(
        weights=[one / sum(worth) for one in worth],
        lineages=lineages,
        clusters=draw(st.lists(st.integers(0, 3), min_size=len(lineages), max_size=len(lineages))),
        cost=draw(st.sampled_from([0.0, 0.5, 1.0, 2.0])),
        diversity=draw(st.sampled_from([0.0, 1.0, 1.5])),
    )


@given(selections())
@settings(max_examples=60)
def test_the_integer_program_finds_the_best_selection(selection: Selection) -> None:
    indices = range(len(selection.weights))
    every = (frozenset(chosen) for size in indices for chosen in itertools.combinations(indices, size + 1))
    best = max(value_of(selection, chosen) for chosen in every)
    assert math.isclose(value_of(selection, retain_exactly(selection)), best, abs_tol=1e-6)


@given(selections())
@settings(max_examples=60)
def test_the_greedy_selection_is_one_and_no_better(selection: Selection) -> None:
    chosen = retain_greedily(selection)
    assert chosen
    assert chosen <= set(range(len(selection.weights)))
    exact = value_of(selection, retain_exactly(selection))
    assert value_of(selection, chosen) <= exact + 1e-6
    alone = max(value_of(selection, frozenset({index})) for index in range(len(selection.weights)))
    assert value_of(selection, chosen) >= alone


def test_without_cost_everything_is_kept() -> None:
    lineages = lineages_of([0, 0, 1, 1])
    selection = Selection(weights=[0.2, 0.3, 0.5], lineages=lineages, clusters=[0, 1, 1], cost=0.0, diversity=1.0)
    assert retain_exactly(selection) == retain_greedily(selection) == {0, 1, 2}


def test_texts_that_say_the_same_are_one_cluster() -> None:
    texts = ["Step 1: 12 + 7 = 19. So there are 19.", "Step 1: 12 + 7 = 19. So there are 19!", "Step 1: half of it"]
    first, second, third = cluster_texts(texts, trigram_counts)
    assert first == second != third
    assert cluster_texts(["once", "once"], trigram_counts)[0] == cluster_texts(["once"], trigram_counts)[0]


ballots = st.builds(Ballot, st.integers(0, 3), st.floats(0, 1), st.integers(1, 2))


@given(
    st.lists(ballots, min_size=1, max_size=8),
    st.lists(st.builds(Ballot, st.integers(0, 3), st.floats(0, 1)), max_size=6),
    st.integers(0, 3),
    st.sampled_from(["majority", "weighted", "best-of-n"]),
)
def test_a_decided_vote_is_changed_by_nothing_that_comes(
    cast: list[Ballot], coming: list[Ballot], unused: int, vote: str
) -> None:
    if is_decided(cast, len(coming) + unused, vote):
        before, after = choose(cast, vote), choose([*cast, *coming], vote)
        assert before is not None
        assert after is not None
        assert cast[before].group == [*cast, *coming][after].group


@given(st.lists(ballots, min_size=1, max_size=8), st.integers(0, 8))
def test_a_majority_is_decided_as_soon_as_it_can_be(cast: list[Ballot], left: int) -> None:
    """If it is not, all that is left for one other answer would change it, or make a tie of it."""
    if not is_decided(cast, left, "majority"):
        counts = Counter[int]()
        for ballot in cast:
            counts[ballot.group] += ballot.multiplicity
        leader = counts.most_common(1)[0][0]
        rivals = [group for group in range(5) if group != leader]
        assert any(counts[rival] + left >= counts[leader] for rival in rivals)


@given(st.integers(0, 60), st.integers(0, 60))
def test_confidence_is_that_of_the_beta_distribution(first: int, second: int) -> None:
    expected = scipy.stats.beta(first + 1, second + 1).sf(0.5)
    assert math.isclose(majority_confidence(first, second), expected, rel_tol=1e-9, abs_tol=1e-12)


def test_confidence_is_a_number_whatever_the_number_of_ballots() -> None:
    assert majority_confidence(2000, 2000) == pytest.approx(0.5)
    assert majority_confidence(5000, 10) == 1.0


def test_a_leader_by_score_that_few_have_found_is_not_confident() -> None:
    cast = [Ballot(0, 1.0), Ballot(1, 0.3), Ballot(1, 0.3), Ballot(1, 0.3)]
    assert not is_confident(cast, "weighted", 0.6)
    assert is_confident(cast, "majority", 0.8)
