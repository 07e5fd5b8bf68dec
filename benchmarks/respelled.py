r"""Solutions whose answers are a dataset's references, spelled in other ways, and some that are wrong.

So a grader is put to the test on answers of which it is known whether they are right: in a dataset like MATH, where
``\frac{1}{2}``, ``1/2``, ``\dfrac12`` and ``0.5`` are one answer, and ``(1,2)`` and ``(2,1)`` are two.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from random import Random
from types import MappingProxyType

from asyncsearch import Problem

__all__ = ["RIGHT", "WRONG", "Respelled", "respelled"]

Spelling = Callable[[str], str | None]
"""An answer in another spelling, None where it has none like that."""

_INTEGER = re.compile(r"-?\d+\Z")
_FRACTION = re.compile(r"(-?)\\frac\{(\d+)\}\{(\d+)\}\Z")
_SUM = re.compile(r"([^-+,=()\\]+)\+([^-+,=()\\]+)\Z")
_PAIR = re.compile(r"(\\left\(|\()([^,]+?),([^,]+?)(\\right\)|\))\Z")
_THOUSANDS = r"(?!\D*\d{1,3}(?:,(?:\\!)? ?\d{3})+\Z)"
"""No number whose thousands are set off."""

_LIST = re.compile(_THOUSANDS + r"([^,()\[\]{}]+),([^()\[\]{}]+)\Z")
_UNSPACED = re.compile(_THOUSANDS + r"[^,]*,[^, \\]")


def _replaced(old: str, new: str) -> Spelling:
    return lambda answer: answer.replace(old, new) if old in answer else None


def _of_integer(spell: Callable[[int], str | None]) -> Spelling:
    return lambda answer: spell(int(answer)) if _INTEGER.match(answer) else None


def _of_fraction(spell: Callable[[str, int, int], str | None]) -> Spelling:
    def spelled(answer: str) -> str | None:
        found = _FRACTION.match(answer)
        return None if found is None else spell(found[1], int(found[2]), int(found[3]))

    return spelled


def _matched(pattern: re.Pattern[str], template: Callable[[re.Match[str]], str | None]) -> Spelling:
    def spelled(answer: str) -> str | None:
        found = pattern.match(answer)
        return None if found is None else template(found)

    return spelled


def _decimal(sign: str, above: int, below: int) -> str | None:
    rest = below
    for factor in (2, 5):
        while rest % factor == 0:
            rest //= factor
    return f"{sign}{above / below}" if rest == 1 and below > 1 else None


RIGHT: Mapping[str, Spelling] = MappingProxyType(
    {
        "as it is": lambda answer: answer,
        "between dollars": lambda answer: f"${answer}$",
        r"\dfrac": _replaced(r"\frac", r"\dfrac"),
        r"\tfrac": _replaced(r"\frac", r"\tfrac"),
        r"without \left and \right": lambda answer: (
            answer.replace(r"\left", "").replace(r"\right", "") if r"\left" in answer else None
        ),
        r"\left( and \right)": _matched(_PAIR, lambda found: rf"\left({found[2]},{found[3]}\right)"),
        "a space behind commas": _matched(_UNSPACED, lambda found: _spaced(found.string)),
        "no space behind commas": _replaced(", ", ","),
        "a/b": _of_fraction(lambda sign, above, below: f"{sign}{above}/{below}"),
        "a fraction as a decimal": _of_fraction(_decimal),
        "a fraction that is not reduced": _of_fraction(
            lambda sign, above, below: rf"{sign}\frac{{{2 * above}}}{{{2 * below}}}"
        ),
        "12.0": _of_integer(lambda value: f"{value}.0"),
        "1,234": _of_integer(lambda value: f"{value:,}" if abs(value) >= 1000 else None),
        r"1{,}234": _of_integer(lambda value: f"{value:,}".replace(",", "{,}") if abs(value) >= 1000 else None),
        "x = 12": _of_integer(lambda value: f"x = {value}"),
        r"a root without braces": _matched(
            re.compile(r".*\\sqrt\{\d\}"), lambda found: re.sub(r"\\sqrt\{(\d)\}", r"\\sqrt\1", found.string)
        ),
        r"a root with \cdot": _matched(
            re.compile(r"\d+\\sqrt\{\d+\}\Z"), lambda found: found.string.replace(r"\sqrt", r" \cdot \sqrt")
        ),
        "b+a": _matched(_SUM, lambda found: f"{found[2].strip()}+{found[1].strip()}"),
        "a list in another order": _matched(_LIST, lambda found: f"{found[2].strip()},{found[1].strip()}"),
        r"without \text": _matched(
            re.compile(r"\\text\{([^{}]+)\}\Z"), lambda found: None if "(" in found[1] else found[1]
        ),
    }
)
"""Spellings that are right, by name."""

WRONG: Mapping[str, Spelling] = MappingProxyType(
    {
        "wrong: one more": _of_integer(lambda value: str(value + 1)),
        "wrong: the sign": lambda answer: (
            (answer.removeprefix("-") if answer.startswith("-") else f"-{answer}")
            if (_INTEGER.match(answer) or _FRACTION.match(answer)) and answer != "0"
            else None
        ),
        "wrong: upside down": _of_fraction(
            lambda sign, above, below: rf"{sign}\frac{{{below}}}{{{above}}}" if above not in (0, below) else None
        ),
        "wrong: the parts of a pair": _matched(
            _PAIR, lambda found: _unless_same(found[2], found[3], f"{found[1]}{found[3].strip()},{found[2]}{found[4]}")
        ),
        "wrong: a part is missing": _matched(_LIST, lambda found: found[1].strip()),
        "wrong: two numbers for one": _of_integer(
            lambda value: f"{str(value)[:-1]},{str(value)[-1]}" if value >= 10 else None
        ),
        "wrong: a power of two for a root": _matched(
            re.compile(r".*\\sqrt\{\d+\}"), lambda found: re.sub(r"\\sqrt\{(\d+)\}", r"\1^2", found.string)
        ),
    }
)
"""Answers that are wrong, by name."""


def _spaced(answer: str) -> str:
    return re.sub(r",(?=[^ \\])", ", ", answer)


def _unless_same(left: str, right: str, swapped: str) -> str | None:
    try:
        same = Fraction(left.strip()) == Fraction(right.strip())
    except ValueError:
        same = left.strip() == right.strip()
    return None if same else swapped


@dataclass(frozen=True, slots=True)
class Respelled:
    """The answers to a dataset's problems in all spellings that they have, by name.

    `draw` is a policy that writes one of them, and `judge` a reward model that knows nothing of it.
    """

    problems: Sequence[Problem]
    spellings: Mapping[str, Mapping[str, str]]

    def draw(self, problem: str, steps: Sequence[str], random: Random) -> str | None:
        """The next of a solution's two steps; every second solution is right, where there is anything wrong."""
        if not steps:
            return f"Step 1: We draw {random.randrange(_DIFFERENT)}."
        if len(steps) > 1:
            return None
        known = self.spellings[problem.strip()]
        is_right = random.random() < _RIGHT_SHARE
        kinds = [name for name in known if (name in RIGHT) is is_right] or [*known]
        return f"Step 2: The answer is: {known[random.choice(kinds)]}"

    @staticmethod
    def judge(problem: str, steps: Sequence[str]) -> list[float]:
        """Scores by chance, the same for the same steps."""
        return [Random(f"{problem}{''.join(steps[:end])}").random() for end in range(1, len(steps) + 1)]


_RIGHT_SHARE, _DIFFERENT = 0.5, 1000


def respelled(problems: Sequence[Problem]) -> Respelled:
    """The answers to problems, each of which has one, in all their spellings."""
    return Respelled(problems, {problem.text.strip(): _spellings_of(problem.answer or "") for problem in problems})


def _spellings_of(answer: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for name, spell in {**RIGHT, **WRONG}.items():
        spelled = spell(answer)
        if spelled is not None and spelled not in found.values():
            found[name] = spelled
    return found
