r"""Find the final answer in a solution's text."""

from __future__ import annotations

import re

__all__ = ["extract_answer"]

_MARKER = re.compile(r"(?:the\s+)?(?:final\s+)?answer\s+is\s*:?", re.IGNORECASE)
_HASHES = "####"
_SIGN = r"(?:(?<![\d)])-)?"  # in 10-3 it is no sign
_EMPHASIS = "*`"
_NUMBER = re.compile(_SIGN + r"(?:\d{1,3}(?:,\d{3})+(?!\d)|\d+)(?:\.\d+)?(?:/\d+)?|" + _SIGN + r"\.\d+")
_TAG = "ки"


def extract_answer(text: str) -> str | None:
    r"""The final answer that a solution states, or None if it has none.

    Looked for in this order: what follows the last "The answer is", up to the end of its line; what stands
    after the last "####"; the last ``\boxed{}``; the last number. A ``\boxed{}`` inside the first two is
    opened. Dollar signs and Markdown's emphasis around the answer, a step tag and a final period are taken off.
    """
    for candidate in (_after_marker(text), _after_hashes(text), _last_boxed(text), _last_number(text)):
        if candidate is not None and (answer := _clean(candidate)):
            return answer
    return None


def _after_marker(text: str) -> str | None:
    matches = list(_MARKER.finditer(text))
    return _first_line(text[matches[-1].end() :]) if matches else None


def _after_hashes(text: str) -> str | None:
    return _first_line(text.rpartition(_HASHES)[2]) if _HASHES in text else None


def _first_line(text: str) -> str:
    line = text.lstrip(f" :\n{_EMPHASIS}").partition("\n")[0]
    boxed = _last_boxed(line)
    return line if boxed is None else boxed


def _last_boxed(text: str) -> str | None:
    for command in (r"\boxed", r"\fbox"):
        begin = text.rfind(command)
        if begin < 0:
            continue
        rest = text[begin + len(command) :].lstrip()
        if not rest.startswith("{"):
            return rest.partition("$")[0] or None
        depth = 0
        for position, character in enumerate(rest):
            depth += (character == "{") - (character == "}")
            if depth == 0:
                return rest[1:position]
    return None


def _last_number(text: str) -> str | None:
    numbers = _NUMBER.findall(text)
    return numbers[-1] if numbers else None


def _clean(text: str) -> str:
    answer = text.strip().removesuffix(_TAG).strip()
    while (bare := answer.removesuffix(".").strip().strip(_EMPHASIS).strip()) != answer:
        answer = bare
    for left, right in (("$$", "$$"), ("$", "$"), (r"\(", r"\)"), (r"\[", r"\]")):
        if answer.startswith(left) and answer.endswith(right) and len(answer) > len(left) + len(right):
            answer = answer[len(left) : -len(right)].strip()
    return answer
