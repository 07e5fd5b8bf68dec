"""A reward model: how many of a step's equations are right."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import partial

from runtimes.function import FunctionReward

_EQUATION = re.compile(r"(\d+) ([-+*]) (\d+) = (-?\d+)")


def equations(weight: str) -> FunctionReward:
    """Make the reward model of ``--reward equations:WEIGHT``; a wrong step scores 1 less the weight."""
    return FunctionReward(partial(judge, weight=float(weight)))


def judge(problem: str, steps: Sequence[str], *, weight: float = 1.0) -> list[float]:
    """A score for each step: 1 if all of its equations are right."""
    return [1.0 - weight * (1 - _share_of_right_ones(step)) for step in steps]


def _share_of_right_ones(step: str) -> float:
    found = _EQUATION.findall(step)
    right = sum(_value(int(left), sign, int(other)) == int(result) for left, sign, other, result in found)
    return right / len(found) if found else 1.0


def _value(left: int, sign: str, right: int) -> int:
    return {"+": left + right, "-": left - right, "*": left * right}[sign]
