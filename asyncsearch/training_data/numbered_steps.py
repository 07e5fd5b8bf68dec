"""From a worked text to steps that say their numbers, as policies are to write them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

__all__ = ["numbered", "steps_of_text"]

_NUMBER = re.compile(r"\A\s*(?:step\s+\d+\s*[:.)]|\d+[.)])\s+", re.IGNORECASE)
_SENTENCE_END = re.compile(r"(?<=[.!?])(?<!\b[A-Z]\.)\s+(?=[A-Z\\$])")
_OPENS = re.compile(r"\\begin\{|\\\[")
_CLOSES = re.compile(r"\\end\{|\\\]")
_DISPLAY = "$$"


def steps_of_text(text: str) -> tuple[str, ...]:
    r"""The steps of a solution that was not written in any: its lines; of one line, its sentences.

    What is displayed over several lines, between ``\[`` and ``\]``, two dollar signs, or in an environment, is of one
    step, that of the line before.
    """
    lines = [" ".join(line.split()) for line in _whole_displays(text.splitlines())]
    lines = [line for line in lines if line]
    return tuple(_SENTENCE_END.split(lines[0])) if len(lines) == 1 else tuple(lines)


def numbered(steps: Iterable[str], answer: str) -> tuple[str, ...]:
    """Steps as "Step 1: ...", of which the last ends in "The answer is: ...", as Math-Shepherd's do.

    A number that a step has already is taken off.
    """
    bare = [_NUMBER.sub("", step) for step in steps]
    bare[-1] = f"{bare[-1]} The answer is: {answer}"
    return tuple(f"Step {number}: {step}" for number, step in enumerate(bare, 1))


def _whole_displays(lines: Iterable[str]) -> Iterator[str]:
    """Lines, of which those that are in one display are one, together with the line before."""
    held: list[str] = []
    depth, in_dollars = 0, False
    for line in lines:
        inside = depth > 0 or in_dollars
        opens, dollars = len(_OPENS.findall(line)), line.count(_DISPLAY)
        begins_display = not inside and line.lstrip().startswith(("\\[", "\\begin{", _DISPLAY))
        if held and not inside and not begins_display:
            yield " ".join(held)
            held = []
        if line.strip():
            held.append(line)
        depth = max(depth + opens - len(_CLOSES.findall(line)), 0)
        in_dollars ^= dollars % 2 == 1
    if held:
        yield " ".join(held)
