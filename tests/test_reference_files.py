"""The REBASE reference's files, read and written; and a run's candidates in other forms."""

from __future__ import annotations

import csv
import json
import math
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from random import Random
from typing import Any

import anyio
import orjson
import pytest
from command_line import command
from hypothesis import given
from hypothesis import strategies as st

from asyncsearch import (
    Candidate,
    DatasetError,
    Grader,
    Problem,
    ProblemResult,
    Sampling,
    extract_answer,
    read_results,
    solve_dataset,
)
from asyncsearch.accounting import Accounts, ModelAccount
from asyncsearch.answers.voting import VOTES
from asyncsearch.election import elect, gather_voters
from asyncsearch.format import FORMATS
from asyncsearch.reference import answer_taken, is_reference_file, read_reference_results, reference_record
from asyncsearch.rewards import AGGREGATIONS
from runtimes.function import FunctionPolicy, FunctionReward

INSTRUCTION = "\nPlease reason step by step, and put your final answer within \\boxed{}."
QUESTION = "Tom has 2 apples and buys 3. How many?"
STEPS = " Step 1: Tom buys 3. ки\nStep 2: 2 + 3 = 5. The answer is: 5 ки"


def rebase_record(**changes: Any) -> dict[str, Any]:
    """As ``rebase.py`` writes it: the solution continues the question, with a tag and a score for each step."""
    return {
        "id": 0,
        "question": QUESTION,
        "model_answer": [{"text": f"{QUESTION}{STEPS}", "step_scores": [0.5, 0.9]}],
        "ground_truth_answer": "5",
        "total_tokens": 40,
        **changes,
    }


def baseline_record(text: str, *, question: str = QUESTION, answer: str = "5") -> dict[str, Any]:
    """As ``sgl_baseline.py`` writes it: the prompt is the question, tokens are counted, and nothing is scored."""
    return {
        "id": 3,
        "question": question,
        "model_answer": [{"text": f"{question}{text}", "num_gen_tokens": 17}],
        "ground_truth_answer": answer,
        "total_tokens": 17,
    }


@pytest.fixture
def written(tmp_path: Path) -> Callable[[Any], Path]:
    def write(content: Any) -> Path:
        file = tmp_path / "answers.json"
        file.write_text(json.dumps(content, indent=4))
        return file

    return write


def test_what_rebase_wrote_is_read(written: Callable[[Any], Path]) -> None:
    file = written([rebase_record(), rebase_record(id=1, question="1+1?", model_answer=[])])
    assert is_reference_file(file)
    first, second = read_reference_results(file)
    assert (first.id, first.problem, first.reference) == ("0", QUESTION, "5")
    assert (first.answer, first.correct, first.error) == (None, None, None), "nothing is voted on"
    assert first.candidates == (Candidate(text=STEPS, answer="5", truncated=False, tokens=0, step_scores=(0.5, 0.9)),)
    assert first.accounts.policy.generated_tokens == 40
    assert first.accounts.policy.flops is None
    assert first.accounts.reward.flops is None
    assert second.error == "it has no solutions"


def test_operations_of_the_policy_are_known_with_its_parameters(written: Callable[[Any], Path]) -> None:
    (result,) = read_reference_results(written([rebase_record()]), policy_parameters=7e9)
    assert result.accounts.policy.flops == 2 * 7e9 * 40
    assert result.accounts.flops is None, "the reward model's are not"


@pytest.mark.parametrize(
    ("question", "problem"),
    [
        (QUESTION, QUESTION),
        (f"{QUESTION}\n", QUESTION),  # get_prompts_gsm
        (f"# Question\n\n{QUESTION}\n\n# Solution", QUESTION),  # --model_type metamath
        (f"{QUESTION}{INSTRUCTION}", QUESTION),  # what hf_score.py looks for
    ],
)
def test_the_prompt_is_taken_off(written: Callable[[Any], Path], question: str, problem: str) -> None:
    (result,) = read_reference_results(written([baseline_record("\n\nThe answer is: 5", question=question)]))
    assert result.problem == problem
    (candidate,) = result.candidates
    assert candidate.text == "\n\nThe answer is: 5"
    assert (candidate.answer, candidate.tokens, candidate.step_scores) == ("5", 17, ())
    assert result.accounts.reward.flops == 0.0, "nothing was scored"


