"""How right runs are, and how far that can be trusted."""

from __future__ import annotations

import csv
import io
import itertools
import random
import statistics
from pathlib import Path

import orjson
import pytest
from command_line import command
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest

from asyncsearch import Candidate, ProblemResult
from asyncsearch.answers.math_grader import MathGrader
from asyncsearch.evaluation import (
    Accuracy,
    Estimate,
    Evaluation,
    Judgement,
    Method,
    estimate,
    evaluate,
    paired_test,
    pass_at_k,
)
from asyncsearch.evaluation.judgement import METHODS

MAJORITY = Method("majority", None)
WEIGHTED = Method("weighted", "last")

shares = st.sampled_from([0.0, 0.25, 0.5, 1.0])
outcomes = st.lists(st.booleans(), min_size=1, max_size=40)


def judged(right: list[bool], *, method: Method = MAJORITY, begin: int = 0) -> list[Judgement]:
    return [
        Judgement(
            id=str(number),
            problem="same",
            level=f"Level {number % 3}",
            subject=None if number % 2 else "Algebra",
            winning=frozenset([method] if is_right else []),
            candidates=1,
            right=int(is_right),
            answers=1,
        )
        for number, is_right in enumerate(right, begin)
    ]


@given(st.integers(0, 6), st.integers(0, 6), st.integers(1, 6))
def test_pass_at_k_is_the_share_of_all_choices(right: int, wrong: int, k: int) -> None:
    candidates = [True] * right + [False] * wrong + [False] * max(k - right - wrong, 0)
    chosen = [any(choice) for choice in itertools.combinations(candidates, k)]
    assert pass_at_k(right, right + wrong, k) == pytest.approx(statistics.mean(chosen))


@given(st.integers(0, 50), st.integers(0, 50), st.integers(1, 60))
def test_more_candidates_never_pass_less(right: int, wrong: int, k: int) -> None:
    assert pass_at_k(right, right + wrong, k) <= pass_at_k(right, right + wrong, k + 1) + 1e-12
    assert (pass_at_k(right, right + wrong, k) > 0) is (right > 0)


@pytest.mark.parametrize(("right", "candidates", "k"), [(1, 1, 0), (2, 1, 1), (-1, 1, 1)])
def test_there_is_no_such_pass_at_k(right: int, candidates: int, k: int) -> None:
    with pytest.raises(ValueError, match="no pass@"):
        pass_at_k(right, candidates, k)


@given(st.lists(shares, min_size=1, max_size=200), st.randoms(use_true_random=False))
def test_an_interval_holds_its_mean_and_depends_on_no_order(values: list[float], source: random.Random) -> None:
    found = estimate(values)
    assert found.value == pytest.approx(statistics.mean(values))
    assert 0 <= found.low <= found.value + 1e-9
    assert found.value - 1e-9 <= found.high <= 1
    shuffled = [*values]
    source.shuffle(shuffled)
    assert estimate(shuffled) == found


@given(st.integers(1, 50))
def test_problems_that_are_all_the_same_leave_a_doubt(total: int) -> None:
    assert estimate([True] * total) == Estimate(1.0, *Accuracy(total, total).interval(), total)
    assert estimate([0.0] * total).high > 0
    assert estimate([]) == Estimate(0.0, 0.0, 1.0, 0)


def test_an_interval_is_the_normal_one_where_there_are_many() -> None:
    found = estimate([1.0] * 700 + [0.0] * 300)
    spread = 1.96 * (0.7 * 0.3 / 1000) ** 0.5
    assert found.low == pytest.approx(0.7 - spread, abs=2e-3)
    assert found.high == pytest.approx(0.7 + spread, abs=2e-3)


