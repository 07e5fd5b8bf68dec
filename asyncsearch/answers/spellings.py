r"""What answers write in characters, as programs or in prose, in LaTeX: ``√2``, ``sqrt(2)``, ``x**2``, ``1e-5``."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable

__all__ = ["in_latex"]

_CHARACTERS = str.maketrans(
    {
        "−": "-",
        "×": r"\times ",
        "·": r"\cdot ",
        "∙": r"\cdot ",
        "÷": "/",
        "π": r"\pi ",
        "∞": r"\infty ",
        "°": r"^\circ ",
        "≤": r"\le ",
        "≥": r"\ge ",
        "⩽": r"\le ",
        "⩾": r"\ge ",
        "≠": r"\ne ",
        "≈": r"\approx ",
        "∪": r"\cup ",
        "∩": r"\cap ",
        "∈": r"\in ",
        "±": r"\pm ",
        "θ": r"\theta ",
        "∅": r"\emptyset ",
        "‘": "'",
        "’": "'",
        "\N{NO-BREAK SPACE}": " ",
        "\N{THIN SPACE}": " ",
        "\N{NARROW NO-BREAK SPACE}": " ",
    }
)
_SUPERSCRIPTS = dict(zip("⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻ⁿ", "0123456789+-n", strict=True))


def _power(found: re.Match[str]) -> str:
    return f"^{{{''.join(map(_SUPERSCRIPTS.__getitem__, found[0]))}}}"


def _root(found: re.Match[str]) -> str:
    return f"\\sqrt{{{found[1].strip('{}()')}}}"


def _times_a_power_of_ten(found: re.Match[str]) -> str:
    return f"{found[1]}\\times 10^{{{found[2].replace('+', '')}{found[3]}}}"


_REWRITES: tuple[tuple[re.Pattern[str], str | Callable[[re.Match[str]], str]], ...] = (
    (re.compile(r"(?:^|(?<=[\s(\[{,=]))[–—](?=[\d.\\a-zA-Z])"), "-"),  # a dash for a minus
    (re.compile(r"(?<=[\w)])\*\*(?=[\w(-])"), "^"),
    (re.compile(r"(?<=\d)\s*[xX*]\s*(?=10\s*\^)"), r"\\times "),
    (re.compile(r"(\\sqrt\s*\[\d+\])\s*(\d|[a-z])"), r"\1{\2}"),
    (re.compile(r"\\frac\s*(\\pi)\s*(\d)"), r"\\frac{\1}{\2}"),
    (
        re.compile(
            r"(?<![\\a-zA-Z])(arc(?:sin|cos|tan)|sin|cos|tan|cot|sec|csc|log|ln|exp)"
            r"(?=\s*[(\\\d]|\s[a-zA-Z](?![a-zA-Z]))"
        ),
        r"\\\1",
    ),
    (re.compile(r"=/=|!=|/="), r"\\ne "),
    (re.compile(r"(?<=\d)\s*(?:\.\.\.|…)"), r"\\ldots "),
    (re.compile(f"[{''.join(_SUPERSCRIPTS)}]+"), _power),
    (re.compile(r"√\s*(\d+|[a-zA-Z]|\([^()]*\)|\{[^{}]*\})"), _root),
    (re.compile(r"(?<![\\a-zA-Z])sqrt\s*\(((?:[^()]|\([^()]*\))*)\)"), r"\\sqrt{\1}"),
    (re.compile(r"(?<![\d.a-zA-Z\\])(\d+(?:\.\d+)?)[eE]([+-]?)0*(\d+)(?![\w.])"), _times_a_power_of_ten),
    (re.compile(r"(?<![\\a-zA-Z])pi(?![a-zA-Z])"), r"\\pi"),
    (re.compile(r"(?<![\\a-zA-Z])infinity(?![a-zA-Z])", re.IGNORECASE), r"\\infty"),
)


def in_latex(text: str) -> str:
    """A text with commands for all of these."""
    text = "".join(map(_fraction, text)).translate(_CHARACTERS)
    for pattern, replacement in _REWRITES:
        text = pattern.sub(replacement, text)
    return text


def _fraction(character: str) -> str:
    """One half, and whatever else is a fraction in one character, as LaTeX's."""
    if unicodedata.category(character) != "No":
        return character
    numerator, slash, denominator = unicodedata.normalize("NFKC", character).partition("\N{FRACTION SLASH}")
    return f"\\frac{{{numerator}}}{{{denominator}}}" if slash and denominator else character
