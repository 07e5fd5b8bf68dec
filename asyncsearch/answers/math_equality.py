"""Whether two mathematical answers are the same: what math-verify decides, and what it is not asked.

It may take any time on text from a model, so it is called in a process that can be killed
(`asyncsearch.answers.grading_worker`).
"""

from __future__ import annotations

import re
from fractions import Fraction
from types import MappingProxyType
from typing import Any

from latex2sympy2_extended.latex2sympy2 import NormalizationConfig
from math_verify import parse, verify
from math_verify.parser import ExprExtractionConfig, LatexExtractionConfig

from asyncsearch.answers.plain_latex import plain_latex
from asyncsearch.answers.units import quantity

__all__ = ["equal_answers"]

_LONGEST = 2_000
"""Characters of an answer. What is longer is equal to the same string only."""

_LATEX = LatexExtractionConfig(
    boxed_match_priority=0,
    normalization_config=NormalizationConfig(
        basic_latex=True, units=False, malformed_operators=True, nits=True, boxed="all"
    ),
)
_TARGETS = (_LATEX, ExprExtractionConfig())
_DECIMAL = re.compile(r"(?<![\d.])(\d*)\.(\d+)")

_BASED = re.compile(r"([0-9A-Fa-f]+)\s*_\s*\{?\s*(\d+)\s*\}?")
_DIGITS = re.compile(r"[0-9A-Fa-f]+")
_CLOCK = re.compile(r"(\d{1,2})\s*:\s*(\d{2})\s*(?:([ap])\.?\s*m\.?)?", re.IGNORECASE)
_RATIO = re.compile(r"(\d+)\s*:\s*(\d+)")
_COMMAND = re.compile(r"\\(?:begin|end)\s*\{[a-zA-Z]*\}|\\[a-zA-Z]+")
_WORD = re.compile(r"[A-Z][a-z]+|[a-zA-Z]{4,}")
_FILLERS = re.compile(r"\A(?:(?:the|a|an|on|in|at|it is)\s+)+", re.IGNORECASE)
_CONJUNCTION = re.compile(r"(?:\s*,)?\s+(?:and|or)\s+")
_UNITS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
_TEENS = ("ten", "eleven", "twelve", "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen")
_TENS = ("twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety")
_NUMBER_WORDS = MappingProxyType(
    {word: str(number) for number, word in enumerate((*_UNITS, *_TEENS))}
    | {word: f"{number}0" for number, word in enumerate(_TENS, 2)}
    | {
        f"{tens}-{unit}": f"{ten}{number}"
        for ten, tens in enumerate(_TENS, 2)
        for number, unit in enumerate(_UNITS)
        if number
    }
)
"""The numbers below a hundred, in words."""


def equal_answers(left: str, right: str) -> bool:
    """Whether two answers are the same: by value where they have one, else as text.

    A unit counts only where both have one. Lists without brackets are the same in any order, tuples are not.
    """
    if left.strip() == right.strip():
        return bool(left.strip())
    if max(len(left), len(right)) > _LONGEST:
        return False
    left, right = _listed(plain_latex(left)), _listed(plain_latex(right))
    if not (left and right):
        return False
    if left == right:
        return True
    for rule in (_equal_based, _equal_clocks, _equal_ratios, _equal_texts, _equal_lists):
        if (decided := rule(left, right)) is not None:
            return decided
    return _equal_quantities(left, right)


def _listed(text: str) -> str:
    """With commas for "and" and "or", and a number for a word that is one."""
    text = _CONJUNCTION.sub(", ", text)
    return _NUMBER_WORDS.get(text.lower(), text)


def _equal_based(left: str, right: str) -> bool | None:
    """Of numbers in another base: the same digits in the same base, or without a base, which the problem has named."""
    based = _BASED.fullmatch(left), _BASED.fullmatch(right)
    if based[0] is not None and based[1] is not None:
        return based[0].groups() == based[1].groups()
    for one, other in ((based[0], right), (based[1], left)):
        if one is not None and _DIGITS.fullmatch(other):
            return one[1] == other
    return None


