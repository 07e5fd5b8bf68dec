r"""Whether the grader takes each reference of a dataset for itself, however it is written, and not for its neighbours.

    python -m benchmarks.grading DATASET... [--show N] [--output FILE]

A dataset is whatever `asyncsearch solve` takes: ``gsm8k``, ``math500``, a file. Each different reference is put into
the sentences that models use, found in them again, and compared with what it was, and with other spellings of it. Its
neighbours are answers that are
not the same: the next reference of the dataset, one more and ten times the last number in it, the other sign, a tuple
with two entries exchanged or as a set, a word with two letters exchanged, and of a number so many millions, its
factorial, its last digit for ever, more than it, and an equation with it; and what is left without one of its letters,
operators or digits. What the grader gets wrong is listed.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import anyio
import typer

from asyncsearch import load_problems
from asyncsearch.answers import extract_answer
from asyncsearch.answers.math_grader import MathGrader
from benchmarks.command import run
from benchmarks.measuring import Report
from benchmarks.respelled import RIGHT, WRONG

__all__ = ["SENTENCES", "main", "neighbours"]

SENTENCES = (
    "The answer is: {}",
    "The answer is ${}$.",
    "The final answer is \\({}\\).",
    "Therefore, the final answer is: $\\boxed{{{}}}$. I hope it is correct.",
    "Final Answer: The final answer is ${}$. I hope it is correct.",
    "**Answer:** {}",
    "Answer: {}",
    "The answer is **{}**.",
    "So this is what we looked for.\n#### {}",
    "We get\n\\[\\boxed{{{}}}\\]",
    "It is\n**{}**",
    "$\\boxed{{{}}}$",
)
"""What models write around their answers."""

_NUMBER = re.compile(r"\d+(?!.*\d)", re.DOTALL)
_WORD = re.compile(r"(?<=\\text\{)[a-zA-Z]{2,}(?=\})|\A[a-zA-Z]{2,}\Z")
_WORDS = re.compile(r"\\(?:text|mbox|begin|end)\{[^{}]*\}\S*|\A[^\\]*[a-zA-Z]{2,}[^\\]*\Z|\A[a-zA-Z]\s*=")
_SIGN = re.compile(
    r"(?<!\\)(?<![a-zA-Z])[a-zA-Z](?![a-zA-Z])|\\(?:pi|infty|theta)(?![a-zA-Z])|(?<=\w)[-+^!]|[1-9](?=\d)"
)
_PAIR = re.compile(r"\(([^(),]+),([^(),]+)\)")


@dataclass(slots=True)
class _Tally:
    """How many comparisons were made, and which of them were wrong."""

    made: int = 0
    wrong: list[str] = field(default_factory=list)

    def note(self, right: bool, words: str) -> None:
        """Count a comparison."""
        self.made += 1
        if not right:
            self.wrong.append(words)

    def __str__(self) -> str:
        return f"{self.made - len(self.wrong):,} of {self.made:,}"


def neighbours(reference: str, following: str) -> Iterator[str]:
    """Answers that are near a reference, and not the same."""
    if _plain(following) != _plain(reference):
        yield following
    if (number := _NUMBER.search(reference)) is not None:
        before, value, behind = reference[: number.start()], int(number[0]), reference[number.end() :]
        yield f"{before}{value + 1}{behind}"
        if value and not before.endswith("."):
            yield f"{before}{value}0{behind}"
    if re.fullmatch(r"[1-9][\d.,]*|\\frac\{\d+\}\{\d+\}|\d*\\sqrt\{\d+\}", reference):
        yield f"-{reference}"
    if (pair := _PAIR.fullmatch(reference)) is not None and pair[1].strip() != pair[2].strip():
        yield f"({pair[2]},{pair[1]})"
        yield rf"\{{{pair[1]},{pair[2]}\}}"
        yield f"{pair[2]}, {pair[1]}"
    if (word := _WORD.search(reference)) is not None:
        letters = word[0]
        at = next((at for at in range(len(letters) - 1) if letters[at] != letters[at + 1]), None)
        if at is not None:
            exchanged = letters[:at] + letters[at + 1] + letters[at] + letters[at + 2 :]
            yield reference[: word.start()] + exchanged + reference[word.end() :]
    if re.fullmatch(r"[1-9][\d,]*", reference):
        yield from (
            f"{reference} million",
            f"> {reference}",
            f"2x = {reference}",
            f"{reference} squared",
            f"{reference} {reference}",
        )
        if int(_plain(reference)) > 2:
            yield f"{reference}!"
        yield rf"x \to {reference}"
    yield from _without_a_sign(reference)
    if re.fullmatch(r"\d*\.\d*[1-9]", reference):
        yield rf"{reference[:-1]}\overline{{{reference[-1]}}}"


def _without_a_sign(reference: str) -> Iterator[str]:
    """A reference without one of the letters, operators and constants in it that count."""
    words = [range(*found.span()) for found in _WORDS.finditer(reference)]
    for found in _SIGN.finditer(reference):
        if not any(found.start() in word for word in words):
            rest = reference[: found.start()] + reference[found.end() :]
            if rest.strip():
                yield rest


def _plain(text: str) -> str:
    return re.sub(r"[\s,$]|\\[!,]", "", text)


async def _check(references: Sequence[str]) -> tuple[_Tally, _Tally, int, float]:
    """Of each reference: whether it is itself, and none of its neighbours.

    And in how many comparisons the grader raised, which makes answers different; and milliseconds a comparison.
    """
    same, different = _Tally(), _Tally()
    spellings = [*RIGHT.values()], [*WRONG.values()]
    async with MathGrader() as grader:
        await grader.equal(r"\frac12", "1/2")  # starts the process
        begun = time.perf_counter()
        for reference, following in zip(references, [*references[1:], references[0]], strict=True):
            same.note(await grader.equal(reference, reference), f"{reference!r} is not itself")
            for sentence in SENTENCES:
                answer = extract_answer(sentence.format(reference))
                right = answer is not None and await grader.equal(reference, answer)
                same.note(right, f"{reference!r} in {sentence!r} is {answer!r}")
            right_ones, wrong_ones = ([spell(reference) for spell in spells] for spells in spellings)
            for other in filter(None, right_ones):
                same.note(await grader.equal(reference, other), f"{reference!r} is not {other!r}")
            for other in (*neighbours(reference, following), *filter(None, wrong_ones)):
                different.note(not await grader.equal(reference, other), f"{reference!r} is {other!r}")
        seconds = time.perf_counter() - begun
        raised = grader.process.raised
    return same, different, raised, 1000 * seconds / (same.made + different.made)


def main(
    datasets: Annotated[list[str], typer.Argument(help="Names or files of datasets.")],
    show: Annotated[int, typer.Option(min=0, help="Comparisons to list of those that are wrong.")] = 20,
    output: Annotated[Path | None, typer.Option(help="Where the table is written as JSON.")] = None,
) -> None:
    """Print the table."""
    report = Report("grading", output)
    rows = []
    wrong: list[str] = []
    for dataset in datasets:
        references = [problem.answer for problem in load_problems(dataset) if problem.answer is not None]
        references = [*dict.fromkeys(references)]
        same, different, raised, milliseconds = anyio.run(_check, references)
        figures = str(same), str(different), str(raised), f"{milliseconds:.2f}"
        rows.append([Path(dataset).stem, f"{len(references):,}", *figures])
        wrong += [*same.wrong, *different.wrong]
    headings = ["dataset", "different references", "the same", "not the same", "raised", "ms a comparison"]
    report.add("references in the sentences of models, and their neighbours", headings, rows)
    for words in wrong[:show]:
        print(words)
    if wrong:
        raise typer.Exit(1)


if __name__ == "__main__":
    run(main)