@given(outcomes, st.data())
def test_a_paired_test_is_the_same_from_both_sides(first: list[bool], data: st.DataObject) -> None:
    second = data.draw(st.lists(st.booleans(), min_size=len(first), max_size=len(first)))
    one = paired_test(judged(first), judged(second), methods=(MAJORITY, MAJORITY))
    other = paired_test(judged(second), judged(first), methods=(MAJORITY, MAJORITY))
    assert (one.only_first, one.only_second, one.p_value) == (other.only_second, other.only_first, other.p_value)
    assert one.difference.value == pytest.approx(-other.difference.value)
    assert one.difference.value == pytest.approx((sum(second) - sum(first)) / len(first))
    differing = one.only_first + one.only_second
    expected = binomtest(one.only_first, differing).pvalue if differing else 1.0
    assert one.p_value == pytest.approx(expected)
    assert one.difference.low <= one.difference.value <= one.difference.high
    assert one.difference.high - one.difference.value > 0 or one.difference.value == 1.0
    if len({*zip(first, second, strict=True)}) == 1:
        assert one.difference.low == pytest.approx(-other.difference.high)
    assert one.left_out == 0


def test_only_the_same_problems_are_compared() -> None:
    first, second = judged([True, False, True]), judged([True, True, False], begin=1)
    found = paired_test(first, second, methods=(MAJORITY, MAJORITY))
    assert (found.problems, found.left_out) == (2, 2)
    other = [Judgement(id=one.id, problem="another text", level=None, subject=None) for one in first]
    assert paired_test(first, other, methods=(MAJORITY, MAJORITY)).problems == 0


def test_each_run_is_compared_by_its_own_vote() -> None:
    found = paired_test(judged([True, True]), judged([True, False], method=WEIGHTED), methods=(MAJORITY, WEIGHTED))
    assert (found.only_first, found.only_second) == (1, 0)


@given(outcomes)
def test_groups_hold_each_problem_once(right: list[bool]) -> None:
    found = Evaluation(
        judgements=tuple(judged(right)),
        solved=len(right),
        failed=0,
        ungraded=0,
        accounts=EMPTY.accounts,
        seconds=0.0,
        grading_gave_up=0,
        grading_failed=0,
        grading_error=None,
    )
    assert sum(map(len, found.groups("level").values())) == len(right)
    assert {*found.groups("subject")} <= {"Algebra"}
    assert found.accuracies[MAJORITY] == Accuracy(sum(right), len(right))
    assert WEIGHTED not in found.methods, "nothing has a score"


EMPTY = ProblemResult(id="e", problem="p", answer=None, reference=None, correct=None)


def result(number: int, answers: str, reference: str | None = "1", error: str | None = None) -> ProblemResult:
    """Of candidates with these answers, a dash for none, of which each is scored higher than the one before."""
    candidates = tuple(
        Candidate(
            text=answer,
            answer=None if answer == "-" else answer,
            truncated=answer == "-",
            tokens=1,
            step_scores=(place / 10,),
        )
        for place, answer in enumerate(answers, 1)
    )
    return ProblemResult(
        id=str(number),
        problem=f"p{number}",
        answer=None,
        reference=reference,
        correct=None,
        candidates=candidates,
        error=error,
    )


@pytest.mark.anyio
async def test_votes_passes_and_failures_worked_by_hand() -> None:
    results = [result(1, "1122"), result(2, "1-22"), result(3, "2222"), result(4, "", error="e"), result(5, "1", None)]
    async with MathGrader() as grader:
        found = await evaluate(results, grader)
    assert (found.solved, found.failed, found.ungraded) == (4, 1, 1)
    assert found.accuracies[MAJORITY] == Accuracy(1, 4), "of equal groups the first wins"
    assert found.accuracies[WEIGHTED] == Accuracy(0, 4)
    assert found.found == Accuracy(2, 4)
    assert {k: passed.value for k, passed in found.passes.items()} == {
        1: pytest.approx((2 / 4 + 1 / 4) / 4),
        2: pytest.approx((5 / 6 + 1 / 2) / 4),
        4: pytest.approx(2 / 4),
    }
    assert found.methods == METHODS


@pytest.mark.anyio
async def test_nothing_to_evaluate_is_no_error() -> None:
    async with MathGrader() as grader:
        found = await evaluate([], grader)
    assert found.passes == {}
    assert found.estimate(MAJORITY) == Estimate(0.0, 0.0, 1.0, 0)
    assert found.different_answers == 0.0


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("evaluated")
    problems = [
        {"problem": f"Tom has {n} apples and buys 3. How many?", "answer": n + 3, "level": 1 + n % 2, "type": "=SUM(1)"}
        for n in range(2, 8)
    ]
    (folder / "problems.jsonl").write_bytes(b"\n".join(map(orjson.dumps, problems)))
    solved = command(
        "solve", "problems.jsonl", "--width", "4", "--strategy", "sampling", "--strategy", "rebase", "--out", "runs",
        cwd=folder,
    )  # fmt: skip
    assert solved.returncode == 0, solved.stderr
    return folder


