r"""Numbers with units: what stands behind a value, and whether two units are the same.

References in GSM8K and MATH leave units away as often as not, so one that only one answer has does not count.
Words that change a value are no units: "5 million" is not 5.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from fractions import Fraction
from types import MappingProxyType

from asyncsearch.answers.number_words import FRACTION_WORDS, SCALES

__all__ = ["Quantity", "quantity"]

_NAMES = MappingProxyType(
    {
        "dollar": "dollar dollars usd bucks",
        "euro": "euro euros eur",
        "pound sterling": "gbp",
        "cent": "cent cents",
        "percent": "percent",
        "dozen": "dozen dozens",
        "degree": "degree degrees",
        "degree celsius": "celsius centigrade",
        "degree fahrenheit": "fahrenheit",
        "millimetre": "mm millimeter millimeters millimetre millimetres",
        "centimetre": "cm centimeter centimeters centimetre centimetres",
        "metre": "m meter meters metre metres",
        "kilometre": "km kilometer kilometers kilometre kilometres",
        "inch": "in inch inches",
        "foot": "ft foot feet",
        "yard": "yd yds yard yards",
        "mile": "mi mile miles",
        "second": "s sec secs second seconds",
        "minute": "min mins minute minutes",
        "hour": "h hr hrs hour hours",
        "day": "day days",
        "week": "week weeks",
        "month": "month months",
        "year": "yr yrs year years",
        "gram": "g gram grams",
        "kilogram": "kg kilogram kilograms",
        "ounce": "oz ounce ounces",
        "pound": "lb lbs pound pounds",
        "litre": "l liter liters litre litres",
        "millilitre": "ml milliliter milliliters millilitre millilitres",
        "gallon": "gal gallon gallons",
        "mile per hour": "mph",
        "kilometre per hour": "kph kmh",
    }
)
_KNOWN = MappingProxyType({spelling: name for name, spellings in _NAMES.items() for spelling in spellings.split()})
_POWERS = MappingProxyType({"square": "2", "sq": "2", "squared": "2", "cubic": "3", "cu": "3", "cubed": "3"})
_FACTORS = MappingProxyType(
    {word: Fraction(scale) for word, scale in SCALES.items()}
    | {word: Fraction(1, parts) for word, parts in FRACTION_WORDS.items()}
)
_MEANINGS = MappingProxyType({"percent": Fraction(1, 100), "dozen": Fraction(12)})
_WORDS_OF_MATHEMATICS = frozenset(
    (
        *("and", "or", "pi", "sin", "cos", "tan", "cot", "sec", "csc", "log", "ln", "exp", "sqrt", "frac", "mod"),
        *("plus", "minus", "over", "divided", "factorial", "choose", "modulo", "point", "most", "least"),
    )
)
_ARTICLES = frozenset(("a", "an"))
_SIGNS = MappingProxyType({"$": "dollar", "€": "euro", "£": "pound sterling"})

_PERCENT = re.compile(r"(.*[^\\\s])\s*(?:\\?%|percent)(?:\s+of\s[a-zA-Z ]+)?", re.DOTALL)
_DEGREES = re.compile(r"(.*[^\\\s{])\s*(?:\^\s*\{?\s*\\circ\s*\}?)\s*([CF]?)", re.DOTALL)
_SCALES_OF_DEGREES = MappingProxyType({"": "degree", "C": "degree celsius", "F": "degree fahrenheit"})
_HALF_OF_THE_DAY = re.compile(r"(.*\d)\s*([ap])\.?\s*m\.?", re.DOTALL | re.IGNORECASE)
_CURRENCY = re.compile(r"([-+]?)\s*(?:\\?(\$)|([€£])|USD|US\$)\s*(?=[-+.\d\\(])")
_CURRENCY_BEHIND = re.compile(r"(.*\S)\s*([€£$])")
_LAST_WORD = re.compile(r"(\(?)([a-zA-Z]+)\.?(?:\s*\^\s*\{?\s*([-\d]+)\s*\}?)?(\)?)\Z")
_LETTERS = frozenset("msghlNJKVWA")
_NUMBER = re.compile(r"\(?[-+]?[\d.,]+\)?(?:\s*/\s*\d+)?")
_TRIGONOMETRIC = re.compile(r"\\(?:sin|cos|tan|cot|sec|csc)(?![a-zA-Z])")
_VALUE_ENDS = re.compile(r"(?:[\d.)}\]!|]|\\pi)\s*\Z")


@dataclass(frozen=True, slots=True)
class Quantity:
    """A value that is to be multiplied by a factor, and its unit: a name and a power.

    The unit is None where there is none, or none that is known here; the power where it is not said.
    """

    value: str
    factor: Fraction = Fraction(1)
    unit: str | None = None
    power: str | None = None

    @property
    def meaning(self) -> Fraction:
        """How much one of the unit is: a hundredth for a percent, twelve for a dozen."""
        return _MEANINGS.get(self.unit or "", Fraction(1))

    def is_of_another_kind(self, other: Quantity) -> bool:
        """Whether both have a unit, and not the same. One may say less of it: degrees of those of Celsius."""
        units = sorted(f"{unit} " for unit in (self.unit, other.unit) if unit is not None)
        powers = {self.power, other.power} - {None}
        return len(powers) > 1 or (len(units) == 2 and not units[1].startswith(units[0]))


def quantity(text: str) -> Quantity:
    """The value of an answer in `plain_latex`, without its unit."""
    if (percent := _PERCENT.fullmatch(text)) is not None:
        return Quantity(percent[1], unit="percent")
    if (degrees := _DEGREES.fullmatch(text)) is not None and not _TRIGONOMETRIC.search(text):
        return Quantity(degrees[1], unit=_SCALES_OF_DEGREES[degrees[2]])
    if (half := _HALF_OF_THE_DAY.fullmatch(text)) is not None:
        return Quantity(half[1], unit=f"{half[2].lower()}m")
    currency: str | None = None
    if (sign := _CURRENCY.match(text)) is not None:
        currency = _SIGNS.get(sign[2] or sign[3], "dollar")
        text = sign[1] + text[sign.end() :]
    elif (behind := _CURRENCY_BEHIND.fullmatch(text)) is not None:
        return Quantity(behind[1], unit=_SIGNS[behind[2]])
    found = _split_words(text)
    return found if currency is None else replace(found, unit=currency)


def _split_words(text: str) -> Quantity:
    """A value and what the words behind it say, if words stand behind a value and nothing else does."""
    rest = text
    words: list[str] = []
    """From the last to the first, with a "per" before each that is one of a rate."""
    power: str | None = None
    while (found := _LAST_WORD.search(rest)) is not None:
        opens, spelling, exponent, closes = found.groups()
        before, word = rest[: found.start()], spelling.lower()
        is_known = word in _KNOWN or word in _POWERS
        if word in _WORDS_OF_MATHEMATICS or before.endswith("\\") or bool(opens) != bool(closes):
            break
        if not is_known and before[-1:].isalnum():
            break
        if len(word) == 1 and not (words and word in _ARTICLES) and not _is_unit(spelling, before):
            break
        words.append(word)
        power = exponent or power
        rest = before.rstrip()
        if rest.endswith("/"):
            words.append("per")
            rest = rest.removesuffix("/").rstrip()
        rest = rest.removesuffix("-").rstrip()
        if _VALUE_ENDS.search(rest):
            return _described(rest, words[::-1], power) or Quantity(text)
    return Quantity(text)


def _is_unit(letter: str, before: str) -> bool:
    """Whether a letter is a unit and no variable: after a plain number, or in a rate."""
    if letter not in _LETTERS or before[-1:] not in (" ", "/"):
        return False
    return before.endswith("/") or _NUMBER.fullmatch(before.rstrip()) is not None


def _described(value: str, words: list[str], power: str | None) -> Quantity | None:
    """What words behind a value say of it, None if they do something to it that is not known here."""
    factor = Fraction(1)
    while words and words[0] in _FACTORS:
        factor *= _FACTORS[words.pop(0)]
    names: list[str] = []
    for before, word in zip(["", *words], words, strict=False):
        if word in ("squared", "cubed") and before not in _KNOWN:
            return None
        power = power or _POWERS.get(word)
        if word in _KNOWN and (not names or before == "per"):
            names.append(_KNOWN[word])
    if "degree" in names[:1]:
        names = [next((_KNOWN[word] for word in words if _KNOWN.get(word, "").startswith("degree ")), "degree")]
    return Quantity(value, factor, " per ".join(names) or None, power)
