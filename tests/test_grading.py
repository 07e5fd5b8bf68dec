"""Which answers are the same, and which are right."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import anyio
import judges
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asyncsearch import Problem, Sampling, SolveOptions, solve_dataset
from asyncsearch.answers import extract_answer, make_grader
from asyncsearch.answers.function_grader import FunctionGrader
from asyncsearch.answers.grading_process import GradingProcess
from asyncsearch.answers.math_equality import equal_answers
from asyncsearch.answers.math_grader import MathGrader
from asyncsearch.answers.plain_latex import plain_latex
from asyncsearch.errors import ConfigurationError, GradingError
from runtimes.function import FunctionPolicy


class Pair(NamedTuple):
    same: bool
    reference: str
    answer: str
    reason: str


def _labelled() -> list[Pair]:
    """Of ``grading.tsv``: lines of "yes" or "no", a reference, an answer, and why; comments begin with a "#"."""
    _, *lines = (Path(__file__).parent / "grading.tsv").read_text(encoding="utf-8").splitlines()
    rows = [line.split("\t") for line in lines if line and not line.startswith("#")]
    return [Pair(same == "yes", reference, answer, reason) for same, reference, answer, reason in rows]


LABELLED = _labelled()


def test_there_are_enough_labelled_pairs() -> None:
    assert len(LABELLED) >= 300
    assert len({(pair.reference, pair.answer) for pair in LABELLED}) == len(LABELLED)


@pytest.mark.parametrize("pair", LABELLED, ids=lambda pair: f"{pair.reference}|{pair.answer}")
def test_labelled_pairs(pair: Pair) -> None:
    assert equal_answers(pair.reference, pair.answer) is pair.same, pair.reason
    assert equal_answers(pair.answer, pair.reference) is pair.same, f"{pair.reason}, the other way round"


@pytest.mark.anyio
async def test_labelled_pairs_in_the_process_that_grades() -> None:
    async with MathGrader(time_limit=30) as grader:
        wrong = [pair for pair in LABELLED if await grader.is_right("", pair.reference, pair.answer) is not pair.same]
        assert wrong == []
        assert grader.gave_up == 0


NUMBERS = st.integers(-(10**7), 10**7) | st.fractions(max_denominator=50).filter(lambda number: number != 0)
WRITTEN: list[Callable[[str], str]] = [
    lambda answer: f"${answer}$",
    lambda answer: f"\\boxed{{{answer}}}",
    lambda answer: f"\\text{{{answer}}}",
    lambda answer: f"x = {answer}",
    lambda answer: f"{answer} apples",
    lambda answer: f" {answer}. ",
    lambda answer: f"\\left({answer}\\right)",
    lambda answer: f"**{answer}**",
]


@settings(max_examples=60)
@given(st.tuples(NUMBERS, NUMBERS), st.sampled_from(WRITTEN))
def test_a_number_is_itself_however_it_is_written(numbers: tuple[object, object], write: Callable[[str], str]) -> None:
    number, other = numbers
    assert equal_answers(str(number), write(str(number)))
    assert equal_answers(str(number), write(str(other))) is (number == other)


@given(st.integers(0, 10**12))
def test_separators_of_thousands(number: int) -> None:
    for separated in (f"{number:,}", f"{number:,}".replace(",", "{,}"), f"{number:,}".replace(",", ",\\!")):
        assert equal_answers(str(number), separated)
    assert plain_latex(f"({number:,})") == f"({number:,})", "between brackets it is a tuple"


@settings(max_examples=60)
@given(st.lists(st.integers(-20, 20), min_size=2, max_size=4), st.data())
def test_lists_have_no_order_and_tuples_have(entries: list[int], data: st.DataObject) -> None:
    other = data.draw(st.permutations(entries))
    assert equal_answers(", ".join(map(str, entries)), ", ".join(map(str, other)))
    first, second = (f"({', '.join(map(str, each))})" for each in (entries, other))
    assert equal_answers(first, second) is (entries == other)


@given(st.text(max_size=40))
def test_plain_latex_is_plain_at_once(text: str) -> None:
    once = plain_latex(text)
    assert once == once.strip()
    assert "\\dfrac" not in plain_latex(f"{text} \\dfrac12")


@pytest.mark.parametrize(
    "sentence",
    [
        "The answer is: {}",
        "The answer is ${}$.",
        "Therefore, the final answer is: $\\boxed{{{}}}$. I hope it is correct.",
        "Final Answer: The final answer is ${}$. I hope it is correct.",
        "**Answer:** {}",
        "He counts them all.\n#### {}",
        "So it is\n\\[\\boxed{{{}}}\\]",
        "The final answer is \\({}\\).",
    ],
)
@pytest.mark.parametrize("reference", sorted({pair.reference for pair in LABELLED if "$" not in pair.reference})[::7])
def test_references_in_the_sentences_of_models(reference: str, sentence: str) -> None:
    answer = extract_answer(sentence.format(reference))
    assert answer is not None
    assert equal_answers(reference, answer)


@pytest.mark.anyio
async def test_a_hostile_answer_costs_its_time_limit_and_not_the_run() -> None:
    async with MathGrader(time_limit=1.0) as grader:
        assert await grader.equal("1/3", "\\frac13")  # starts the worker
        for hostile in (
            "9^{9^{9^{9^{9}}}}",
            "9^9^9^9",
            "{" * 100_000,
            "((((" * 5_000,
            "(" * 900 + ")" * 900,
            "\\frac{" * 300 + "1" + "}{2}" * 300,
            "\\sqrt{" * 400 + "2" + "}" * 400,
            "10000000!",
            "x^{" * 200 + "2" + "}" * 200,
            "\x00\ud800 $",
        ):
            begun = time.monotonic()
            assert not await grader.equal(hostile, "x"), hostile[:20]
            assert time.monotonic() - begun < 10
        assert await grader.equal("2/4", "\\frac12"), "a worker that was killed is replaced"


@pytest.mark.anyio
async def test_a_comparison_that_is_given_up_leaves_no_reply_for_the_next() -> None:
    async with MathGrader() as grader:
        with anyio.move_on_after(0.01):  # while the worker starts
            await grader.equal("\\frac12", "x")
        assert not await grader.equal("\\frac12", "y")
        assert await grader.equal("\\frac12", "\\frac24")


@pytest.mark.anyio
@pytest.mark.parametrize("function", [judges.same_length, judges.same_length_in_a_while])
async def test_a_function_that_compares_answers(function: Callable[..., object]) -> None:
    async with FunctionGrader(function) as grader:
        assert await grader.equal("ab", "cd")
        assert not await grader.equal("ab", "c")
        assert await grader.is_right("a problem", "xy", "yx")
        assert not await grader.is_right("a problem", "xy", "\ud800" * 3)


@pytest.mark.anyio
async def test_a_function_that_judges_an_answer_to_a_problem() -> None:
    async with make_grader(f"{judges.MODULE}:longer", time_limit=5.0) as grader:
        assert await grader.is_right("p", "r", "abc")
        assert not await grader.is_right("p", "r", "ab")
        assert await grader.equal("a", "a")
        assert not await grader.equal("a", "aaaa"), "in a vote the strings count"


@pytest.mark.anyio
async def test_what_a_function_starts_has_no_say() -> None:
    async with FunctionGrader(judges.chatty) as grader:
        assert [await grader.is_right("", "a", "b") for _ in range(4)] == [False] * 4
        assert grader.gave_up == 0


@pytest.mark.anyio
async def test_a_function_that_hangs_costs_its_time_limit() -> None:
    async with FunctionGrader(judges.hangs, time_limit=0.2) as grader:
        assert not await grader.equal("a", "b")
        assert grader.gave_up == 1


@pytest.mark.anyio
async def test_a_function_that_raises_fails_the_problem_and_no_other() -> None:
    async def propose(problem: str, steps: object, random: object) -> str | None:
        return None if steps else f"The answer is: {problem}"

    run = await solve_dataset(
        [Problem(id="a", text="1", answer="2"), Problem(id="b", text="3", answer="3")],
        Sampling(width=1, scored=False),
        policy=FunctionPolicy(propose),
        options=SolveOptions(grader=f"{judges.MODULE}:raises"),
    )
    failed, right = run.results()
    assert failed.error is not None
    assert "the grader fails: LookupError: 2 and 1" in failed.error
    assert right.correct is True


@pytest.mark.anyio
async def test_a_verdict_is_true_or_false() -> None:
    async with make_grader(f"{judges.MODULE}:says_yes", time_limit=5.0) as grader:
        with pytest.raises(ValueError, match="it says 'yes', which is neither true nor false"):
            await grader.is_right("p", "a", "b")


@pytest.mark.anyio
async def test_a_process_that_cannot_begin_is_an_error() -> None:
    async with GradingProcess("nowhere:nothing", time_limit=1.0) as process:
        with pytest.raises(GradingError, match="by nowhere:nothing does not work"):
            await process.ask("a")


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("nowhere:nothing", "'nowhere:nothing' names no function, as MODULE:NAME would"),
        (f"{judges.MODULE}:nothing", "names no function"),
        (f"{judges.MODULE}:MODULE", "is no function"),
        (f"{judges.MODULE}:just_one", "takes 1 arguments; it should take a reference and an answer"),
        ("maths", "unknown grader 'maths'; did you mean 'math'"),
        ("fractions:Fraction", "what is registered is no Grader"),
        ("asyncsearch.answers.grader:Grader", "cannot be made with a time_limit"),
        ("builtins:max", "does not say which arguments it takes"),
        (f"{judges.MODULE}:wants_a_name", "wants how by name, which nobody gives it"),
        ("broken_judges:nothing", "'broken_judges:nothing': its module fails: RuntimeError: on being imported"),
    ],
)
def test_what_is_no_grader_is_named(name: str, message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        make_grader(name, time_limit=1.0)


def test_a_function_of_the_moment_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="put it as a function into a module of its own"):
        FunctionGrader(lambda left, right: left == right)
