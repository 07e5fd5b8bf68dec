"""Whether two mathematical answers are the same: the rules, in their order, for what is no question of algebra.

Called in a process that can be killed (`asyncsearch.answers.grading_worker`), for the sake of what comes last.
"""

from __future__ import annotations

import re
from functools import partial

from asyncsearch.answers.algebra import COMMAND, are_same_signs, equal_expressions
from asyncsearch.answers.brackets import enclosing_brackets, entries_of
from asyncsearch.answers.notations import equal_based, equal_clocks, equal_ratios, equal_remainders
from asyncsearch.answers.number_words import with_digits
from asyncsearch.answers.plain_latex import is_text, plain_latex
from asyncsearch.answers.relations import as_union, related
from asyncsearch.answers.units import Quantity, quantity

__all__ = ["equal_answers"]

_LONGEST = 2_000
"""Characters of an answer. What is longer is equal to the same string only."""

_WORD = re.compile(r"[A-Z][a-z]+|[a-zA-Z]{4,}")
_CAPITALS = re.compile(r"[A-Z]{2,}")
_FILLERS = re.compile(r"\A(?:(?:the|a|an|on|in|at|it is)\s+)+", re.IGNORECASE)
_CHOICE = re.compile(r"(?:option|choice|answer)\s*(\(?[A-Z]\)?)", re.IGNORECASE)
_CONJUNCTION = re.compile(r"(?:\s*,)?\s+(?:and|or)\s+")
_OR = re.compile(r"(?:\s*,)?\s+or\s+")
_OPERATOR = re.compile(r"[+=^_/*|<>&]|\d[a-zA-Z(]|[a-zA-Z]\(|\)\(")
_TWICE = re.compile(r"([a-z -]+[a-z])\s*\(\s*([-+]?[\d.]+)\s*\)", re.IGNORECASE)
_INTERVAL = re.compile(r"[(\[].*,.*[)\]]|\\(?:cup|cap|infty|mathbb)")


def equal_answers(left: str, right: str) -> bool:
    """Whether two answers are the same: by value where they have one, else as text.

    A unit counts only where both have one. Lists without brackets are the same in any order, tuples are not.
    """
    if left.strip() == right.strip():
        return bool(left.strip())
    if max(len(left), len(right)) > _LONGEST:
        return False
    are_text = is_text(left) or is_text(right)
    left, right = _without_words(plain_latex(left)), _without_words(plain_latex(right))
    if not (left and right):
        return False
    if left == right:
        return True
    if are_text:
        return _letters(left) == _letters(right)
    for rule in (
        equal_based,
        equal_clocks,
        partial(equal_ratios, equal=_equal_quantities),
        partial(equal_remainders, equal=equal_answers),
        _equal_lists,
        _equal_related,
        _equal_texts,
    ):
        if (decided := rule(left, right)) is not None:
            return decided
    return _equal_quantities(left, right)


def _without_words(text: str) -> str:
    """With commas for "and" and "or", digits for a number in words, and a choice's letter for its name."""
    if (twice := _TWICE.fullmatch(text)) is not None and with_digits(twice[1]) == twice[2]:
        return twice[2]
    if (choice := _CHOICE.fullmatch(text)) is not None:
        return choice[1]
    if (union := as_union(_OR.split(text))) is not None:
        return union
    return with_digits(_CONJUNCTION.sub(", ", with_digits(text)))


def _equal_lists(left: str, right: str) -> bool | None:
    """Of lists that are equally long, of which at least one has no brackets: each entry has one that is the same.

    Those of a tuple have to be in its order.
    """
    (entries, bracket), (others, other_bracket) = _listed(left), _listed(right)
    if len(entries) != len(others) or len(entries) == 1 or (bracket and other_bracket):
        return None
    if {bracket, other_bracket} & {"(", "["}:
        return all(map(equal_answers, entries, others))
    left_over = [*others]
    for entry in entries:
        found = next((other for other in left_over if equal_answers(entry, other)), None)
        if found is None:
            return False
        left_over.remove(found)
    return True


def _listed(text: str) -> tuple[list[str], str]:
    """The entries of a list, and the bracket that it begins with; nothing where it has none."""
    brackets = enclosing_brackets(text)
    if brackets is None:
        return entries_of(text), ""
    return entries_of(text[len(brackets[0]) : -len(brackets[1])]), brackets[0]


def _equal_texts(left: str, right: str) -> bool | None:
    """Of words: their letters and digits. What looks like none is one if the other is.

    Capitals alone are words too, be they of heads and tails or of sides and angles.
    """
    if not (_has_words(left) or _has_words(right) or (_CAPITALS.fullmatch(left) and _CAPITALS.fullmatch(right))):
        return None
    return _letters(left) == _letters(right)


def _has_words(answer: str) -> bool:
    value = COMMAND.sub(" ", quantity(answer).value)
    return _WORD.search(value) is not None and _OPERATOR.search(value) is None


def _letters(answer: str) -> str:
    return re.sub(r"[\s()'\"]+|\.(?!\d)", "", _FILLERS.sub("", answer)).lower()


def _equal_related(left: str, right: str) -> bool | None:
    """Of an equation or an inequality and anything; None for what is to be decided as it is."""
    first, second = related(left), related(right)
    if first.is_inequality and second.is_inequality:
        if first.sides[0] and second.sides[0]:
            return None
        variable = first.sides[0] or second.sides[0] or "x"
        return _equal_quantities(*(text if text[0] not in "<>\\" else f"{variable} {text}" for text in (left, right)))
    if first.is_inequality or second.is_inequality:
        other = right if first.is_inequality else left
        return None if _INTERVAL.search(other) else False
    if not (first.is_equation or second.is_equation):
        return None
    if first.is_equation and second.is_equation and not first.says_of_the_same(second):
        return None
    if first.value is None or second.value is None:
        return False
    return equal_answers(first.value, second.value)


def _equal_quantities(left: str, right: str) -> bool:
    if are_same_signs(left, right):
        return True
    first, second = quantity(left), quantity(right)
    if first.is_of_another_kind(second):
        return False
    if equal_expressions(_expression(first), _expression(second)):
        return True
    if first.meaning == second.meaning:
        return False
    return equal_expressions(_expression(first, meant=True), _expression(second, meant=True))


def _expression(one: Quantity, *, meant: bool = False) -> str:
    factor = one.factor * one.meaning if meant else one.factor
    if factor == 1:
        return one.value
    value = f"({one.value}) \\times {factor.numerator}"
    return value if factor.denominator == 1 else f"{value}/{factor.denominator}"
