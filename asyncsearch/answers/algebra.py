"""What math-verify is asked, and what it is not: whether two expressions have the same value.

It may take any time on text from a model, so it is called in a process that can be killed
(`asyncsearch.answers.grading_worker`). Of some notations it reads a part and takes the rest for nothing; those are
compared by their letters.
"""

from __future__ import annotations

import re
from typing import Any

from latex2sympy2_extended.latex2sympy2 import NormalizationConfig
from math_verify import parse, verify
from math_verify.parser import LatexExtractionConfig

from asyncsearch.answers.brackets import enclosing_brackets
from asyncsearch.answers.rational import in_fractions, rational

__all__ = ["COMMAND", "are_same_signs", "equal_expressions"]

COMMAND = re.compile(r"\\(?:begin|end)\s*\{[a-zA-Z]*\}|\\[a-zA-Z]+")
"""A command of LaTeX, the letters of which are no variables."""

# The other configuration, of plain expressions, finds a last number in whatever it cannot read.
_LATEX = LatexExtractionConfig(
    boxed_match_priority=0,
    normalization_config=NormalizationConfig(
        basic_latex=True, units=False, malformed_operators=True, nits=True, boxed="all"
    ),
)
_DECIMAL_PLACES = 12
_MISREAD = re.compile(
    r"'|\\(?:bmod|prime|[lc]?dots|overline|bar|neg|lnot|odot|otimes|oplus)(?![a-zA-Z])|\\\||\.\.\.|\d\s*_|\.\d+\."
    r"|(?<![_\d])\d+\s+\.?\d"
)
_DEGREES = re.compile(r"(\d+(?:\.\d+)?)\s*\^\s*(?:\{\s*\\circ\s*\}|\\circ(?![a-zA-Z]))")

_SPACE = re.compile(r"(?<!\d)\s+|\s+(?!\d)")


def equal_expressions(left: str, right: str) -> bool:
    """Whether two expressions in `plain_latex` have the same value. Capital letters are others than small ones."""
    numbers = rational(left), rational(right)
    if numbers[0] is not None and numbers[1] is not None:
        return numbers[0] == numbers[1]
    left, right = (_DEGREES.sub(r"(\\frac{\1\\pi}{180})", text) for text in (left, right))
    exact = in_fractions(left), in_fractions(right)
    if any(map(_MISREAD.search, exact)):
        return are_same_signs(left, right)
    letters = [{*re.findall(r"[a-zA-Z]", COMMAND.sub(" ", text))} for text in exact]
    small = [{*map(str.lower, found)} for found in letters]
    if (letters[0] != letters[1] and small[0] == small[1]) or _are_of_other_brackets(left, right):
        return False
    return _verified(left, right) or (exact != (left, right) and _verified(*exact))


def are_same_signs(left: str, right: str) -> bool:
    """Whether two expressions differ in their spaces alone, and not in one between two numbers."""
    return _SPACE.sub("", left) == _SPACE.sub("", right)


def _are_of_other_brackets(left: str, right: str) -> bool:
    """Whether both are lists in brackets, and not in the same: a tuple, an interval and a set are not one another."""
    brackets = [enclosing_brackets(text) for text in (left, right) if "," in text]
    return len(brackets) == 2 and None not in brackets and brackets[0] != brackets[1]


def _verified(left: str, right: str) -> bool:
    parsed = _parsed(left), _parsed(right)
    if not all(parsed):
        return False
    options = {"timeout_seconds": None, "float_rounding": _DECIMAL_PLACES}
    return bool(verify(*parsed, **options)) or bool(verify(*parsed[::-1], **options))


def _parsed(text: str) -> Any:
    # Its own time limits are off: whoever calls this keeps the time.
    return parse(f"${text}$", extraction_config=(_LATEX,), parsing_timeout=None)