def test_an_instruction_that_is_not_in_the_question_is_taken_off_too(written: Callable[[Any], Path]) -> None:
    (result,) = read_reference_results(written([baseline_record(f"{INSTRUCTION} It is \\boxed{{5}}.")]))
    assert result.problem == QUESTION
    assert result.candidates[0].text == " It is \\boxed{5}."


@pytest.mark.parametrize(
    ("given_answer", "reference"),
    [
        ("He has 2 + 3 = <<2+3=5>>5 apples.\n#### 5<|endoftext|>", "5"),  # get_prompts_gsm
        ("He has 5.\n#### 1,005", "1,005"),
        ("Hence $x = \\boxed{\\frac{1}{2}}$.", "\\frac{1}{2}"),
        ("\\left( 3, \\frac{\\pi}{2} \\right)", "\\left( 3, \\frac{\\pi}{2} \\right)"),
        (5, "5"),
        (0.5, "0.5"),
        ("", None),
        (None, None),
    ],
)
def test_a_worked_solution_is_reduced_to_its_answer(
    written: Callable[[Any], Path], given_answer: Any, reference: str | None
) -> None:
    (result,) = read_reference_results(written([rebase_record(ground_truth_answer=given_answer)]))
    assert result.reference == reference


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("Step 1: 2 + 3 is", None),  # cut off: the last number is no answer
        ("so the answer is 5.", "5"),
        ("#### 5", "5"),
        ("\\boxed{5}", "5"),
        ("The answer is: 5 ки", "5"),
        ("", None),
    ],
)
def test_what_states_no_answer_was_cut_off(written: Callable[[Any], Path], text: str, answer: str | None) -> None:
    (result,) = read_reference_results(written([baseline_record(text)]))
    (candidate,) = result.candidates
    assert candidate.answer == answer
    assert candidate.truncated is (answer is None)


def test_answers_are_found_as_the_grader_finds_them(written: Callable[[Any], Path]) -> None:
    (result,) = read_reference_results(written([rebase_record()]), extract=lambda text: text[-8:])
    assert result.candidates[0].answer == "is: 5 ки"


def test_a_step_without_a_score_counts_nothing(written: Callable[[Any], Path]) -> None:
    scores = [0.5, None, float("nan"), 1, 0]
    solution = {"text": f"{QUESTION}{STEPS}", "step_scores": scores}
    unscored = {"text": f"{QUESTION}{STEPS}", "step_scores": None}
    file = written([rebase_record(model_answer=[solution, unscored, {**unscored, "step_scores": []}])])
    (result,) = read_reference_results(file)
    assert [one.step_scores for one in result.candidates] == [(0.5, 0.0, 0.0, 1.0, 0.0), (), ()]


def test_a_file_a_problem_is_read_in_the_order_of_their_numbers(tmp_path: Path) -> None:
    for number in (10, 9, 0):
        (tmp_path / f"answer_q{number}.json").write_text(json.dumps(rebase_record(id=number), indent=4))
    (tmp_path / "answers.json").write_text("not looked at")
    assert is_reference_file(tmp_path)
    assert [result.id for result in read_reference_results(tmp_path)] == ["0", "9", "10"]


def test_what_is_none_of_the_references_files_is_told(tmp_path: Path, written: Callable[[Any], Path]) -> None:
    assert not is_reference_file(tmp_path)
    assert not is_reference_file(tmp_path / "missing.json")
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "answer_q0.json").write_text("{}")
    assert not is_reference_file(tmp_path / "folder")
    others: list[Any] = [[], {}, [{"problem": "1+1?", "answer": "2"}], [{"text": 'says "model_answer": [] too'}], 5]
    for content in others:
        assert not is_reference_file(written(content))
    damaged = tmp_path / "damaged.json"
    damaged.write_text(json.dumps([rebase_record()])[:-30])
    assert is_reference_file(damaged), "so that what is wrong with it can be said"
    with pytest.raises(DatasetError, match=r"damaged\.json, record 1, line 1: is cut off"):
        list(read_reference_results(damaged))
    with pytest.raises(DatasetError, match=r"holds none of the reference's files, answer_q\*\.json"):
        list(read_reference_results(tmp_path))