def _equal_clocks(left: str, right: str) -> bool | None:
    """Of times of the day; which half of it is meant counts where both say so."""
    clocks = _CLOCK.fullmatch(left), _CLOCK.fullmatch(right)
    if clocks[0] is None or clocks[1] is None:
        return None
    halves = {(clock[3] or "").lower() for clock in clocks if clock is not None and clock[3]}
    return clocks[0].group(1, 2) == clocks[1].group(1, 2) and len(halves) <= 1


def _equal_ratios(left: str, right: str) -> bool | None:
    """Of ratios, one of which may be written as a fraction."""
    ratios = _RATIO.fullmatch(left), _RATIO.fullmatch(right)
    if not any(ratios) or any(ratio is not None and int(ratio[2]) == 0 for ratio in ratios):
        return None
    first, second = (
        text if ratio is None else str(Fraction(int(ratio[1]), int(ratio[2])))
        for ratio, text in zip(ratios, (left, right), strict=True)
    )
    return _equal_quantities(first, second)


def _equal_texts(left: str, right: str) -> bool | None:
    """Of words: their letters and digits. What looks like none is one if the other is."""
    if not (_is_text(left) or _is_text(right)):
        return None
    return _letters(left) == _letters(right)


def _is_text(answer: str) -> bool:
    value = quantity(answer).value
    return _WORD.search(_COMMAND.sub(" ", value)) is not None


def _letters(answer: str) -> str:
    return re.sub(r"[\s().'\"]+", "", _FILLERS.sub("", answer)).lower()


def _equal_lists(left: str, right: str) -> bool | None:
    """Of lists without brackets that are equally long: each entry has one that is the same."""
    entries, others = _entries(left), _entries(right)
    if len(entries) != len(others) or len(entries) == 1:
        return None
    left_over = [*others]
    for entry in entries:
        found = next((other for other in left_over if equal_answers(entry, other)), None)
        if found is None:
            return False
        left_over.remove(found)
    return True


def _entries(text: str) -> list[str]:
    """What commas outside of brackets separate."""
    depth = 0
    entries = [""]
    for character in text:
        depth += (character in "([{") - (character in ")]}")
        if character == "," and depth == 0:
            entries.append("")
        else:
            entries[-1] += character
    return [entry.strip() for entry in entries if entry.strip()]


def _equal_quantities(left: str, right: str) -> bool:
    first, second = quantity(left), quantity(right)
    if first.is_of_another_kind(second):
        return False
    if _equal_values(first.value, second.value):
        return True
    if (first.unit == "percent") == (second.unit == "percent"):
        return False
    shares = (f"({one.value})/100" if one.unit == "percent" else one.value for one in (first, second))
    return _equal_values(*shares)


def _equal_values(left: str, right: str) -> bool:
    """What math-verify says, which takes capital letters for small ones."""
    letters = [{*re.findall(r"[a-zA-Z]", _COMMAND.sub(" ", text))} for text in (left, right)]
    small = [{*map(str.lower, found)} for found in letters]
    if letters[0] != letters[1] and small[0] == small[1]:
        return False
    if _verified(left, right):
        return True
    exact = _in_fractions(left), _in_fractions(right)
    return exact != (left, right) and any(letters) and _verified(*exact)


def _verified(left: str, right: str) -> bool:
    parsed = _parsed(left), _parsed(right)
    if not all(parsed):
        return False
    return bool(verify(*parsed, timeout_seconds=None)) or bool(verify(*parsed[::-1], timeout_seconds=None))


def _in_fractions(text: str) -> str:
    """With fractions for decimals, which an algebra system may not take for the same."""
    return _DECIMAL.sub(lambda found: f"\\frac{{{int(found[1] + found[2])}}}{{{10 ** len(found[2])}}}", text)


def _parsed(text: str) -> Any:
    # Its own time limits are off: whoever calls this keeps the time.
    found = parse(f"${text}$", extraction_config=_TARGETS, parsing_timeout=None)
    return found or parse(text, extraction_config=_TARGETS, parsing_timeout=None)
