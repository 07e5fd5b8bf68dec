r"""Answers that are equations and inequalities: when one of them stands for its last side.

``x = 4`` and ``2 + 2 = 4`` do, ``2x = 4`` and ``x > 4`` do not; an algebra system would take any for the 4.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from asyncsearch.answers.brackets import matches_outside

__all__ = ["Related", "as_union", "related"]

_RELATION = re.compile(
    r"(?P<same>=|\\approx(?![a-zA-Z])|\\equiv(?![a-zA-Z])|\\in(?![a-zA-Z])|:=)"
    r"|(?P<other><=?|>=?|\\(?:le|leq|leqslant|ge|geq|geqslant|lt|gt|ne|neq)(?![a-zA-Z]))"
)
_NAME = re.compile(
    r"\\?[a-zA-Z]+(?:\s*_\s*(?:\w|\{[^{}]*\}))?(?:\s*\^\s*\{-1\})?(?:\s*\(\s*-?[\w ]+\s*\))?"  # x_1, f(2), P( red )
    r"|\(\s*[a-zA-Z](?:\s*,\s*[a-zA-Z])+\s*\)|\[[A-Z]+\]"  # a point, an area
    r"|(?:\\(?:angle|triangle|measuredangle)\s*)?[A-Z]+(?:\s*[-+]\s*[A-Z]+)*"
    r"|[a-w](?:\s*[-+]\s*[a-w])+|[a-zA-Z]+(?: [a-zA-Z]+)+"  # what is asked for: m + n, but no equation of a line
)
_BOUND = re.compile(r"([a-zA-Z])\s*(<=?|>=?|\\(?:le|leq|leqslant|ge|geq|geqslant|lt|gt)(?![a-zA-Z]))([^<>=]+)")
_VARIABLE = re.compile(r"(?<![\\a-zA-Z])[a-zA-Z]+")


@dataclass(frozen=True, slots=True)
class Related:
    """The ``sides`` of an answer, at least one, and whether they are those of an inequality.

    ``name`` is what an equation says its last side is; empty where that is the result of a calculation, and None where
    the equation is no name for it.
    """

    sides: tuple[str, ...]
    is_inequality: bool
    name: str | None

    @property
    def is_equation(self) -> bool:
        """Whether there is something on both sides of an equals sign, or of one like it."""
        return len(self.sides) > 1 and not self.is_inequality

    @property
    def value(self) -> str | None:
        """What it stands for, None if only for itself."""
        return self.sides[-1] if len(self.sides) == 1 or self.name is not None else None

    def says_of_the_same(self, other: Related) -> bool:
        """Whether two equations have values, and of the same name if both have one."""
        names = {self.name, other.name}
        return None not in names and len(names - {""}) < 2


def related(answer: str) -> Related:
    """Take an answer in `plain_latex` apart at its relations."""
    relations = list(matches_outside(_RELATION, answer))
    ends = [*(relation.start() for relation in relations), len(answer)]
    begins = [0, *(relation.end() for relation in relations)]
    sides = tuple(answer[begin:end].strip() for begin, end in zip(begins, ends, strict=True))
    is_inequality = any(relation["other"] for relation in relations)
    if is_inequality or not relations:
        return Related(sides, is_inequality, name=None)
    if len(sides) == 2 and _NAME.fullmatch(sides[1]) and not _VARIABLE.search(sides[0]):
        sides = sides[::-1]
    first, *_ = sides
    if _NAME.fullmatch(first):
        return Related(sides, is_inequality=False, name=first)
    is_calculation = first and not any(_VARIABLE.search(side) for side in sides[:-1])
    return Related(sides, is_inequality=False, name="" if is_calculation else None)


def as_union(parts: Sequence[str]) -> str | None:
    """Two or more inequalities of one variable as a union of intervals, None if they are not."""
    bounds = [_BOUND.fullmatch(part.strip()) for part in parts]
    found = [bound for bound in bounds if bound is not None]
    if len(found) < max(len(parts), 2) or len({bound[1] for bound in found}) != 1:
        return None
    return r" \cup ".join(_interval(bound[2], bound[3].strip()) for bound in found)


def _interval(relation: str, bound: str) -> str:
    includes = relation not in ("<", ">", r"\lt", r"\gt")
    if relation.startswith(("<", r"\l")):
        return rf"(-\infty, {bound}{']' if includes else ')'}"
    return rf"{'[' if includes else '('}{bound}, \infty)"
