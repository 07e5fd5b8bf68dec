r"""Find the final answer in a solution's text."""

from __future__ import annotations

import re
from collections.abc import Iterator

__all__ = ["extract_answer", "last_boxed"]

_MARKER = re.compile(r"answer(?:\s+is|[\s*_]*[:=])\s*:?", re.IGNORECASE)
_NEXT_SENTENCE = re.compile(r"(?<![A-Z][a-z])(?<!\b[A-Z])\.\s+(?=[A-Z])")
_DISPLAYED = re.compile(r"(?:\*\*(?P<bold>[^*]+)\*\*|\$\$?(?P<math>[^$]+)\$\$?|\\\[(?P<display>.+)\\\])\.?")
_HASHES = "####"
_SIGN = r"(?:(?<![\d)])-)?"  # in 10-3 it is no sign
_EMPHASIS = "*`"
_NUMBER = re.compile(_SIGN + r"(?:\d{1,3}(?:,\d{3})+(?!\d)|\d+)(?:\.\d+)?(?:/\d+)?|" + _SIGN + r"\.\d+")
_TAG = "ки"
_BOXES = (r"\boxed", r"\fbox")
_DELIMITERS = (("$$", "$$"), ("$", "$"), (r"\(", r"\)"), (r"\[", r"\]"))
_BRACES = re.compile(r"(?<!\\)[{}]")
_UNBRACED = re.compile(r"\\[a-zA-Z]+(?:\{[^{}]*\}|\d)*|[-+]?[\w.,/]*\w")
_OPENINGS = tuple(left for left, _ in _DELIMITERS)
_MATHEMATICS = re.compile(r"[\d\\$]")
_CLAUSE = re.compile(r"(?:,|\s\(|\s)\s?(?=(?:because|since|which)\b)")
_END_OF_TEXT = re.compile(r"(?:</s>|<\|[^|<>]{0,40}\|>)\s*\Z")
_MOST_MARKERS = 20
"""Sentences about an answer that are looked at, from the last: what goes on like that says nothing more."""


def extract_answer(text: str, *, marker: str | None = None) -> str | None:
    r"""The final answer that a solution states, or None if it has none.

    Looked for in this order: what follows the last ``marker``, if one is given, up to the end of its line or sentence;
    the last ``\boxed{}``; what follows the last "answer is" or "Answer:" that has a digit or mathematics behind it,
    displayed on lines of its own too; what stands after the last "####"; whatever follows the last "answer is"; a last
    line that is all bold or all mathematics; the last number. A ``\boxed{}`` in such a line is opened. Dollar signs and
    Markdown's emphasis around the answer, a step tag and a final period are taken off.
    """
    for candidate in _candidates(text, marker):
        if candidate is not None and (answer := _clean(candidate)):
            return answer
    return None


def _candidates(text: str, marker: str | None) -> Iterator[str | None]:
    if marker is not None and marker.rstrip("{") in _BOXES:
        yield last_boxed(text)
    elif marker:
        yield _after(marker, text)
    yield last_boxed(text)  # a sentence with "answer" in it may as well be about one
    behind = [text[found.end() :] for found in reversed([*_MARKER.finditer(text)][-_MOST_MARKERS:])]
    lines = [_line_of_answer(rest) for rest in behind]
    yield next((line for line, rest in zip(lines, behind, strict=True) if _has_mathematics(line, rest)), None)
    yield _after(_HASHES, text)
    yield lines[0] if lines else None
    yield _displayed_last(text)
    yield _last_number(text)


def _after(marker: str, text: str) -> str | None:
    return _line_of_answer(text.rpartition(marker)[2]) if marker in text else None


def _line_of_answer(text: str) -> str:
    text = text.lstrip(f" :\n{_EMPHASIS}")
    line = _displayed_first(text) or _NEXT_SENTENCE.split(text.partition("\n")[0], maxsplit=1)[0]
    boxed = last_boxed(line)
    if boxed is not None:
        return boxed
    before = _CLAUSE.split(line, maxsplit=1)[0]
    return before if _MATHEMATICS.search(before) else line


def _has_mathematics(line: str, rest: str) -> bool:
    """Whether a line that was taken from the beginning of ``rest`` has a digit, or was marked as mathematics."""
    return _MATHEMATICS.search(line) is not None or rest.lstrip(f" :\n{_EMPHASIS}").startswith(_OPENINGS)


def _displayed_first(text: str) -> str | None:
    """The mathematics that a text begins with, over as many lines as it has."""
    for left, right in _DELIMITERS:
        if text.startswith(left) and (end := _closing(text, right, len(left))) >= 0:
            inner = text[len(left) : end]
            # A dollar sign alone may be a currency: "$18 or $20".
            if left != "$" or (inner and inner[-1] not in " -,(" and "\n" not in inner):
                return inner
    return None


def last_boxed(text: str) -> str | None:
    r"""What the last ``\boxed{}`` of a text holds; None if there is none, or it is not closed."""
    for command in _BOXES:
        begin = text.rfind(command)
        if begin < 0:
            continue
        rest = text[begin + len(command) :].lstrip()
        if not rest.startswith("{"):
            unbraced = _UNBRACED.match(rest)
            return None if unbraced is None else unbraced[0]
        depth = 0
        for brace in _BRACES.finditer(rest):
            depth += 1 if brace[0] == "{" else -1
            if depth == 0:
                return rest[1 : brace.start()]
    return None


def _displayed_last(text: str) -> str | None:
    """What stands in a last line of its own, bold or as mathematics."""
    found = _DISPLAYED.fullmatch(text.rstrip().rpartition("\n")[2].strip())
    return None if found is None else found["bold"] or found["math"] or found["display"]


def _closing(text: str, delimiter: str, begin: int) -> int:
    """Where a delimiter stands that is not escaped; -1 if it does not."""
    place = text.find(delimiter, begin)
    while place > 0 and text[place - 1] == "\\":
        place = text.find(delimiter, place + 1)
    return place


def _last_number(text: str) -> str | None:
    numbers = _NUMBER.findall(text)
    return numbers[-1] if numbers else None


def _clean(text: str) -> str:
    answer = (
        _END_OF_TEXT.sub("", text.strip()).removesuffix(_TAG).rstrip(f". \n\t{_EMPHASIS}").lstrip(f" \n\t{_EMPHASIS}")
    )
    for left, right in _DELIMITERS:
        if answer.startswith(left) and answer.endswith(right) and len(answer) > len(left) + len(right):
            answer = answer[len(left) : -len(right)].strip()
    return answer