@pytest.mark.parametrize(
    ("record", "message"),
    [
        (
            {"id": 8, "problem": "1+1?"},
            "record 2, line 17: has no 'model_answer', as the reference's files have; it has 'id', 'problem'",
        ),
        (rebase_record(model_answer=None), "'model_answer' must be a list of solutions, not None"),
        (rebase_record(model_answer={"text": "x"}), "'model_answer' must be a list of solutions, not {'text': 'x'}"),
        (rebase_record(model_answer=["x"]), "solution 1: must be an object with 'text', not 'x'"),
        (rebase_record(model_answer=[{}]), "solution 1: 'text' must be a text, and is not there"),
        (rebase_record(model_answer=[{"text": None}]), "solution 1: 'text' must be a text, not None"),
        (rebase_record(question=5), "'question' must be a text, not 5"),
        (rebase_record(id=[1]), "'id' must be a number or a text, not [1]"),
        (rebase_record(id=True), "'id' must be a number or a text, not True"),
        (rebase_record(ground_truth_answer=["5"]), "'ground_truth_answer' must be a text or a number, not ['5']"),
        (rebase_record(total_tokens=-1), "'total_tokens' must be a number of tokens, not -1"),
        (rebase_record(total_tokens="40"), "'total_tokens' must be a number of tokens, not '40'"),
        (
            rebase_record(model_answer=[{"text": "x", "step_scores": 0.5}]),
            "solution 1: 'step_scores' must be a list of numbers, not 0.5",
        ),
        (
            rebase_record(model_answer=[{"text": "x", "step_scores": ["0.5"]}]),
            "solution 1: a step score must be a number, not '0.5'",
        ),
        (
            rebase_record(model_answer=[{"text": "x", "step_scores": [1.5]}]),
            "solution 1: a step score must be from 0 to 1, not 1.5",
        ),
        (
            rebase_record(model_answer=[{"text": "x", "step_scores": [float("inf")]}]),
            "a step score must be from 0 to 1, not inf",
        ),
        (rebase_record(question="q" * 5000, model_answer="a" * 5000), "aaaa..."),
        (rebase_record(id=7), "the id '7' is that of record 1, line 2 too"),
    ],
    ids=lambda value: value[:40] if isinstance(value, str) else "",
)
def test_a_record_that_is_wrong_is_named(written: Callable[[Any], Path], record: dict[str, Any], message: str) -> None:
    file = written([rebase_record(id=7), record])
    results = read_reference_results(file)
    assert next(results).id == "7"
    with pytest.raises(DatasetError) as raised:
        list(results)
    assert message in str(raised.value)
    assert str(raised.value).startswith(f"{file}, record 2, line")
    assert len(str(raised.value)) < 400


# The way out


class ByText(Grader):
    """Takes answers for the same that are written the same."""

    async def equal(self, left: str, right: str) -> bool:
        return left == right


NUMBERS = st.integers(-20, 20).map(str) | st.sampled_from(["1,234", "\\frac{1}{2}", "(3, 4)", "x^2 + 1", "\\text{Tom}"])
ENDINGS = st.one_of(
    NUMBERS.map("The answer is: {}".format),
    NUMBERS.map("The answer is {}.\n".format),
    NUMBERS.map("so it is \\boxed{{{}}}.".format),
    NUMBERS.map("#### {}".format),
    NUMBERS.map("The answer is: {} ки\n".format),
    st.tuples(NUMBERS, NUMBERS).map(lambda two: f"The answer is: {two[0]}\nNo: The answer is: {two[1]}"),
    st.tuples(NUMBERS, NUMBERS).map(lambda two: f"The answer is: {two[0]}. Step 3: The answer is: {two[1]}"),
)
SCORES = st.floats(0, 1).map(lambda score: round(score, 7))


@st.composite
def candidates(draw: st.DrawFn) -> Candidate:
    thoughts, second = draw(st.text("ab 12+=\n", max_size=8)), draw(st.sampled_from(["", "Step 2: "]))
    text = f"Step 1: {thoughts}\n{second}{draw(ENDINGS)}"
    steps = FORMATS["steps"].split_steps(text)
    truncated = draw(st.sampled_from([False, False, True]))
    scores = draw(st.one_of(st.lists(SCORES, min_size=len(steps), max_size=len(steps)), st.lists(SCORES, max_size=3)))
    return Candidate(
        text=text,
        answer=None if truncated else extract_answer(text),
        truncated=truncated,
        tokens=draw(st.integers(0, 500)),
        step_scores=tuple(scores),
        multiplicity=draw(st.integers(1, 3)),
    )


