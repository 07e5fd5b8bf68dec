r"""One spelling for what is written in many: answers as plain LaTeX, before anybody looks at their values.

What is taken off or made the same says nothing about the value: delimiters of mathematics, emphasis, sizes of brackets,
spaces, separators of thousands, text around mathematics. The conventions are those of GSM8K's and MATH's references
(Hendrycks et al. 2021, arXiv 2103.03874, appendix: ``\frac12``, ``\!``, ``\text{}``, units).
"""

from __future__ import annotations

import re
import unicodedata

__all__ = ["is_text", "plain_latex"]

_CHARACTERS = str.maketrans(
    {
        "−": "-",
        "×": r"\times ",
        "·": r"\cdot ",
        "∙": r"\cdot ",
        "÷": "/",
        "π": r"\pi ",
        "∞": r"\infty ",
        "°": r"^\circ ",
        "≤": r"\le ",
        "≥": r"\ge ",
        "⩽": r"\le ",
        "⩾": r"\ge ",
        "≠": r"\ne ",
        "≈": r"\approx ",
        "∪": r"\cup ",
        "∩": r"\cap ",
        "∈": r"\in ",
        "±": r"\pm ",
        "θ": r"\theta ",
        "∅": r"\emptyset ",
        "‘": "'",
        "’": "'",
        "\N{NO-BREAK SPACE}": " ",
        "\N{THIN SPACE}": " ",
        "\N{NARROW NO-BREAK SPACE}": " ",
    }
)
_SUPERSCRIPTS = dict(zip("⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻ⁿ", "0123456789+-n", strict=True))
_SUPERSCRIPT = re.compile(f"[{''.join(_SUPERSCRIPTS)}]+")
_DASH = re.compile(r"(?:^|(?<=[\s(\[{,=]))[–—](?=[\d.\\a-zA-Z])")
_ROOT = re.compile(r"√\s*(\d+|[a-zA-Z]|\([^()]*\)|\{[^{}]*\})")
_PROGRAM_ROOT = re.compile(r"(?<![\\a-zA-Z])sqrt\s*\(((?:[^()]|\([^()]*\))*)\)")
_PROGRAM_POWER = re.compile(r"(?<=[\w)])\*\*(?=[\w(-])")
_FUNCTION = re.compile(
    r"(?<![\\a-zA-Z])(arc(?:sin|cos|tan)|sin|cos|tan|cot|sec|csc|log|ln|exp)(?=\s*[(\\\d]|\s[a-zA-Z](?![a-zA-Z]))"
)
_ROOT_OF_A_SIGN = re.compile(r"(\\sqrt\s*\[\d+\])\s*(\d|[a-z])")
_FRACTION_OF_PI = re.compile(r"\\frac\s*(\\pi)\s*(\d)")
_UNEQUAL = re.compile(r"=/=|!=|/=")
_TIMES = re.compile(r"(?<=\d)\s*[xX*]\s*(?=10\s*\^)")
_PI = re.compile(r"(?<![\\a-zA-Z])pi(?![a-zA-Z])")

_SPACES = re.compile(
    r"\\(?:quad|qquad|enspace|thinspace|displaystyle|textstyle|limits)(?![a-zA-Z])|(?<!\\)\\[ ;:!]|~|&nbsp;"
)
_THIN_SPACE = re.compile(r"(?<!\\)\\,")
_SIZES = re.compile(r"\\(?:left|right|[bB]igg?[lrm]?)(?![a-zA-Z])\s*")
_FRACTION = re.compile(r"\\[dtc]frac(?![a-zA-Z])")
_FRACTION_OF_DIGITS = re.compile(r"\\frac\s*(\d|\{[^{}]*\})\s*(\d|\{[^{}]*\})")
_EMPTY_SET = re.compile(r"\\varnothing(?![a-zA-Z])|\\\{\s*\\\}")
_INFINITY = re.compile(r"(?<![\\a-zA-Z])infinity(?![a-zA-Z])", re.IGNORECASE)
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

_DOTS = re.compile(r"(?<=\d)\s*(?:\.\.\.|…)")
_SCIENTIFIC = re.compile(r"(?<![\d.a-zA-Z\\])(\d+(?:\.\d+)?)[eE]([+-]?)0*(\d+)(?![\w.])")

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
    text = _ascii(text)
    text = _GROUPS.sub("", text)
    text = _SPACES.sub(" ", _THIN_SPACE.sub(" ", text))
    text = _SIZES.sub("", text)
    text = _BINOMIAL.sub(r"\\binom", _FRACTION.sub(r"\\frac", text))
    text = _EMPTY_SET.sub(r"\\emptyset", _INFINITY.sub(r"\\infty", text))
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


def _ascii(text: str) -> str:
    text = _DASH.sub("-", "".join(map(_fraction, text)).translate(_CHARACTERS))
    text = _TIMES.sub(r"\\times ", _PROGRAM_POWER.sub("^", text))
    text = _FUNCTION.sub(r"\\\1", _ROOT_OF_A_SIGN.sub(r"\1{\2}", text))
    text = _FRACTION_OF_PI.sub(r"\\frac{\1}{\2}", text)
    text = _UNEQUAL.sub(r"\\ne ", text)
    text = _DOTS.sub(r"\\ldots ", text)
    text = _SUPERSCRIPT.sub(lambda found: f"^{{{''.join(map(_SUPERSCRIPTS.__getitem__, found[0]))}}}", text)
    text = _PROGRAM_ROOT.sub(r"\\sqrt{\1}", _ROOT.sub(lambda found: f"\\sqrt{{{found[1].strip('{}()')}}}", text))
    text = _SCIENTIFIC.sub(lambda found: f"{found[1]}\\times 10^{{{found[2].replace('+', '')}{found[3]}}}", text)
    return _PI.sub(r"\\pi", text)


def _fraction(character: str) -> str:
    """One half, and whatever else is a fraction in one character, as LaTeX's."""
    if unicodedata.category(character) != "No":
        return character
    numerator, slash, denominator = unicodedata.normalize("NFKC", character).partition("\N{FRACTION SLASH}")
    return f"\\frac{{{numerator}}}{{{denominator}}}" if slash and denominator else character


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
