from __future__ import annotations

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
        ("**Final Answer:** 12", "12"),
        ("The answer is:\n\\[\n\\boxed{18}\n\\]", "18"),
        ("The final answer is:\n\n$$\n\\frac{1}{2}\n$$\nDone.", "\\frac{1}{2}"),
        ("Thus $\\boxed{18}$. The answer is correct.", "18"),
        ("The answer is 18. We can check the answer: it fits.", "18"),
        ("The answer is Monday. We can check the answer: it fits.", "it fits"),
        ("The answer is $18$, because 2 * 9 = 18.", "18"),
        ("The answer is 18 (since 9 * 2 = 18).", "18"),
        ("The answer is 18, which is the number of eggs.", "18"),
        ("The answer is $18 or $20", "$18 or $20"),
        ("The answer is $18", "$18"),
        ("The answer is 18</s>", "18"),
        ("The answer is \\(x^2\\).<|im_end|>", "x^2"),
        ("Answer: (3, 4)", "(3, 4)"),
        ("Final Answer: The final answer is $17$. I hope it is correct.", "17"),
        ("The answer is Mr. Smith. He won.", "Mr. Smith"),
        ("so we get\n**y = 2x**", "y = 2x"),
        ("so we get\n\\[x + 1\\]", "x + 1"),
        ("The answer is:", None),
        ("nothing to see", None),
        ("", None),
        ("\\boxed{", None),
    ],
)
def test_extraction(text: str, answer: str | None) -> None:
    assert extract_answer(text) == answer


@pytest.mark.parametrize(
    ("text", "marker", "answer"),
    [
        ("Antwort: 7. Das war leicht. The answer is 8", "Antwort:", "7"),
        ("The answer is positive.\nSo \\boxed{12} it is", "\\boxed{", "12"),
        ("The answer is 12", "Antwort:", "12"),
        ("The answer is 12", "", "12"),
    ],
)
def test_the_marker_of_a_format_is_looked_for_first(text: str, marker: str, answer: str) -> None:
    assert extract_answer(text, marker=marker) == answer


@pytest.mark.parametrize("part", ["answer", "answer ", " ", ".*", "****", "{", "\\boxed{", "$", "1,", "####", "A. "])
def test_extraction_takes_no_time_on_hostile_text(part: str) -> None:
    """Half a megabyte at once: what is not linear in it would not come to an end."""
    many = part * (500_000 // len(part))
    for text in (many, f"The answer is {many}", f"answer{many}", f"{many}answer{' ' * 500_000}"):
        extract_answer(text)


@given(st.text())
def test_extraction_survives_any_text(text: str) -> None:
    answer = extract_answer(text)
    assert answer is None or answer.strip() == answer != ""


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