@given(found=st.lists(candidates(), max_size=6), reference=NUMBERS | st.none(), problem=st.text("ab ?\n", min_size=1))
def test_what_is_exported_is_read_back(
    tmp_path_factory: pytest.TempPathFactory, found: list[Candidate], reference: str | None, problem: str
) -> None:
    """With the same answers, scores and tokens, and the same winner of every vote."""
    result = ProblemResult(
        id="a/1",
        problem=problem,
        answer=None,
        reference=reference,
        correct=None,
        candidates=tuple(found),
        accounts=Accounts(policy=ModelAccount(generated_tokens=77)),
        level="Level 2",
        subject="Algebra",
    )
    record = reference_record(result, FORMATS["steps"].split_steps)
    file = tmp_path_factory.mktemp("exported") / "answers.json"
    file.write_text(json.dumps([record.content]))
    (back,) = read_reference_results(file)
    voters = [one for one in found if one.answer is not None]
    expected = [one for one in voters for _ in range(one.multiplicity)]
    assert [one.answer for one in back.candidates] == [" ".join((one.answer or "").split()) for one in expected]
    assert [one.step_scores for one in back.candidates] == [one.step_scores for one in expected]
    assert [one.tokens for one in back.candidates] == [one.tokens for one in expected]
    for name in ("id", "problem", "reference", "level", "subject"):
        assert getattr(back, name) == getattr(result, name)
    assert back.accounts.policy.generated_tokens == 77
    assert (back.error is None) == bool(voters)
    ours, theirs = [anyio.run(gather_voters, one.candidates, ByText()) for one in (result, back)]
    for vote in VOTES:
        for aggregation in AGGREGATIONS:
            assert elect(theirs, vote, aggregation) == elect(ours, vote, aggregation)
    taken = [answer_taken(solution["text"]) for solution in record.content["model_answer"]]
    misread = sum(
        taken_answer != (one.answer or "").replace(",", "") for taken_answer, one in zip(taken, expected, strict=True)
    )
    assert (misread > 0) == (record.misread > 0)


def exported_text(text: str, scores: tuple[float, ...] = ()) -> str:
    candidate = Candidate(text=text, answer=extract_answer(text), truncated=False, tokens=9, step_scores=scores)
    result = ProblemResult(
        id="1", problem="How many?", answer=None, reference="5", correct=None, candidates=(candidate,)
    )
    record = reference_record(result, FORMATS["steps"].split_steps)
    assert record.misread == 0
    text_there = record.content["model_answer"][0]["text"]
    assert isinstance(text_there, str)
    return text_there


def test_texts_have_the_problem_in_front_and_a_tag_behind_each_step_that_is_scored() -> None:
    two_steps = "Step 1: 2 + 3 = 5\nStep 2: The answer is: 5\n"
    assert exported_text(two_steps, (0.5, 0.9)) == "How many?\nStep 1: 2 + 3 = 5 ки\nStep 2: The answer is: 5 ки\n"
    at_its_end = "How many?\nStep 1: 2 + 3 = 5\nStep 2: The answer is: 5 ки\n"
    assert exported_text(two_steps, (0.5,)) == at_its_end, "of which step is it?"
    assert exported_text(two_steps) == at_its_end
    tagged = "Step 1: 2 + 3 = 5 ки\nStep 2: The answer is: 5 ки\n"
    assert exported_text(tagged, (0.5, 0.9)) == f"How many?\n{tagged}", "tags of the policy's own stay"


def test_an_answer_that_is_stated_in_another_way_is_stated_in_the_references_too() -> None:
    boxed = "Step 1: it is $\\boxed{\\frac{1}{2}}$."
    assert exported_text(boxed, (0.5,)) == f"How many?\n{boxed}\nThe answer is: \\frac{{1}}{{2}} ки\n"
    twice = "Step 1: The answer is: 4\nStep 2: No. The answer is: 5"
    assert exported_text(twice, (0.5, 0.9)) == f"How many?\n{twice} ки", "it takes the first that has a tag"
    in_a_line = "Step 1: The answer is: 4. No. The answer is: 5"
    assert exported_text(in_a_line, (0.5,)) == f"How many?\n{in_a_line}\nThe answer is: 5 ки\n"