def test_the_tables_of_runs(runs: Path) -> None:
    shown = command("evaluate", "runs", cwd=runs)
    assert shown.returncode == 0, shown.stderr
    for words in (
        "runs/rebase: rebase, width 4",
        "weighted *",
        "pass@k",
        "by level",
        "by subject",
        "right on the same",
    ):
        assert words in shown.stdout
    alone = command("evaluate", "runs/rebase", "--vote", "majority", cwd=runs)
    assert "majority *" in alone.stdout
    assert "right on the same problems" not in alone.stdout


def test_what_is_printed_is_json_or_csv(runs: Path) -> None:
    printed = orjson.loads(command("evaluate", "runs", "--json", cwd=runs).stdout)
    rows = [*csv.DictReader(io.StringIO(command("evaluate", "runs", "--csv", cwd=runs).stdout))]
    assert [run["strategy"] for run in printed["runs"]] == ["rebase", "sampling"]
    (paired,) = printed["paired"]
    assert paired["difference"]["problems"] == 6
    for run in printed["runs"]:
        own = [row for row in rows if row["run"] == run["run"]]
        accuracies = [row for row in own if row["measure"] == "accuracy" and not row["by"]]
        assert [float(row["value"]) for row in accuracies] == [found["accuracy"] for found in run["accuracies"]]
        assert [row["k"] for row in own if row["measure"] == "pass@k"] == ["1", "2", "4"]
        by_level = [row for row in own if (row["by"], row["vote"]) == ("level", "majority")]
        assert [(row["group"], row["problems"]) for row in by_level] == [("1", "3"), ("2", "3")]
        subjects = {row["group"] for row in own if row["by"] == "subject"}
        assert subjects == {"'=SUM(1)"}, "no formula of a spreadsheet"
        assert {group["group"] for group in run["groups"]} == {"1", "2", "=SUM(1)"}


def test_what_is_wrong_is_one_line(runs: Path) -> None:
    for arguments, words in [
        (("runs", "--vote", "weigthed"), "unknown vote 'weigthed'; did you mean 'weighted'?"),
        (("runs", "--aggregation", "max"), "unknown aggregation 'max'; known are last, mean, min, prod"),
        (("runs", "--grader", "nowhere:nothing"), "names no function"),
        (("runs", "--json", "--csv"), "choose one"),
        (("nowhere",), "nowhere: does not exist"),
    ]:
        refused = command("evaluate", *arguments, cwd=runs)
        assert refused.returncode == 2
        assert words in refused.stderr
        assert "Traceback" not in refused.stderr


def test_another_grader_says_otherwise(runs: Path) -> None:
    (runs / "lenient.py").write_text("def always(reference, answer):\n    return True\n")
    judged_anew = command("evaluate", "runs/rebase", "--json", "--grader", "lenient:always", cwd=runs)
    assert judged_anew.returncode == 0, judged_anew.stderr
    (found,) = orjson.loads(judged_anew.stdout)["runs"]
    assert {one["accuracy"] for one in found["accuracies"]} == {1.0}


def test_the_references_files_are_evaluated_too(runs: Path) -> None:
    solutions = [{"text": f"Step 1: x. The answer is: {n} ки", "step_scores": [n / 10]} for n in (4, 4, 5)]
    record = {"id": 0, "question": "q", "model_answer": solutions, "ground_truth_answer": "4", "total_tokens": 9}
    (runs / "answers.json").write_bytes(orjson.dumps([record]))
    shown = command("evaluate", "answers.json", "--json", cwd=runs)
    assert shown.returncode == 0, shown.stderr
    (found,) = orjson.loads(shown.stdout)["runs"]
    by_method = {(one["vote"], one["aggregation"]): one["accuracy"] for one in found["accuracies"]}
    assert by_method["majority", None] == by_method["weighted", "last"] == 1.0
    assert by_method["best-of-n", "last"] == 0.0
