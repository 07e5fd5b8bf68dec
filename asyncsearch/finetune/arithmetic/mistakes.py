"""Worked solutions with mistakes put in, from which a reward model learns to compare."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace

from asyncsearch.datasets.arithmetic import Operation, nearest_text, write_steps

__all__ = ["mended", "with_mistakes"]

_WRONG_LINES = 0.5
_WRONG_RESULT = (
    0.5  # of the wrong lines; of the rest half have a wrong digit in an operand, half another line's numbers
)
_NEXT_DIGIT = 0.5

Solution = tuple[Operation, ...]


def with_mistakes(
    worked: Solution, source: random.Random, *, solutions: Sequence[Solution] | None = None
) -> tuple[str, ...]:
    """The steps of a worked solution, with a mistake in about half of them.

    A mistake is a wrong digit, in half of the cases one more or one less than it should be, as a policy's own
    often are; or numbers that belong to another line, as when a policy takes something twice or leaves it out.
    Each line but for its own mistake is as in the worked solution.

    Args:
        worked: the lines of the solution.
        source: of randomness.
        solutions: all the right ones of its problem; None where nothing says what the operands should be, and
            only results get mistakes.
    """
    lines = list(worked)
    for index, line in enumerate(worked):
        if source.random() < _WRONG_LINES:
            lines[index] = _altered(line, source, others=worked, right=_alternatives(worked, index, solutions))
    return write_steps(lines)


def mended(written: Sequence[str], worked: Solution, solutions: Sequence[Solution]) -> tuple[str, ...]:
    """What each step of ``with_mistakes`` should have been: of the right ones at its place, the most like it."""
    return tuple(
        nearest_text(
            (write_steps([*worked[:index], line, *worked[index + 1 :]])[index] for line in right), written[index]
        )
        for index in range(len(worked))
        for right in [_alternatives(worked, index, solutions)]
    )


def _alternatives(worked: Solution, index: int, solutions: Sequence[Solution] | None) -> list[Operation]:
    """The lines that are right at a place after the lines before it; none where that is not known."""
    if solutions is None:
        return []
    return list(dict.fromkeys(one[index] for one in solutions if one[:index] == worked[:index]))


def _altered(line: Operation, source: random.Random, *, others: Solution, right: Sequence[Operation]) -> Operation:
    if not right or source.random() < _WRONG_RESULT:
        return replace(line, result=_with_wrong_digit(line.result, source))
    kind = source.choice(("left", "right", "line", "line"))
    if kind == "left":
        return replace(line, left=_with_wrong_digit(line.left, source))
    if kind == "line":
        taken = _with_numbers_of(line, source.choice(others))
        if taken.result > 0 and taken not in right:
            return taken
    return replace(line, right=_with_wrong_digit(line.right, source))


def _with_numbers_of(line: Operation, other: Operation) -> Operation:
    """The line that does to its stock what another does, or the other itself where that is a product on its own."""
    if other.symbol == "+":
        return Operation(line.left, "+", other.right, line.left + other.right)
    if other.symbol == "-":
        return Operation(line.left, "-", other.right, line.left - other.right)
    return other


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
