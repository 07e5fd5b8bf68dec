r"""One spelling for what is written in many: answers as plain LaTeX, before anybody looks at their values.

What is taken off or made the same says nothing about the value: delimiters of mathematics, emphasis, sizes of brackets,
spaces, separators of thousands, text around mathematics. The conventions are those of GSM8K's and MATH's references
(Hendrycks et al. 2021, arXiv 2103.03874, appendix: ``\frac12``, ``\!``, ``\text{}``, units).
"""

from __future__ import annotations

import re

from asyncsearch.answers.spellings import in_latex

__all__ = ["is_text", "plain_latex"]

_SPACES = re.compile(
    r"\\(?:quad|qquad|enspace|thinspace|displaystyle|textstyle|limits)(?![a-zA-Z])|(?<!\\)\\[ ;:!]|~|&nbsp;"
)
_THIN_SPACE = re.compile(r"(?<!\\)\\,")
_SIZES = re.compile(r"\\(?:left|right|[bB]igg?[lrm]?)(?![a-zA-Z])\s*")
_FRACTION = re.compile(r"\\[dtc]frac(?![a-zA-Z])")
_FRACTION_OF_DIGITS = re.compile(r"\\frac\s*(\d|\{[^{}]*\})\s*(\d|\{[^{}]*\})")
_EMPTY_SET = re.compile(r"\\varnothing(?![a-zA-Z])|\\\{\s*\\\}")
_ORDINAL = re.compile(r"(?<=\d)\s*(?:\^\s*)?\{?\s*(?:st|nd|rd|th)\s*\}?(?![a-zA-Z])")
_BINOMIAL = re.compile(r"\\[dt]binom(?![a-zA-Z])")
_TEXT = re.compile(
    r"\\(?:text(?:bf|it|rm|sf|normal)?|mathrm|mathbf|mathit|mathsf|operatorname|mbox|hbox|bf|rm)\s*\{([^{}]*)\}"
)
_TEXT_ALONE = re.compile(r"[$\s]*\\(?:text(?:bf|it|rm|sf|normal)?|mbox|hbox)\s*\{\s*[a-zA-Z]{2,}\s*\}[$\s.]*")
_BOX = re.compile(r"\\(?:boxed|fbox)\s*\{(.*)\}", re.DOTALL)

_GROUPS = re.compile(r"(?<=\d)(?:\{,\}|,?\s*\\!\s*|\\[,;: ]\s*)(?=\d{3}(?!\d))")
_SPACED_GROUPS = re.compile(r"[-+]?\d{1,3}(?: \d{3})+(?:\.\d+)?")
_THOUSANDS = re.compile(r"(?<![\d,.])\d{1,3}(?:,\d{3})+(?![\d,])")
_SPACED_MIXED = re.compile(r"(-?)\s*(\d+)(?:\s+and)?\s+(\d+)\s*/\s*(\d+)(?=\Z|\s+[a-zA-Z]{2,})")
_HYPHENED_MIXED = re.compile(r"(-?)(\d+)-(\d+)\s*/\s*(\d+)(?=\s+[a-zA-Z]{2,})")

_DELIMITERS = ((r"\(", r"\)"), (r"\[", r"\]"), ("$$", "$$"), ("$", "$"), ("**", "**"), ("__", "__"), ("`", "`"))
_HEDGE = re.compile(
    r"(?:(?:therefore|thus|approximately|about|around|roughly|exactly|simply|equals|equal to|is|\\approx)(?![a-zA-Z])"
    r"|=)\s*",
    re.I,
)
_ENDS = ".;,"


def is_text(answer: str) -> bool:
    r"""Whether an answer says itself that it is a word: ``\text{SAS}``."""
    return _TEXT_ALONE.fullmatch(answer) is not None


def plain_latex(text: str) -> str:
    """An answer in the one spelling."""
    text = _GROUPS.sub("", in_latex(text))
    text = _SPACES.sub(" ", _THIN_SPACE.sub(" ", text))
    text = _SIZES.sub("", text)
    text = _BINOMIAL.sub(r"\\binom", _FRACTION.sub(r"\\frac", text))
    text = _EMPTY_SET.sub(r"\\emptyset", text)
    before = None
    while before != text:
        before = text
        text = _bare(_TEXT.sub(r" \1 ", text))
    text = _ORDINAL.sub("", _FRACTION_OF_DIGITS.sub(_fraction_in_braces, text))
    if _SPACED_GROUPS.fullmatch(text):
        text = text.replace(" ", "")
    if (mixed := _SPACED_MIXED.match(text) or _HYPHENED_MIXED.match(text)) is not None:
        text = "{}{}\\frac{{{}}}{{{}}}".format(*mixed.groups()) + text[mixed.end() :]
    return re.sub(r"\s+", " ", _without_separators(text)).strip()


def _fraction_in_braces(found: re.Match[str]) -> str:
    return "\\frac{{{}}}{{{}}}".format(*(part.strip("{}") for part in found.groups()))


def _bare(text: str) -> str:
    """Without what stands around it: delimiters, emphasis, a box, braces, a hedge in front, a point behind."""
    text = text.strip().rstrip(_ENDS).strip()
    for left, right in _DELIMITERS:
        inner = text[len(left) : -len(right)]
        if inner and text.startswith(left) and text.endswith(right) and left not in inner:
            return inner
    if (boxed := _BOX.fullmatch(text)) is not None or (text[:1] == "{" and _closes(text) == len(text) - 1):
        return boxed[1] if boxed is not None else text[1:-1]
    return text[hedge.end() :] if (hedge := _HEDGE.match(text)) is not None and hedge.end() < len(text) else text


def _closes(text: str) -> int:
    """Where the brace that a text begins with is closed."""
    depth = 0
    for position, character in enumerate(text):
        depth += (character == "{") - (character == "}")
        if depth == 0:
            return position
    return -1


def _without_separators(text: str) -> str:
    """Without separators of thousands; between brackets a comma is one of a tuple."""
    parts: list[str] = []
    depth, begin = 0, 0
    for found in re.finditer(r"[(\[{]|[)\]}]", text):
        parts.append(_ungrouped(text[begin : found.start()]) if depth == 0 else text[begin : found.start()])
        parts.append(found[0])
        depth = max(depth + (1 if found[0] in "([{" else -1), 0)
        begin = found.end()
    parts.append(_ungrouped(text[begin:]) if depth == 0 else text[begin:])
    return "".join(parts)


def _ungrouped(text: str) -> str:
    return _THOUSANDS.sub(lambda found: found[0].replace(",", ""), text)
