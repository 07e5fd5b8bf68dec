"""Answers in notations of their own: numbers in other bases, times of the day, ratios, classes of remainders.

Each rule says whether two answers are the same, or None if they are not in its notation.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from fractions import Fraction

__all__ = ["equal_based", "equal_clocks", "equal_ratios", "equal_remainders"]

_BASED = re.compile(r"([0-9A-Fa-f]+)\s*_\s*\{?\s*(\d+)\s*\}?")
_DIGITS = re.compile(r"[0-9A-Fa-f]+")
_CLOCK = re.compile(r"(\d{1,2})(?:\s*:\s*(\d{2}))?\s*(?:([ap])\.?\s*m\.?)?", re.IGNORECASE)
_RATIO = re.compile(r"(\d+)\s*:\s*(\d+)")
_REMAINDER = re.compile(
    r"(?:\(?\s*[a-zA-Z]\s*\\equiv(?![a-zA-Z]))?(.+?)\s*"
    r"(?:\\p?mod(?![a-zA-Z])\s*\{?\s*(\d+)\s*\}?|\(\s*\\?b?mod(?![a-zA-Z])\s*\{?\s*(\d+)\s*\}?\s*\))\s*\)?"
)


def equal_based(left: str, right: str) -> bool | None:
    """Of numbers in another base: the same digits in the same base, or without a base, which the problem has named."""
    based = _BASED.fullmatch(left), _BASED.fullmatch(right)
    if based[0] is not None and based[1] is not None:
        return based[0].groups() == based[1].groups()
    for one, other in ((based[0], right), (based[1], left)):
        if one is not None and _DIGITS.fullmatch(other):
            return one[1] == other
    return None


def equal_clocks(left: str, right: str) -> bool | None:
    """Of times of the day, one with minutes; which half of the day is meant counts where both say so."""
    clocks = _CLOCK.fullmatch(left), _CLOCK.fullmatch(right)
    if clocks[0] is None or clocks[1] is None or not (clocks[0][2] or clocks[1][2]):
        return None
    if any(clock is not None and not (clock[2] or clock[3]) for clock in clocks):
        return None  # a number alone
    halves = {(clock[3] or "").lower() for clock in clocks if clock is not None and clock[3]}
    first, second = ((int(clock[1]), clock[2] or "00") for clock in clocks if clock is not None)
    return first == second and len(halves) <= 1


def equal_ratios(left: str, right: str, equal: Callable[[str, str], bool]) -> bool | None:
    """Of ratios, one of which may be written as a fraction; what has none is compared by ``equal``."""
    ratios = _RATIO.fullmatch(left), _RATIO.fullmatch(right)
    if not any(ratios) or any(ratio is not None and int(ratio[2]) == 0 for ratio in ratios):
        return None
    first, second = (
        text if ratio is None else str(Fraction(int(ratio[1]), int(ratio[2])))
        for ratio, text in zip(ratios, (left, right), strict=True)
    )
    return equal(first, second)


def equal_remainders(left: str, right: str, equal: Callable[[str, str], bool]) -> bool | None:
    """Of classes of remainders: the same by ``equal``, and of the same number where both say of which."""
    remainders = _REMAINDER.fullmatch(left), _REMAINDER.fullmatch(right)
    if not any(remainders):
        return None
    moduli = {found[2] or found[3] for found in remainders if found is not None}
    first, second = (
        text if found is None else found[1].strip() for found, text in zip(remainders, (left, right), strict=True)
    )
    return len(moduli) == 1 and equal(first, second)
