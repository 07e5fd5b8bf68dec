from __future__ import annotations

import math
import random

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from asyncsearch.strategies.rebase_allocation import legacy_rebase_shares, rebase_shares

widths = st.integers(0, 300)
temperatures = st.floats(0.01, 10)
scores = st.lists(st.floats(-100, 100), min_size=1, max_size=60)
# Sums of these with whole numbers are exact, so that a shifted score has not been rounded.
exact_scores = st.lists(st.integers(-(2**20), 2**20).map(lambda n: n / 2**20), min_size=1, max_size=40)


@pytest.mark.parametrize(
    ("given_scores", "width", "temperature", "expected"),
    [
        ([1.0], 16, 0.2, [16]),  # the root takes all
        ([0.5, 0.5], 16, 0.2, [8, 8]),  # equal scores share evenly
        ([0.5, 0.5, 0.5], 16, 0.2, [6, 5, 5]),  # what is left over goes to the first
        ([0.2, 0.9], 4, 1e-6, [0, 4]),  # a temperature near 0: the best takes all
        ([0.2, 0.9], 4, 1e12, [2, 2]),  # a high one: everybody the same
        # e^0 : e^-1 : e^-2 = 1 : 0.368 : 0.135 of 10: ceil(6.65) = 7, ceil(3 * 0.731) = 3, nothing left
        ([1.0, 0.8, 0.6], 10, 0.2, [7, 3, 0]),
        ([0.6, 1.0, 0.8], 10, 0.2, [0, 7, 3]),
        ([0.3, 0.7], 0, 0.2, [0, 0]),
    ],
)
def test_shares_worked_by_hand(given_scores: list[float], width: int, temperature: float, expected: list[int]) -> None:
    assert rebase_shares(given_scores, width, temperature) == expected


@given(scores, widths, temperatures)
def test_shares_sum_to_the_width(values: list[float], width: int, temperature: float) -> None:
    shares = rebase_shares(values, width, temperature)
    assert sum(shares) == width
    assert min(shares) >= 0


@given(scores, widths, temperatures)
def test_a_better_node_never_gets_less(values: list[float], width: int, temperature: float) -> None:
    shares = rebase_shares(values, width, temperature)
    for left, left_share in zip(values, shares, strict=True):
        for right, right_share in zip(values, shares, strict=True):
            assert left <= right or left_share >= right_share


@given(exact_scores, widths, temperatures, st.integers(-1000, 1000))
def test_adding_a_constant_changes_nothing(values: list[float], width: int, temperature: float, shift: int) -> None:
    shifted = [value + shift for value in values]
    assert rebase_shares(shifted, width, temperature) == rebase_shares(values, width, temperature)


@given(exact_scores.filter(lambda values: len(set(values)) == len(values)), widths, temperatures, st.randoms())
def test_permuting_nodes_permutes_shares(values: list[float], width: int, temperature: float, random: object) -> None:
    order = list(range(len(values)))
    random.shuffle(order)  # type: ignore[attr-defined]
    permuted = rebase_shares([values[index] for index in order], width, temperature)
    shares = rebase_shares(values, width, temperature)
    assert permuted == [shares[index] for index in order]


@given(st.integers(1, 40), widths, temperatures)
def test_equal_scores_differ_by_one_at_most(count: int, width: int, temperature: float) -> None:
    shares = rebase_shares([0.1 + 0.2] * (count - 1) + [0.3], width, temperature)
    assert max(shares) - min(shares) <= 1


@given(scores, widths, temperatures, st.floats(0.01, 1))
def test_truncation_keeps_the_best(values: list[float], width: int, temperature: float, ratio: float) -> None:
    shares = rebase_shares(values, width, temperature, truncate_ratio=ratio)
    assert sum(shares) == width
    assert sum(share > 0 for share in shares) <= math.ceil(len(values) * ratio)


@pytest.mark.parametrize(
    ("values", "width", "temperature", "ratio"),
    [
        ([math.nan], 4, 0.2, 1.0),
        ([math.inf], 4, 0.2, 1.0),
        ([0.5], -1, 0.2, 1.0),
        ([0.5], 4, 0.0, 1.0),
        ([0.5], 4, 1, 0),
    ],
)
def test_nonsense_is_refused(values: list[float], width: int, temperature: float, ratio: float) -> None:
    with pytest.raises(ValueError, match=r"finite|out of range"):
        rebase_shares(values, width, temperature, truncate_ratio=ratio)


