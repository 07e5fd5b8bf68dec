"""Answers in notations of their own: numbers in other bases, times of the day, ratios, classes of remainders.

Each rule says whether two answers are the same, or None if they are not in its notation.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable

from asyncsearch.answers.number_words import with_digits

__all__ = ["equal_based", "equal_clocks", "equal_ratios", "equal_remainders"]

_DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"
_BASED = re.compile(
    r"\(?\s*([0-9A-Za-z]+)\s*\)?\s*"
    r"(?:_\s*\{?\s*(\d+|[a-z]+)\s*\}?|\(?\s*(?:in )?base[ -](\d+|[a-z]+)\s*\)?)",
    re.IGNORECASE,
)
_CLOCK = re.compile(r"(\d{1,2})(?:\s*:\s*(\d{2}))?\s*(?:([ap])\.?\s*m\.?)?", re.IGNORECASE)
_RATIO = re.compile(r"\d+(?:\s*:\s*\d+)+")
_REMAINDER = re.compile(
    r"(?:\(?\s*[a-zA-Z]\s*\\equiv(?![a-zA-Z]))?(.+?)\s*"
    r"(?:\\p?mod(?![a-zA-Z])\s*\{?\s*(\d+)\s*\}?|\(\s*\\?b?mod(?![a-zA-Z])\s*\{?\s*(\d+)\s*\}?\s*\))\s*\)?"
)


def equal_based(left: str, right: str) -> bool | None:
    """Of numbers in another base: the same digits in the same base, or without a base, which the problem has named."""
    based = _based(left), _based(right)
    if based[0] is not None and based[1] is not None:
        return based[0] == based[1]
    for one, other in ((based[0], right), (based[1], left)):
        if one is not None and other.isalnum():
            return one[0] == other.lower()
    return None


def _based(text: str) -> tuple[str, int] | None:
    """Digits and their base; None where these are not digits of that, but a letter with its subscript."""
    found = _BASED.fullmatch(text)
    if found is None:
        return None
    digits, base = found[1].lower(), with_digits((found[2] or found[3]).lower())
    if not (base.isdecimal() and 2 <= int(base) <= len(_DIGITS) and digits[0] in _DIGITS[:10]):
        return None
    return (digits, int(base)) if all(digit in _DIGITS[: int(base)] for digit in digits) else None


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
    """Of ratios, one of two parts perhaps written as a fraction; what has none is compared by ``equal``."""
    first, second = _ratio(left), _ratio(right)
    if first is not None and second is not None:
        return first == second
    for ratio, other in ((first, right), (second, left)):
        if ratio is not None:
            return len(ratio) == 2 and ratio[1] != 0 and equal(f"{ratio[0]}/{ratio[1]}", other)
    return None


def _ratio(text: str) -> tuple[int, ...] | None:
    """The parts of a ratio in the least whole numbers, None if it is none."""
    if _RATIO.fullmatch(text) is None:
        return None
    parts = [int(part) for part in text.split(":")]
    divisor = math.gcd(*parts) or 1
    return tuple(part // divisor for part in parts)


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
