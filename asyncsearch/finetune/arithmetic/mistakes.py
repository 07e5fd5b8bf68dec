"""Worked solutions with mistakes put in, from which a reward model learns to compare."""

from __future__ import annotations

import random
from collections.abc import Sequence

from asyncsearch.datasets.arithmetic import Operation, write_steps

__all__ = ["with_mistakes"]

_WRONG_LINES = 0.5
_WRONG_RESULT = 0.7  # the rest are wrong operands
_NEXT_DIGIT = 0.5


def with_mistakes(
    operations: Sequence[Operation], source: random.Random, *, in_operands: bool = True
) -> tuple[str, ...]:
    """The steps of a worked solution, with one digit changed in about half of them.

    Half of the wrong digits are one more or one less than they should be, as a policy's own often are. Each
    line but for its own mistake is as in the worked solution.
    """
    return write_steps(
        [
            _altered(operation, source, in_operands) if source.random() < _WRONG_LINES else operation
            for operation in operations
        ]
    )


def _altered(operation: Operation, source: random.Random, in_operands: bool) -> Operation:
    left, right, result = operation.left, operation.right, operation.result
    if not in_operands or source.random() < _WRONG_RESULT:
        result = _with_wrong_digit(result, source)
    elif source.random() < 0.5:
        left = _with_wrong_digit(left, source)
    else:
        right = _with_wrong_digit(right, source)
    return Operation(left, operation.symbol, right, result)


def _with_wrong_digit(number: int, source: random.Random) -> int:
    """A number with as many digits, of which one is another."""
    digits = list(str(number))
    while True:
        place = source.randrange(len(digits))
        old = int(digits[place])
        new = old + source.choice((-1, 1)) if source.random() < _NEXT_DIGIT else source.randrange(10)
        if 0 <= new <= 9 and new != old and (new or place):
            digits[place] = str(new)
            return int("".join(digits))
