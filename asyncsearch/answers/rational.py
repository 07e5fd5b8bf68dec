r"""Exact values of numbers as answers write them: ``12``, ``-0.5``, ``0.1\overline{6}``, ``3/4``, ``2\frac{1}{2}``.

An algebra system would round their decimals, and reads some of them in part.
"""

from __future__ import annotations

import re
from fractions import Fraction

__all__ = ["in_fractions", "rational"]

_LONGEST = 200
_LARGEST_EXPONENT = 400

_DECIMAL = r"\d+(?:\.\d*)?|\.\d+"
_TERM = re.compile(
    rf"""\s*(?:
        (?P<whole>\d+)\s*\\frac\{{(?P<numerator>\d+)\}}\{{(?P<denominator>\d+)\}}
      | \\frac\{{\s*(?P<above>[-+]?(?:{_DECIMAL}))\s*\}}\{{\s*(?P<below>[-+]?(?:{_DECIMAL}))\s*\}}
      | 10\s*\^\s*(?:(?P<digit>\d)|\{{\s*(?P<exponent>[-+]?\d+)\s*\}})
      | \(\s*(?P<enclosed>[-+]?(?:{_DECIMAL}))\s*\)
      | (?P<decimal>{_DECIMAL})
    )\s*""",
    re.VERBOSE,
)
_OPERATION = re.compile(r"/|\\times(?![a-zA-Z])|\\cdot(?![a-zA-Z])|\*")
_SIGN = re.compile(r"\s*([-+]?)\s*")
_REPEATING = re.compile(
    r"(?<![\d.])(\d*)\.(\d*)(?:\\(?:overline|bar|dot)\s*(?:\{\s*(\d+)\s*\}|(\d))|\((\d+)\)\Z)(?!\d)"
)
_FINITE = re.compile(r"(?<![\d.])(\d*)\.(\d+)(?![\d.])")


def rational(text: str) -> Fraction | None:
    r"""The value of a number in `plain_latex`, or of a product or a quotient of some; None if a text is none.

    An integer before a proper fraction is a mixed number. What is divided by nothing, or is longer than anybody would
    write, is none either.
    """
    if len(text) > _LONGEST:
        return None
    text = _without_repetition(text)
    sign = _SIGN.match(text)
    position = 0 if sign is None else sign.end()
    value = Fraction(-1 if sign is not None and sign[1] == "-" else 1)
    divides = False
    while (term := _TERM.match(text, position)) is not None:
        factor = _value(term)
        if factor is None or (divides and factor == 0):
            return None
        value = value / factor if divides else value * factor
        if term.end() == len(text):
            return value
        operation = _OPERATION.match(text, term.end())
        if operation is None or (divides and operation[0] == "/"):
            return None
        position, divides = operation.end(), operation[0] == "/"
    return None


def _value(term: re.Match[str]) -> Fraction | None:
    if term["whole"] is not None:
        numerator, denominator = int(term["numerator"]), int(term["denominator"])
        return int(term["whole"]) + Fraction(numerator, denominator) if 0 < numerator < denominator else None
    if term["above"] is not None:
        below = Fraction(term["below"])
        return Fraction(term["above"]) / below if below else None
    if (exponent := term["digit"] or term["exponent"]) is not None:
        return Fraction(10) ** int(exponent) if abs(int(exponent)) <= _LARGEST_EXPONENT else None
    return Fraction(term["enclosed"] or term["decimal"])


def in_fractions(text: str) -> str:
    """With fractions for decimals, which an algebra system may not take for the same."""
    text = _without_repetition(text)
    return _FINITE.sub(lambda found: f"\\frac{{{int(found[1] + found[2])}}}{{{10 ** len(found[2])}}}", text)


def _without_repetition(text: str) -> str:
    return _REPEATING.sub(_fraction, text)


def _fraction(repeating: re.Match[str]) -> str:
    before, behind, period = repeating[1], repeating[2], repeating[3] or repeating[4] or repeating[5]
    shift, cycle = 10 ** len(behind), 10 ** len(period) - 1
    value = Fraction(int(f"{before}{behind}" or "0"), shift) + Fraction(int(period), shift * cycle)
    return f"\\frac{{{value.numerator}}}{{{value.denominator}}}"