@pytest.mark.parametrize(
    ("text", "taken"),
    [
        ("The answer is: 5 ки", "5"),
        ("The answer is: 1,234 ки", "1234"),
        ("The answer is: (1, 2) ки", "(1 2)"),
        ("The answer is: 5", None),
        ("The answer is: 5\nки", None),
        ("The answer is: 4 ки\nThe answer is: 5 ки", "4"),
        ("The answer is: 4\nThe answer is: 5 ки", "5"),
        ("The answer is: 4 ки, no, 5 ки", "4 ки no 5"),
        ("the answer is: 5 ки", None),
    ],
)
def test_what_the_reference_takes_for_the_answer(text: str, taken: str | None) -> None:
    """As its ``extract_shepherd_answer`` does; None stands for its "[invalid]"."""
    assert answer_taken(text) == taken


# A run


PROBLEMS = [
    Problem(id="a", text="How many?", answer="5", level="1", subject="counting"),
    Problem(id="b", text="What fails?", answer="5"),
    Problem(id="c", text="What is cut off?", answer="5"),
    Problem(id="d", text="Who knows?"),
]


def propose(problem: str, steps: Sequence[str], random: Random) -> str | None:
    if problem == "What fails?":
        raise RuntimeError("no idea")
    if problem == "What is cut off?":
        return "word " * 5
    if len(steps) == 2:
        return None
    return "Step 1: think" if not steps else f"Step 2: The answer is: {random.choice(['5', '=6', '1,234'])}"


