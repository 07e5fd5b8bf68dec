r"""Where an answer can be taken apart: at what stands outside of its brackets."""

from __future__ import annotations

import re
from collections.abc import Iterator

__all__ = ["enclosing_brackets", "entries_of", "matches_outside"]

_BRACKETS = re.compile(r"\\?[(\[{]|\\?[)\]}]")


def matches_outside(pattern: re.Pattern[str], text: str) -> Iterator[re.Match[str]]:
    """What a pattern finds outside of all brackets."""
    depths = list(_depths(text))
    for found in pattern.finditer(text):
        depth = next((depth for position, depth in reversed(depths) if position <= found.start()), 0)
        if depth == 0:
            yield found


def entries_of(text: str) -> list[str]:
    """What commas outside of brackets separate, without what is empty."""
    begin = 0
    entries: list[str] = []
    for comma in matches_outside(re.compile(","), text):
        entries.append(text[begin : comma.start()])
        begin = comma.end()
    return [entry.strip() for entry in (*entries, text[begin:]) if entry.strip()]


def enclosing_brackets(text: str) -> tuple[str, str] | None:
    """The brackets that enclose all of a text, None if it is not enclosed, or in several."""
    depths = list(_depths(text))
    if not depths or depths[0][0] != 0 or next((at for at, depth in depths if depth == 0), None) != depths[-1][0]:
        return None
    opening, closing = _BRACKETS.match(text), _BRACKETS.match(text, depths[-1][0])
    if opening is None or closing is None or closing.end() != len(text):
        return None
    return opening[0], closing[0]


def _depths(text: str) -> Iterator[tuple[int, int]]:
    """Where each bracket is, and how many are open from there on. What is closed without having been opened is not."""
    depth = 0
    for bracket in _BRACKETS.finditer(text):
        depth = max(depth + (1 if bracket[0][-1] in "([{" else -1), 0)
        yield bracket.start(), depth
