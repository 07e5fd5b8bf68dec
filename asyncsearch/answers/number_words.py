"""Numbers in English words: cardinals, ordinals and fractions, as far as answers have them."""

from __future__ import annotations

import re
from fractions import Fraction
from itertools import pairwise
from types import MappingProxyType

__all__ = ["FRACTION_WORDS", "SCALES", "with_digits"]

_SMALL = (
    *("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve"),
    *("thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen"),
)
_TENS = ("twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety")
_NUMBERS = MappingProxyType(
    {word: number for number, word in enumerate(_SMALL)} | dict(zip(_TENS, range(20, 100, 10), strict=True))
)
SCALES = MappingProxyType({"hundred": 100, "thousand": 10**3, "million": 10**6, "billion": 10**9, "trillion": 10**12})
"""Words that multiply the number before them."""

_IRREGULAR = MappingProxyType(
    {
        "one": "first",
        "two": "second",
        "three": "third",
        "five": "fifth",
        "eight": "eighth",
        "nine": "ninth",
        "twelve": "twelfth",
    }
)
_ORDINALS = MappingProxyType(
    {
        _IRREGULAR.get(word) or (f"{word[:-1]}ieth" if word.endswith("y") else f"{word}th"): number
        for word, number in (_NUMBERS | SCALES).items()
        if number
    }
)
FRACTION_WORDS = MappingProxyType({f"{word}s": number for word, number in _ORDINALS.items() if number > 2})
"""The plural of what a whole is divided into, with the number of parts; halves and quarters are things too."""

_PARTS = MappingProxyType(
    {word: number for word, number in _ORDINALS.items() if number > 2}
    | FRACTION_WORDS
    | {"half": 2, "halves": 2, "quarter": 4, "quarters": 4}
)
_WORD = re.compile(r"[\s-]*([a-zA-Z]+)")
_AND_A_PART = re.compile(r"\A(-?\d+) and (?:a|an|one) ([a-zA-Z]+)")
_SIGN = re.compile(r"(?:negative|minus)\s+", re.IGNORECASE)


def with_digits(text: str) -> str:
    """A text with digits for the number in words that it begins with, as LaTeX; an ordinal only if it is all of it.

    "minus twenty-one apples" becomes "-21 apples", "two thirds" a fraction, "two and a half" a mixed number. What
    begins otherwise is left as it is.
    """
    return _AND_A_PART.sub(_mixed, _with_cardinal(text), count=1)


def _mixed(found: re.Match[str]) -> str:
    parts = _PARTS.get(found[2].lower())
    return found[0] if parts is None else f"{found[1]}\\frac{{1}}{{{parts}}}"


def _with_cardinal(text: str) -> str:
    sign = _SIGN.match(text)
    rest = text if sign is None else text[sign.end() :]
    minus = "" if sign is None else "-"
    if minus and rest[:1].isdigit():
        return minus + rest
    if (ordinal := _ORDINALS.get(rest.lower())) is not None:
        return f"{minus}{ordinal}"
    found = _words_at_the_beginning(rest)
    words = [word[1].lower() for word in found]
    counted, taken = _cardinal(words)
    number = Fraction(counted)
    parts = _PARTS.get(words[taken]) if taken < len(words) else None
    if parts is not None and (number or words[taken] == "half"):
        number, taken = Fraction(number or 1, parts), taken + 1
    elif taken == 0 or words[taken - 1] == "a":
        return text
    written = str(number) if number.denominator == 1 else f"\\frac{{{number.numerator}}}{{{number.denominator}}}"
    return minus + written + rest[found[taken - 1].end() :]


def _words_at_the_beginning(text: str) -> list[re.Match[str]]:
    found: list[re.Match[str]] = []
    position = 0
    while (word := _WORD.match(text, position)) is not None:
        found.append(word)
        position = word.end()
    return found


def _cardinal(words: list[str]) -> tuple[int, int]:
    """The number that a list of words begins with, and how many of them it takes. An article is a one."""
    total, current, taken, scale = 0, 0, 0, max(SCALES.values()) * 10
    for position, (word, following) in enumerate(pairwise([*words, ""])):
        if word == "a" and position == 0:
            current = 1
        elif word == "and" and taken and current % 100 == 0 and following in _NUMBERS:
            continue
        elif (number := _NUMBERS.get(word)) is not None:
            follows_tens = current % 100 >= 20 and current % 10 == 0
            if not (0 < number < 10 if follows_tens else current % 100 == 0):
                break
            current += number
        elif word == "hundred" and 0 < current < 100:
            current *= 100
        elif word != "hundred" and current and SCALES.get(word, scale) < scale:
            scale = SCALES[word]
            total, current = total + current * scale, 0
        else:
            break
        taken = position + 1
    return total + current, taken