def judge(problem: str, steps: Sequence[str]) -> list[float]:
    return [0.25 if "6" in step else 0.75 for step in steps]


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with two runs, of which ``scored`` has a failed problem and one whose solutions are cut off."""
    folder = tmp_path_factory.mktemp("runs")

    async def solve() -> None:
        for name, scored in (("scored", True), ("unscored", False)):
            await solve_dataset(
                PROBLEMS,
                Sampling(width=6, max_tokens=20, scored=scored),
                policy=FunctionPolicy(propose),
                reward=FunctionReward(judge),
                run_dir=folder / name,
            )

    anyio.run(solve)
    return folder


def test_a_run_is_exported_for_the_reference(runs: Path, tmp_path: Path) -> None:
    done = command("export", str(runs / "scored"), "--out", "answers.json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    content = (tmp_path / "answers.json").read_bytes()
    assert content.isascii(), "it says nothing of how it reads a file"
    records = json.loads(content)
    assert [record["id"] for record in records] == ["a", "b", "c", "d"]
    first, failed, cut, unknown = records
    assert len(first["model_answer"]) == 6
    assert first["model_answer"][0].keys() == {"text", "step_scores", "num_gen_tokens"}
    assert first["total_tokens"] == sum(one["num_gen_tokens"] for one in first["model_answer"])
    assert failed["model_answer"] == cut["model_answer"] == []
    assert "no idea" in failed["error"]
    assert unknown["ground_truth_answer"] is None
    assert "answers.json: 4 problems, 12 candidates" in done.stderr
    assert "6 candidates without an answer are left out" in done.stderr
    assert "1 problems have no reference answer; the reference counts them as wrong" in done.stderr
    results = list(read_results(runs / "scored"))
    for result, back in zip(results, read_reference_results(tmp_path / "answers.json"), strict=True):
        answered = [one for one in result.candidates if one.answer is not None]
        assert [one.answer for one in back.candidates] == [one.answer for one in answered]
        assert [one.step_scores for one in back.candidates] == [one.step_scores for one in answered]
        assert (back.problem, back.level, back.subject) == (result.problem, result.level, result.subject)


def test_a_row_has_all_of_a_candidate(runs: Path, tmp_path: Path) -> None:
    done = command("export", str(runs / "scored"), "--format", "jsonl", "--out", "rows.jsonl", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    rows = [orjson.loads(line) for line in (tmp_path / "rows.jsonl").read_bytes().splitlines()]
    assert [row["id"] for row in rows] == ["a"] * 6 + ["b"] + ["c"] * 6 + ["d"] * 6
    (result, *_) = read_results(runs / "scored")
    for row, candidate in zip(rows[:6], result.candidates, strict=True):
        assert row["text"] == candidate.text
        assert row["step_scores"] == list(candidate.step_scores)
        assert row["correct"] is (candidate.answer == "5")
        assert row["last"] == candidate.step_scores[-1]
        assert math.isclose(row["prod"], math.prod(candidate.step_scores))
        assert (row["problem"], row["level"], row["subject"]) == ("How many?", "1", "counting")
    assert [row["candidate"] for row in rows[:6]] == [0, 1, 2, 3, 4, 5]
    failed, cut, unknown = rows[6], rows[7], rows[-1]
    assert failed["candidate"] is failed["text"] is failed["correct"] is None
    assert "no idea" in failed["error"]
    assert (cut["answer"], cut["truncated"], cut["correct"]) == (None, True, False)
    assert unknown["correct"] is None, "there is no reference"


def test_a_table_has_no_texts(runs: Path, tmp_path: Path) -> None:
    done = command("export", str(runs / "scored"), "--format", "csv", "--out", "-", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    rows = list(csv.DictReader(done.stdout.splitlines()))
    assert len(rows) == 19
    assert not {"text", "problem", "step_scores"} & rows[0].keys()
    assert {row["answer"] for row in rows} <= {"5", "=6", "1,234", ""}
    assert "-: 4 problems" in done.stderr


def test_without_scores_there_are_no_aggregations(runs: Path, tmp_path: Path) -> None:
    done = command("export", str(runs / "unscored"), "--format", "jsonl", "--out", "-", cwd=tmp_path)
    rows = [orjson.loads(line) for line in done.stdout.splitlines()]
    assert rows[0]["step_scores"] == []
    assert {row[name] for row in rows for name in AGGREGATIONS} == {None}


def test_several_runs_are_a_file_each(runs: Path, tmp_path: Path) -> None:
    done = command("export", str(runs), "--out", "exported", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert sorted(path.name for path in (tmp_path / "exported").iterdir()) == ["scored.json", "unscored.json"]
    (tmp_path / "file").write_text("taken")
    for out in ("file", "-"):
        refused = command("export", str(runs), "--out", out, cwd=tmp_path)
        assert refused.returncode == 2
        assert "holds several runs" in refused.stderr
    assert (tmp_path / "file").read_text() == "taken"


def test_by_default_it_is_written_into_the_run(runs: Path, tmp_path: Path) -> None:
    for name, file in (("rebase", "answers.json"), ("jsonl", "candidates.jsonl"), ("csv", "candidates.csv")):
        assert command("export", str(runs / "scored"), "--format", name, cwd=tmp_path).returncode == 0
        assert (runs / "scored" / file).is_file()
    assert command("evaluate", str(runs / "scored"), cwd=tmp_path).returncode == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nowhere"], "nowhere: does not exist"),
        (["RUN", "--format", "rebbase"], "unknown form 'rebbase'; did you mean 'rebase'?"),
        (["RUN", "--out", "RUN/results.jsonl"], "is a file of a run"),
        (["RUN", "--out", "RUN/journal.bin"], "is a file of a run"),
        (["RUN", "--out", "/dev/null"], "/dev/null: is no file"),
        (["RUN", "--out", "RUN/results.jsonl/below"], "cannot be written: "),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_what_cannot_be_exported_is_said(runs: Path, tmp_path: Path, arguments: list[str], message: str) -> None:
    before = (runs / "scored" / "results.jsonl").read_bytes()
    refused = command("export", *(one.replace("RUN", str(runs / "scored")) for one in arguments), cwd=tmp_path)
    assert refused.returncode == 2
    assert message in refused.stderr
    assert "Traceback" not in refused.stderr
    assert (runs / "scored" / "results.jsonl").read_bytes() == before


def test_a_damaged_run_leaves_what_was_exported_before(runs: Path, tmp_path: Path) -> None:
    shutil.copytree(runs / "scored", tmp_path / "run")
    lines = (tmp_path / "run" / "results.jsonl").read_bytes().splitlines(keepends=True)
    (tmp_path / "run" / "results.jsonl").write_bytes(b"".join([*lines[:2], b"damaged\n", *lines[2:]]))
    (tmp_path / "answers.json").write_text("as it was")
    done = command("export", "run", "--out", "answers.json", cwd=tmp_path)
    assert done.returncode == 1
    assert "results.jsonl, line 3: damaged" in done.stderr
    assert (tmp_path / "answers.json").read_text() == "as it was"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["answers.json", "run"]
