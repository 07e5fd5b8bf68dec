"""Numbers in words, exact values, brackets and relations: what the grader makes of answers before any algebra."""

from __future__ import annotations

import re
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asyncsearch.answers.brackets import enclosing_brackets, entries_of, matches_outside
from asyncsearch.answers.math_equality import equal_answers
from asyncsearch.answers.number_words import with_digits
from asyncsearch.answers.rational import rational
from asyncsearch.answers.relations import related
from asyncsearch.answers.units import quantity

ONES = [
    *("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve"),
    *("thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen"),
]
TENS = ["twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"]


def in_words(number: int, conjunction: str = " ") -> str:
    """An integer in English, with ``conjunction`` between hundreds and what is below."""
    for scale, name in ((10**9, "billion"), (10**6, "million"), (1000, "thousand")):
        if number >= scale:
            rest = number % scale
            return f"{in_words(number // scale, conjunction)} {name}" + (
                f" {in_words(rest, conjunction)}" if rest else ""
            )
    if number >= 100:
        rest = number % 100
        return f"{ONES[number // 100]} hundred" + (f"{conjunction}{in_words(rest)}" if rest else "")
    if number < 20:
        return ONES[number]
    return TENS[number // 10 - 2] + (f"-{ONES[number % 10]}" if number % 10 else "")


@given(st.integers(0, 10**12 - 1), st.sampled_from([" ", " and "]), st.sampled_from(["", " apples", ", of course"]))
def test_numbers_in_words(number: int, conjunction: str, behind: str) -> None:
    words = in_words(number, conjunction)
    assert with_digits(words + behind) == f"{number}{behind}"
    assert with_digits(f"minus {words}") == f"-{number}"
    assert with_digits(words.capitalize()) == str(number)


@given(st.text(max_size=40))
def test_a_text_without_numbers_in_words_is_left_alone(text: str) -> None:
    changed = with_digits(text)
    if changed != text:
        assert re.match(r"-?\d|-?\\frac", changed)


@pytest.mark.parametrize(
    ("words", "digits"),
    [
        ("two thirds", r"\frac{2}{3}"),
        ("three-quarters of a mile", r"\frac{3}{4} of a mile"),
        ("one half", r"\frac{1}{2}"),
        ("half", r"\frac{1}{2}"),
        ("a third", r"\frac{1}{3}"),
        ("third", "3"),
        ("twelfth", "12"),
        ("third base", "third base"),
        ("a hundred", "100"),
        ("a cat", "a cat"),
        ("two three", "2 three"),
        ("hundred", "hundred"),
        ("one second", "1 second"),
    ],
)
def test_fractions_and_ordinals_in_words(words: str, digits: str) -> None:
    assert with_digits(words) == digits


@given(st.fractions(max_denominator=10**6))
def test_exact_values_of_fractions(value: Fraction) -> None:
    for written in (
        str(value),
        rf"\frac{{{value.numerator}}}{{{value.denominator}}}",
        f"({value.numerator})/{value.denominator}",
        rf"{value.numerator} \times \frac{{1}}{{{value.denominator}}}",
    ):
        assert rational(written) == value
    whole, part = divmod(abs(value), 1)
    if whole and part:
        sign = "-" if value < 0 else ""
        assert rational(rf"{sign}{whole}\frac{{{part.numerator}}}{{{part.denominator}}}") == value


@given(st.integers(-(10**9), 10**9), st.integers(0, 12))
def test_exact_values_of_decimals_and_powers(digits: int, places: int) -> None:
    value = Fraction(digits, 10**places)
    sign, written = "-" if digits < 0 else "", str(abs(digits)).rjust(places + 1, "0")
    point = len(written) - places
    assert rational(f"{sign}{written[:point]}.{written[point:]}") == value
    assert rational(rf"{digits} \times 10^{{{-places}}}") == value


@given(st.integers(0, 99), st.text("0123456789", max_size=4), st.text("0123456789", min_size=1, max_size=6))
def test_exact_values_of_repeating_decimals(whole: int, before: str, period: str) -> None:
    found = rational(rf"{whole}.{before}\overline{{{period}}}")
    assert found is not None
    shifted = found * 10 ** (len(before) + len(period)) - found * 10 ** len(before)
    assert shifted == int(f"{whole}{before}{period}") - int(f"{whole}{before}")


@pytest.mark.parametrize(
    "text", ["", "x", "1 2", "1/0", r"\frac{1}{0}", "1/2/3", "--3", "3x", r"2\frac{3}{2}", "9" * 300]
)
def test_what_is_no_number_has_no_value(text: str) -> None:
    assert rational(text) is None


@given(st.text(r"ab,()[]{}\ ", max_size=20))
def test_brackets_take_any_text(text: str) -> None:
    entries = entries_of(text)
    assert all(entry and entry == entry.strip() for entry in entries)
    assert len(entries) <= 1 + len(list(matches_outside(re.compile(","), text)))
    enclosing = enclosing_brackets(text)
    if enclosing is not None:
        assert text.startswith(enclosing[0])
        assert text.endswith(enclosing[1])
        assert list(matches_outside(re.compile(","), text)) == []


def test_what_brackets_enclose() -> None:
    assert entries_of("(1, 2), [3, 4], 5") == ["(1, 2)", "[3, 4]", "5"]
    assert enclosing_brackets(r"\{1, 2\}") == (r"\{", r"\}")
    assert enclosing_brackets("(1, 2]") == ("(", "]")
    assert enclosing_brackets("(1)(2)") is None
    assert enclosing_brackets("f(1)") is None


@pytest.mark.parametrize(
    ("answer", "name", "value"),
    [
        ("4", None, "4"),
        ("x = 4", "x", "4"),
        ("x_1 = 4", "x_1", "4"),
        ("f(x) = 2x", "f(x)", "2x"),
        ("f^{-1}(x) = 2x", "f^{-1}(x)", "2x"),
        (r"\theta = 4", r"\theta", "4"),
        ("(x, y) = (1, 2)", "(x, y)", "(1, 2)"),
        ("2 + 2 = 4", "", "4"),
        (r"A = \pi r^2 = 9\pi", "A", r"9\pi"),
        ("2x = 4", None, None),
        ("x > 4", None, None),
        ("> 4", None, None),
        ("= 4", None, None),
        ("P(X = 1)", None, "P(X = 1)"),
    ],
)
def test_what_an_equation_stands_for(answer: str, name: str | None, value: str | None) -> None:
    found = related(answer)
    assert found.name == name
    assert found.value == value


@pytest.mark.parametrize(
    ("text", "value", "factor", "unit", "power"),
    [
        ("5 cm^2", "5", 1, "centimetre", "2"),
        ("5 square cm", "5", 1, "centimetre", "2"),
        ("5 m squared", "5", 1, "metre", "2"),
        ("5 squared", "5 squared", 1, None, None),
        ("5 million dollars", "5", 10**6, "dollar", None),
        ("3 tenths of a mile", "3", Fraction(1, 10), "mile", None),
        ("60 miles per hour", "60", 1, "mile per hour", None),
        ("60 km/h", "60", 1, "kilometre per hour", None),
        ("20 degrees Celsius", "20", 1, "degree celsius", None),
        ("6 p.m.", "6", 1, "pm", None),
        ("5 apples", "5", 1, None, None),
        ("5x", "5x", 1, None, None),
        ("3 plus tax", "3 plus tax", 1, None, None),
    ],
)
def test_quantities(text: str, value: str, factor: Fraction, unit: str | None, power: str | None) -> None:
    found = quantity(text)
    assert (found.value, found.factor, found.unit, found.power) == (value, factor, unit, power)


@given(st.integers(-(10**6), 10**6), st.integers(-(10**6), 10**6))
def test_numbers_in_notations_are_the_same_if_their_values_are(number: int, other: int) -> None:
    for written in (f"x = {other}", f"{other} \\text{{ cm}}", f"{other}.0", f"\\frac{{{2 * other}}}{{2}}"):
        assert equal_answers(str(number), written) is (number == other)
    assert not equal_answers(str(number), f"2x = {number}")
    assert not equal_answers(str(number), f"> {number}")
    assert equal_answers(f"{number} million", str(number)) is (number == 0)
