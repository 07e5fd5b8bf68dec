r"""Numbers with units: what stands behind a value, and whether two units are the same.

References in GSM8K and MATH leave units away as often as not, so one that only one answer has does not count.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from types import MappingProxyType

__all__ = ["Quantity", "quantity"]

_NAMES = MappingProxyType(
    {
        "dollar": "dollar dollars usd bucks",
        "euro": "euro euros eur",
        "pound sterling": "gbp",
        "cent": "cent cents",
        "percent": "percent",
        "degree": "degree degrees",
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
    }
)
_KNOWN = MappingProxyType({spelling: name for name, spellings in _NAMES.items() for spelling in spellings.split()})
_WORDS_OF_MATHEMATICS = frozenset(
    ("and", "or", "pi", "sin", "cos", "tan", "cot", "sec", "csc", "log", "ln", "exp", "sqrt", "frac", "mod")
)
_SIGNS = MappingProxyType({"$": "dollar", "€": "euro", "£": "pound sterling"})

_PERCENT = re.compile(r"(.*[^\\\s])\s*(?:\\?%|percent)", re.DOTALL)
_DEGREES = re.compile(r"(.*[^\\\s{])\s*(?:\^\s*\{?\s*\\circ\s*\}?)\s*[CF]?", re.DOTALL)
_CURRENCY = re.compile(r"([-+]?)\s*(?:\\?(\$)|([€£])|USD|US\$)\s*(?=[-+.\d\\(])")
_CURRENCY_BEHIND = re.compile(r"(.*\S)\s*([€£$])")
_LAST_WORD = re.compile(r"(\(?)([a-zA-Z]+)\.?(?:\s*\^\s*\{?\s*([-\d]+)\s*\}?)?(\)?)\Z")
_VALUE_ENDS = re.compile(r"(?:[\d.)}\]!|]|\\pi)\s*\Z")


@dataclass(frozen=True, slots=True)
class Quantity:
    """A value and its unit: a name, None if it has none or one that is not known here, and its power if that is said.

    What is not said may be anything.
    """

    value: str
    unit: str | None = None
    power: str | None = None

    def is_of_another_kind(self, other: Quantity) -> bool:
        """Whether both have a unit, and not the same."""
        units, powers = {self.unit, other.unit} - {None}, {self.power, other.power} - {None}
        return len(units) > 1 or len(powers) > 1


def quantity(text: str) -> Quantity:
    """The value of an answer in `plain_latex`, without its unit."""
    if (percent := _PERCENT.fullmatch(text)) is not None:
        return Quantity(percent[1], "percent")
    if (degrees := _DEGREES.fullmatch(text)) is not None:
        return Quantity(degrees[1], "degree")
    currency: str | None = None
    if (sign := _CURRENCY.match(text)) is not None:
        currency = _SIGNS.get(sign[2] or sign[3], "dollar")
        text = sign[1] + text[sign.end() :]
    elif (behind := _CURRENCY_BEHIND.fullmatch(text)) is not None:
        return Quantity(behind[1], _SIGNS[behind[2]])
    found = _split_words(text)
    return found if currency is None else replace(found, unit=currency)


def _split_words(text: str) -> Quantity:
    """A value and the unit that the words behind it name, if words stand behind a value and nothing else does."""
    rest = text
    names: list[str] = []
    power: str | None = None
    while (word := _LAST_WORD.search(rest)) is not None:
        opens, spelling, exponent, closes = word.groups()
        before = rest[: word.start()]
        is_known = spelling.lower() in _KNOWN
        if spelling.lower() in _WORDS_OF_MATHEMATICS or before.endswith("\\") or bool(opens) != bool(closes):
            break
        if not is_known and before[-1:].isalnum():
            break
        if len(spelling) == 1 and not (is_known and spelling.islower() and before[-1:] in (" ", "/")):
            break
        names += [_KNOWN[spelling.lower()]] if is_known else []
        power = exponent or power
        rest = before.rstrip().removesuffix("/").removesuffix("-").rstrip()
        if _VALUE_ENDS.search(rest):
            return Quantity(rest, names[-1] if names else None, power)
    return Quantity(text)
