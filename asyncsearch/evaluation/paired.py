"""Whether one run is better than another on the same problems."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

from asyncsearch.evaluation.accuracy import Accuracy
from asyncsearch.evaluation.bootstrap import Estimate, estimate
from asyncsearch.evaluation.judgement import Judgement, Method

__all__ = ["PairedTest", "paired_test"]


@dataclass(frozen=True, slots=True, kw_only=True)
class PairedTest:
    """Two runs on the problems that both have solved.

    Of these ``only_first`` are right in the first run alone and ``only_second`` in the second. ``difference`` is the
    second's accuracy less the first's, with the bootstrap's interval over the problems. ``p_value`` is the probability
    of so uneven a split or a more uneven one, if each of those problems had fallen to either run as a coin does: the
    exact test of McNemar (1947). ``left_out`` problems are in one run only.
    """

    only_first: int
    only_second: int
    difference: Estimate
    p_value: float
    left_out: int

    @property
    def problems(self) -> int:
        """How many problems are in both."""
        return self.difference.total


def paired_test(
    first: Sequence[Judgement], second: Sequence[Judgement], *, methods: tuple[Method, Method]
) -> PairedTest:
    """Compare two runs, each under a method of its own. A problem is the same if its id, text and reference are."""
    others = {(judgement.id, judgement.problem): judgement for judgement in second}
    pairs = [
        (judgement, other)
        for judgement in first
        if (other := others.get((judgement.id, judgement.problem))) is not None
    ]
    splits = [(methods[1] in other.winning) - (methods[0] in one.winning) for one, other in pairs]
    only_first, only_second = splits.count(-1), splits.count(1)
    difference = estimate(splits)
    if len(set(splits)) == 1:  # samples of what is all the same say nothing of other problems
        total, value = len(splits), float(splits[0])
        doubt = Accuracy(0, total).interval()[1]
        difference = Estimate(value, max(value - doubt, -1.0), min(value + doubt, 1.0), total)
    return PairedTest(
        only_first=only_first,
        only_second=only_second,
        difference=difference,
        p_value=_coin_probability(only_first, only_second),
        left_out=len(first) + len(second) - 2 * len(pairs),
    )


def _coin_probability(heads: int, tails: int) -> float:
    """Two-sided, of so many heads and tails or a more uneven split of as many throws."""
    throws, fewer = heads + tails, min(heads, tails)
    as_uneven = 2 * sum(math.comb(throws, count) for count in range(fewer + 1))
    return min(1.0, float(Fraction(as_uneven, 2**throws)))