def published_shares(values: list[float], width: int, temperature: float) -> tuple[list[int], list[int]]:
    """The published rule as one reads it off the paper's repository, evaluated by torch in float32."""
    ascending = sorted(enumerate(values), key=lambda pair: pair[1])
    descending = list(reversed(ascending))
    weights = (torch.tensor([value for _, value in descending]) / temperature).exp()
    left_weight, left_width, counts = weights.sum(), width, []
    for weight in weights:
        counts.append(int(math.ceil(left_width * weight / left_weight)))  # noqa: RUF046 - as published
        left_width -= counts[-1]
        left_weight = left_weight - weight
    return [index for index, _ in descending], counts


@given(st.lists(st.floats(0, 1), min_size=1, max_size=40), st.integers(1, 256), st.sampled_from([0.05, 0.2, 0.5, 1.0]))
def test_legacy_is_the_published_rule_bit_for_bit(values: list[float], width: int, temperature: float) -> None:
    try:
        expected = published_shares(values, width, temperature)
    except (OverflowError, ValueError):
        with pytest.raises(ValueError, match="published arithmetic"):
            legacy_rebase_shares(values, width, temperature)
    else:
        assert legacy_rebase_shares(values, width, temperature) == expected


@pytest.mark.parametrize(
    ("seed", "count", "width", "temperature", "ratio", "order", "shares"),
    [
        (0, 5, 64, 0.05, 1.0, [0, 1, 4, 2, 3], [55, 9, 0, 0, 0]),
        (1, 2, 1, 0.2, 1.0, [1, 0], [1, 0]),
        (3, 2, 4, 0.2, 0.5, [1], [4]),
        (4, 2, 16, 0.05, 0.5, [0], [16]),
        (5, 8, 16, 1.0, 1.0, [3, 5, 2, 1, 4, 0, 7, 6], [3, 3, 3, 2, 2, 2, 1, 0]),
        (6, 8, 1, 0.2, 1.0, [1, 0, 7, 5, 2, 6, 3, 4], [1, 0, 0, 0, 0, 0, 0, 0]),
        (7, 3, 4, 0.2, 0.5, [2, 0], [4, 0]),
        (8, 2, 16, 0.2, 1.0, [1, 0], [16, 0]),
        (9, 5, 16, 0.2, 1.0, [3, 0, 1, 2, 4], [13, 2, 1, 0, 0]),
        (11, 5, 64, 0.2, 0.5, [2, 1, 4], [50, 8, 7]),
        (13, 3, 16, 1.0, 0.5, [1, 2], [9, 8]),
        (21, 2, 64, 1.0, 1.0, [1, 0], [41, 24]),
        (39, 2, 16, 0.2, 1.0, [1, 0], [12, 5]),
        (50, 5, 16, 0.2, 0.5, [2, 0, 4], [9, 4, 4]),
    ],
)
def test_legacy_gives_what_the_published_code_gave(
    seed: int, count: int, width: int, temperature: float, ratio: float, order: list[int], shares: list[int]
) -> None:
    """Recorded from ``select_softmax`` and ``select_softmax_with_truncation`` of the reference's rebase.py.

    Run as they are (github.com/thu-wyz/inference_scaling at 0fe7da9) by torch 2.13.0 on a CPU. In five rows the shares
    sum to one more than the width, as the published arithmetic may.
    """
    source = random.Random(seed)
    values = [round(source.random(), 3) for _ in range(count)]
    assert legacy_rebase_shares(values, width, temperature, truncate_ratio=ratio) == (order, shares)


def test_legacy_takes_the_later_of_two_equal_nodes_first() -> None:
    order, shares = legacy_rebase_shares([0.5, 0.9, 0.5], 5, 0.2)
    assert order == [1, 2, 0]
    assert shares[0] > shares[1]


def test_legacy_can_pay_out_more_than_the_width() -> None:
    generator = torch.Generator().manual_seed(0)
    draws = [torch.rand(8, generator=generator).tolist() for _ in range(300)]
    assert any(sum(legacy_rebase_shares(draw, 64, 1.0)[1]) > 64 for draw in draws)
    assert all(sum(rebase_shares(draw, 64, 1.0)) == 64 for draw in draws)
