"""Whether an expression is an answer to a Countdown problem."""

from __future__ import annotations

import ast
import operator
import re
from collections import Counter
from collections.abc import Callable
from fractions import Fraction

from asyncsearch.answers.grader import Grader

__all__ = ["CountdownGrader", "evaluate_expression"]

_OPERATIONS: dict[type[ast.operator], Callable[[Fraction, Fraction], Fraction]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
}
_LONGEST = 200
"""Characters of an expression: what is longer is none, and need not be looked at."""


class CountdownGrader(Grader):
    """Right is an expression of the problem's numbers, each used at most once, that has the target's value.

    In a vote two expressions are the same if they have the same value. Comparing them takes no time to speak of:
    ``time_limit`` is never reached.
    """

    def __init__(self, *, time_limit: float = 5.0) -> None:
        self.time_limit = time_limit

    async def equal(self, left: str, right: str) -> bool:
        """Whether two expressions have the same value."""
        if left == right:
            return True
        values = evaluate_expression(left), evaluate_expression(right)
        return values[0] is not None and values[1] is not None and values[0][0] == values[1][0]

    async def is_right(self, problem: str, reference: str, answer: str) -> bool:
        """Whether an expression reaches the target, which is the reference, with the problem's numbers."""
        found, target = evaluate_expression(answer), evaluate_expression(reference)
        if found is None or target is None or found[0] != target[0]:
            return False
        there = Counter(map(int, re.findall(r"\d+", problem.partition("Target")[0])))
        return found[1] <= there


def evaluate_expression(text: str) -> tuple[Fraction, Counter[int]] | None:
    """The value of an expression and how often each number is in it; None if it is no expression, or has no value.

    Known are whole numbers, + - * / and parentheses; what stands behind an equals sign is passed over.
    """
    text = text.partition("=")[0].strip()
    if len(text) > _LONGEST:
        return None
    try:
        numbers: Counter[int] = Counter()
        return _evaluate(ast.parse(text, mode="eval").body, numbers), numbers
    except (SyntaxError, ValueError, ZeroDivisionError, MemoryError, RecursionError):
        return None


def _evaluate(node: ast.expr, numbers: Counter[int]) -> Fraction:
    match node:
        case ast.Constant(value=int(value)) if not isinstance(value, bool):
            numbers[value] += 1
            return Fraction(value)
        case ast.BinOp(left=left, op=op, right=right) if type(op) in _OPERATIONS:
            return _OPERATIONS[type(op)](_evaluate(left, numbers), _evaluate(right, numbers))
    raise ValueError(f"no arithmetic: {ast.dump(node)}")
