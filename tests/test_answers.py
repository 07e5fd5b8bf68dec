from __future__ import annotations

import time

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st

from asyncsearch.answers import Ballot, choose, extract_answer
from asyncsearch.answers.math_grader import MathGrader
from asyncsearch.answers.voting import VOTES, AnswerGroups
from asyncsearch.errors import ConfigurationError
from asyncsearch.rewards import aggregate


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("Step 1: 2 + 2 = 4\nThe answer is: 4", "4"),
        ("Step 1: 2 + 2 = 4. The answer is: 4 ки", "4"),
        ("The answer is: 3. No. The answer is: 4.", "4"),
        ("the final answer is $\\frac{1}{2}$.", "\\frac{1}{2}"),
        ("The answer is: \\boxed{7}", "7"),
        ("so \\boxed{\\frac{1}{2}} it is", "\\frac{1}{2}"),
        ("\\boxed{1} or rather \\boxed{\\{2\\}}", "\\{2\\}"),
        ("She makes 9 * 2 = $<<9*2=18>>18.\n#### 18", "18"),
        ("#### 1,234", "1,234"),
        ("it costs 12.50 or -3", "-3"),
        ("about 1,234.5 km", "1,234.5"),
        ("The answer is: (3, \\frac{\\pi}{2})", "(3, \\frac{\\pi}{2})"),
        ("The answer is **42**.", "42"),
        ("**The answer is:** `42`", "42"),
        ("The answer is **\\boxed{5}**", "5"),
        ("it leaves 10-3", "3"),
        ("f(2)-1, then x=-7", "-7"),
        ("The answer is:", None),
        ("nothing to see", None),
        ("", None),
        ("\\boxed{", None),
    ],
)
def test_extraction(text: str, answer: str | None) -> None:
    assert extract_answer(text) == answer


@given(st.text())
def test_extraction_survives_any_text(text: str) -> None:
    answer = extract_answer(text)
    assert answer is None or answer.strip() == answer != ""


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("left", "right", "equal"),
    [
        ("18", "18", True),
        ("18", "18.0", True),
        ("1,234", "1234", True),
        ("18", "19", False),
        ("0.5", "\\frac{1}{2}", True),
        ("1/2", "\\frac12", True),
        ("\\frac{1}{2}", "\\frac{1}{3}", False),
        ("x+1", "1+x", True),
        ("(3, \\frac{\\pi}{2})", "\\left(3, \\frac{\\pi}{2}\\right)", True),
        ("(1, 2)", "(2, 1)", False),
        ("\\sqrt{8}", "2\\sqrt{2}", True),
        ("", "1", False),
        ("}{", "1", False),
    ],
)
async def test_grading(left: str, right: str, equal: bool) -> None:
    async with MathGrader() as grader:
        assert await grader.equal(left, right) is equal


@pytest.mark.anyio
async def test_a_hostile_answer_costs_its_time_limit_and_not_the_run() -> None:
    async with MathGrader(time_limit=1.0) as grader:
        assert await grader.equal("1/3", "\\frac13")  # starts the worker
        for hostile in ("9^{9^{9^{9^{9}}}}", "{" * 100_000, "((((" * 5_000, "\x00\ud800 $"):
            begun = time.monotonic()
            assert not await grader.equal(hostile, "x")
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
async def test_equal_answers_are_one_group_by_value_and_not_by_string() -> None:
    async with MathGrader() as grader:
        groups = AnswerGroups(grader)
        assert [await groups.number_of(answer) for answer in ("1/2", "0.5", "3", "\\frac{1}{2}")] == [0, 0, 1, 0]


@pytest.mark.parametrize(
    ("vote", "winner"),
    [("best-of-n", 2), ("majority", 0), ("weighted", 1)],
)
def test_votes_worked_by_hand(vote: str, winner: int) -> None:
    # Group 0: three candidates, 0.2 each. Group 1: two, 0.5 each. Group 2: one, 0.9.
    ballots = [Ballot(0, 0.2), Ballot(1, 0.5), Ballot(2, 0.9), Ballot(0, 0.2), Ballot(1, 0.5), Ballot(0, 0.2)]
    assert choose(ballots, vote) == winner


@pytest.mark.parametrize("vote", VOTES)
def test_ties_go_to_the_earliest(vote: str) -> None:
    assert choose([Ballot(1, 0.5), Ballot(0, 0.5)], vote) == 0
    assert choose([], vote) is None


@given(st.lists(st.builds(Ballot, st.integers(0, 4), st.floats(0, 1)), min_size=1), st.sampled_from(VOTES))
def test_the_winner_has_the_most(ballots: list[Ballot], vote: str) -> None:
    winner = choose(ballots, vote)
    assert winner is not None
    sizes = [sum(other.group == ballot.group for other in ballots) for ballot in ballots]
    if vote == "majority":
        assert sizes[winner] == max(sizes)
    if vote == "best-of-n":
        assert ballots[winner].score == max(ballot.score for ballot in ballots)


def test_an_unknown_vote_is_named() -> None:
    with pytest.raises(ConfigurationError, match="unknown vote 'plurality'"):
        choose([], "plurality")


@pytest.mark.parametrize(("method", "value"), [("last", 0.8), ("mean", 0.6), ("min", 0.4), ("prod", 0.4 * 0.6 * 0.8)])
def test_aggregation(method: str, value: float) -> None:
    assert aggregate([0.4, 0.6, 0.8], method) == pytest.approx(value)
    assert aggregate([], method) == 0.0
