"""Solutions from anywhere, scored step by step."""

from __future__ import annotations

import fcntl
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import anyio
import orjson
import pytest
from command_line import command

from asyncsearch import ConfigurationError, DatasetError, ModelGone, Rebase, StorageError, load_problems, solve_dataset
from asyncsearch.export import EXPORT_FORMATS
from asyncsearch.format import FORMATS
from asyncsearch.reference import is_reference_file, read_reference_results
from asyncsearch.scoring import Scored, partial_file, score_file
from runtimes.base import Deliver, RuntimeGone, ScoreRequest
from runtimes.function import FunctionReward
from runtimes.simulated import Faults, SimulatedRuntime

pytestmark = pytest.mark.anyio

TWO_STEPS = "Step 1: 2 + 3 = 5\nStep 2: The answer is: 5"


class Judge:
    """Scores a step by its length, and keeps what it was asked; ``breaks_at`` is a step that it fails at."""

    def __init__(self, *, breaks_at: str | None = None) -> None:
        self.asked: list[tuple[str, ...]] = []
        self.breaks_at = breaks_at
        self.__qualname__ = "judge"  # what a model is called tells it from others

    async def __call__(self, problem: str, steps: Sequence[str]) -> list[float]:
        self.asked.append((problem, *steps))
        if self.breaks_at is not None and any(self.breaks_at in step for step in steps):
            raise RuntimeError("it breaks here")
        return [score_of(step) for step in steps]

    @property
    def runtime(self) -> FunctionReward:
        return FunctionReward(self)


class Leaving(FunctionReward):
    """A judge that is gone after ten questions."""

    def __init__(self, judge: Judge) -> None:
        super().__init__(judge)
        self._judge_of = judge

    async def score(self, requests: Sequence[ScoreRequest], deliver: Deliver) -> None:
        if len(self._judge_of.asked) >= 10:
            raise RuntimeGone("it has left")
        await super().score(requests, deliver)


def score_of(step: str) -> float:
    return 1 / (1 + len(step.strip()))


def score(source: Path, judge: Judge, **options: Any) -> Scored:
    out = source.with_name(f"scored{source.suffix}")
    return anyio.run(partial(score_file, source, out, reward=judge.runtime, **options))


def scored_records(source: Path) -> list[dict[str, Any]]:
    content = source.with_name(f"scored{source.suffix}").read_text()
    records: list[dict[str, Any]] = (
        json.loads(content) if content[0] == "[" else [*map(json.loads, content.splitlines())]
    )
    return records


@pytest.fixture
def lines(tmp_path: Path) -> Callable[..., Path]:
    def write(*records: Any) -> Path:
        file = tmp_path / "solutions.jsonl"
        file.write_text("".join(json.dumps(record) + "\n" for record in records))
        return file

    return write


# What is read, and what comes back


@pytest.mark.parametrize("field", ["solution", "response", "completion", "output", "text"])
@pytest.mark.parametrize("problem", ["problem", "question", "prompt"])
def test_a_solution_under_any_of_its_names(lines: Callable[..., Path], problem: str, field: str) -> None:
    judge = Judge()
    file = lines({"id": 7, problem: "2 + 3?", field: TWO_STEPS})
    found = score(file, judge)
    assert (found.solutions, found.failed, found.of_one_step) == (1, 0, 0)
    assert judge.asked == [("2 + 3?", "Step 1: 2 + 3 = 5", "Step 2: The answer is: 5")]
    scores = [
        pytest.approx(score_of("Step 1: 2 + 3 = 5"), abs=1e-7),
        pytest.approx(score_of("Step 2: The answer is: 5"), abs=1e-7),
    ]
    assert scored_records(file) == [
        {"id": 7, problem: "2 + 3?", field: TWO_STEPS, "step_scores": scores, "score": scores[-1]}
    ]


def test_steps_that_are_given_stay_as_they_are(lines: Callable[..., Path]) -> None:
    """ProcessBench has them; that they hold what would begin a step is nobody's business."""
    judge = Judge()
    steps = ["First, 2 + 3.\n\nStep 2: is not one.", "So it is 5."]
    record = {"id": "gsm8k-0", "generator": "someone", "problem": "2 + 3?", "steps": steps, "label": -1}
    file = lines(record)
    score(file, judge)
    assert judge.asked == [("2 + 3?", *steps)]
    (scored,) = scored_records(file)
    assert len(scored["step_scores"]) == 2
    assert {name: scored[name] for name in record} == record
    assert list(scored) == [*record, "step_scores", "score"]


def test_a_step_that_is_given_blank_keeps_its_place(lines: Callable[..., Path]) -> None:
    """Labels may stand beside them."""
    file = lines({"problem": "2 + 3?", "steps": ["five", "", "so"], "samples": 16})
    found = score(file, Judge())
    assert (found.failed, len(scored_records(file)[0]["step_scores"])) == (0, 3)
    assert score(lines({"problem": "2 + 3?", "steps": ["", " "]}), Judge()).first_error == "the solution is empty"


@pytest.mark.parametrize("field", ["solutions", "responses", "completions", "candidates", "samples"])
def test_several_solutions_have_lists_of_scores(lines: Callable[..., Path], field: str) -> None:
    judge = Judge(breaks_at="hopeless")
    file = lines({"problem": "2 + 3?", field: [TWO_STEPS, ["a", "bb", "ccc"], "hopeless"]})
    found = score(file, judge, aggregation="min")
    assert found.failed == 1
    (record,) = scored_records(file)
    assert [len(scores) for scores in record["step_scores"]] == [2, 3, 0]
    assert record["score"] == [min(record["step_scores"][0]), min(record["step_scores"][1]), None]
    assert record["error"][:2] == [None, None]
    assert "it breaks here" in record["error"][2]


def test_solutions_that_are_objects_have_their_own(lines: Callable[..., Path]) -> None:
    file = lines(
        {"problem": "2 + 3?", "solutions": [{"text": TWO_STEPS, "model": "a"}, {"steps": ["5"], "model": "b"}]}
    )
    score(file, Judge())
    (record,) = scored_records(file)
    assert record.keys() == {"problem", "solutions"}
    assert [list(solution) for solution in record["solutions"]] == [
        ["text", "model", "step_scores", "score"],
        ["steps", "model", "step_scores", "score"],
    ]
    assert [len(solution["step_scores"]) for solution in record["solutions"]] == [2, 1]


def test_a_models_response_goes_before_the_datasets_solution(lines: Callable[..., Path]) -> None:
    judge = Judge()
    score(lines({"problem": "2 + 3?", "solution": "the reference's", "response": "the model's"}), judge)
    assert judge.asked == [("2 + 3?", "the model's")]


def test_a_prompt_in_front_is_no_step(lines: Callable[..., Path]) -> None:
    judge = Judge()
    score(lines({"question": "2 + 3?\n", "text": f"2 + 3?\n{TWO_STEPS}"}), judge)
    assert judge.asked == [("2 + 3?", *TWO_STEPS.split("\n"))]


@pytest.mark.parametrize(
    ("solution", "format", "steps"),
    [
        ("add ки\nsum ки", None, ["add", "sum"]),
        ("add ки\nsum ки\n", None, ["add", "sum"]),
        ("add ки\nand so", None, ["add", "and so"]),
        ("add ки", None, ["add"]),
        ("Step 1: add\nStep 2: sum ки\n", None, ["Step 1: add", "Step 2: sum"]),  # what it ends in is no step's
        ("Книжки стоят 5. Ручки стоят 3.", None, ["Книжки стоят 5. Ручки стоят 3."]),  # "ки" is in many Russian words
        ("add ки\nStep 2: sum", "steps", ["add", "Step 2: sum"]),  # without tags, if a format is asked for
        ("add\n\nsum\n\n", "boxed", ["add", "sum"]),
        ("add\n\nsum", None, ["add\n\nsum"]),
        ("Step 1: a\nStep 2: b", "steps", ["Step 1: a", "Step 2: b"]),
    ],
)
def test_a_text_falls_into_steps(
    lines: Callable[..., Path], solution: str, format: str | None, steps: list[str]
) -> None:
    judge = Judge()
    file = lines({"problem": "2 + 3?", "solution": solution})
    found = score(file, judge, format=None if format is None else FORMATS[format])
    ((_, *asked),) = judge.asked
    assert [step.removesuffix("ки").strip() for step in asked] == steps
    assert found.of_one_step == (len(steps) == 1)
    assert len(scored_records(file)[0]["step_scores"]) == len(steps)


def test_what_the_references_baseline_wrote_is_scored(tmp_path: Path) -> None:
    """A list of problems comes back as one, in a shape that evaluates."""
    prompt = "# Question\n\n2 + 3?\n\n# Solution"
    solutions = [{"text": f"{prompt}\n\n{TWO_STEPS}", "num_gen_tokens": 20}, {"text": prompt, "num_gen_tokens": 0}]
    record = {"id": 0, "question": prompt, "model_answer": solutions, "ground_truth_answer": "5", "total_tokens": 20}
    empty = {**record, "id": 1, "model_answer": []}
    source = tmp_path / "baseline.json"
    source.write_text(json.dumps([record, empty], indent=4))
    judge = Judge()
    found = score(source, judge)
    assert judge.asked == [("2 + 3?", *TWO_STEPS.split("\n"))]
    assert (found.solutions, found.failed, found.first_error) == (2, 1, "the solution is empty")
    out = tmp_path / "scored.json"
    assert out.read_bytes().isascii()
    assert is_reference_file(out)
    first, second = scored_records(source)
    assert [solution["step_scores"] for solution in first["model_answer"]][1] == []
    assert first["model_answer"][1]["error"] == "the solution is empty"
    assert second == empty
    (one, two), _ = (result.candidates for result in read_reference_results(out))
    assert len(one.step_scores) == 2
    assert two.step_scores == ()


def test_what_is_empty_fails_alone(lines: Callable[..., Path]) -> None:
    file = lines(
        {"problem": " ", "solution": "5"}, {"problem": "2 + 3?", "steps": []}, {"problem": "2 + 3?", "solution": "5"}
    )
    found = score(file, Judge())
    assert (found.solutions, found.failed, found.first_error) == (3, 2, "the problem is empty")
    assert [record.get("error") for record in scored_records(file)] == [
        "the problem is empty",
        "the solution is empty",
        None,
    ]


def test_earlier_scores_are_replaced(lines: Callable[..., Path]) -> None:
    file = lines({"problem": "2 + 3?", "solution": TWO_STEPS, "step_scores": [7], "score": 7, "error": "once"})
    score(file, Judge())
    (record,) = scored_records(file)
    assert "error" not in record
    assert len(record["step_scores"]) == 2
    assert record["score"] == record["step_scores"][1]


def test_what_no_encoding_takes_comes_back_as_it_was(lines: Callable[..., Path]) -> None:
    judge = Judge()
    file = lines({"problem": "half a \ud83d?", "solution": "half \ud83d", "x": float("nan"), "y": 2**60})
    assert score(file, judge).failed == 0
    (record,) = scored_records(file)
    assert (record["problem"], record["solution"], record["y"]) == ("half a \ud83d?", "half \ud83d", 2**60)
    assert record["x"] != record["x"]


@pytest.mark.parametrize(
    ("record", "message"),
    [
        ({"solution": "x"}, "has no 'problem' (or 'question') that is a text; it has 'solution'"),
        ({"problem": 5, "solution": "x"}, "has no 'problem' (or 'question') that is a text"),
        (
            {"problem": "p", "answer": "5"},
            "has no 'solution', 'response' or 'steps', and no list of 'solutions'; it has 'problem', 'answer'",
        ),
        ({"problem": "p", "solution": 5}, "a solution must be a text or a list of steps that are texts, not 5"),
        (
            {"problem": "p", "steps": ["a", 5]},
            "a solution must be a text or a list of steps that are texts, not ['a', 5]",
        ),
        ({"problem": "p", "solutions": "x"}, "no list of 'solutions'; it has 'problem', 'solutions'"),
        ({"problem": "p", "solutions": ["x", {"text": "x"}]}, "'solutions' must be a list of solutions of one kind"),
        ({"problem": "p", "solutions": [{"model": "x"}]}, "a solution must be a text or a list of steps"),
        ("p", "must be a JSON object"),
    ],
    ids=lambda value: "" if isinstance(value, str) else json.dumps(value),
)
def test_a_record_that_is_wrong_is_named_before_anything_is_scored(
    lines: Callable[..., Path], record: Any, message: str
) -> None:
    judge = Judge()
    file = lines({"problem": "2 + 3?", "solution": TWO_STEPS}, record)
    with pytest.raises(DatasetError) as raised:
        score(file, judge)
    assert str(raised.value).startswith(f"{file}, record 2, line 2: ")
    assert message in str(raised.value)
    assert not judge.asked
    assert [path.name for path in file.parent.iterdir()] == [file.name]


# Once, and in order


def test_steps_that_solutions_share_are_scored_once(lines: Callable[..., Path]) -> None:
    judge = Judge()
    begun = "Step 1: 2 + 3 = 5\nStep 2: "
    file = lines(
        {"problem": "2 + 3?", "solutions": [f"{begun}five", f"{begun}5", f"{begun}5"]},
        {"problem": "2 + 3?", "solution": f"{begun}5"},  # of the same problem, right behind it
        {"problem": "3 + 2?", "solution": f"{begun}5"},
    )
    found = score(file, judge)
    assert found.solutions == 5
    asked = sorted(judge.asked)
    assert asked == [
        ("2 + 3?", "Step 1: 2 + 3 = 5", "Step 2: 5"),
        ("2 + 3?", "Step 1: 2 + 3 = 5", "Step 2: five"),
        ("3 + 2?", "Step 1: 2 + 3 = 5", "Step 2: 5"),
    ]


def test_thousands_of_solutions_come_back_in_their_order(lines: Callable[..., Path]) -> None:
    """However they are batched."""
    records = [{"problem": f"{n // 3}?", "solution": "x" * (1 + n * 7919 % 97)} for n in range(3000)]
    file = lines(*records)
    begun: list[tuple[int, int]] = []
    errors: list[str | None] = []
    found = score(file, Judge(), reward_limit=5, on_begin=lambda *counts: begun.append(counts), on_scored=errors.append)
    assert begun == [(3000, 0)]
    assert errors == [None] * 3000
    assert found.solutions == 3000
    for record, scored in zip(records, scored_records(file), strict=True):
        assert scored == {**record, "step_scores": scored["step_scores"], "score": scored["step_scores"][0]}
        assert scored["score"] == pytest.approx(score_of(record["solution"]), abs=1e-7)


def test_tokens_and_operations_are_counted(lines: Callable[..., Path]) -> None:
    records = [{"problem": "2 + 3?", "solutions": [TWO_STEPS, f"{TWO_STEPS}\nStep 3: more"]}]
    file = lines(*records)
    runtime = SimulatedRuntime()
    options: dict[str, Any] = {"reward": runtime, "reward_format": "lines", "reward_parameters": 1e9}
    found = anyio.run(partial(score_file, file, file.with_name("scored.jsonl"), **options))
    account = found.account
    assert account.prompt_tokens > 0
    assert account.flops == pytest.approx(2e9 * account.prompt_tokens)
    assert account.generated_tokens == account.wasted_tokens == 0


async def test_scores_are_those_that_a_search_got(
    tmp_path: Path, reward_directory: Path, policy_directory: Path
) -> None:
    """The bundled reward model, in float64, whatever the batches were."""
    await solve_dataset(
        load_problems("arithmetic", limit=3),
        Rebase(width=4),
        policy=f"local:{policy_directory}",
        reward=f"local:{reward_directory}",
        run_dir=tmp_path / "run",
    )
    searched, rescored = tmp_path / "answers.json", tmp_path / "scored.json"
    with searched.open("wb") as file:
        await EXPORT_FORMATS["rebase"].write(tmp_path / "run", file)
    found = await score_file(searched, rescored, reward=f"local:{reward_directory}", reward_limit=3)
    assert found.failed == 0
    assert found.of_one_step == 0
    assert found.account.flops
    compared = 0
    for before, after in zip(read_reference_results(searched), read_reference_results(rescored), strict=True):
        for one, other in zip(before.candidates, after.candidates, strict=True):
            assert other.step_scores == pytest.approx(one.step_scores, abs=1e-6)
            compared += len(one.step_scores)
    assert compared > 30


# When something goes wrong


def test_what_failed_is_recorded_and_alone_tried_again(lines: Callable[..., Path]) -> None:
    file = lines(*({"problem": f"{n}?", "solution": f"answer {n}"} for n in range(20)))
    judge = Judge(breaks_at="answer 7")
    errors: list[str | None] = []
    found = score(file, judge, on_scored=errors.append)
    assert (found.solutions, found.failed) == (20, 1)
    assert "it breaks here" in str(found.first_error)
    assert [error is None for error in errors].count(False) == 1
    before = scored_records(file)
    assert before[7]["step_scores"] == []
    assert before[7]["score"] is None
    assert before[7]["error"] == found.first_error
    assert partial_file(file.with_name("scored.jsonl")).exists()
    mended = Judge()
    again = score(file, mended)
    assert mended.asked == [("7?", "answer 7")]
    assert again.failed == 0
    after = scored_records(file)
    assert after[:7] + after[8:] == before[:7] + before[8:]
    assert after[7]["score"] == pytest.approx(score_of("answer 7"), abs=1e-7)
    assert not partial_file(file.with_name("scored.jsonl")).exists()


async def test_an_interruption_loses_nothing(tmp_path: Path) -> None:
    source, out = tmp_path / "solutions.jsonl", tmp_path / "scored.jsonl"
    source.write_text("".join(json.dumps({"problem": f"{n}?", "solution": f"answer {n}"}) + "\n" for n in range(50)))
    whole = Judge()
    await score_file(source, out, reward=whole.runtime)
    expected = out.read_bytes()
    out.unlink()
    judge = Judge()
    with anyio.CancelScope() as scope:
        scored = 0

        def count(error: str | None) -> None:
            nonlocal scored
            scored += 1
            if scored == 20:
                scope.cancel()

        await score_file(source, out, reward=judge.runtime, reward_limit=2, on_scored=count)
    assert scope.cancelled_caught
    assert not out.exists()
    with partial_file(out).open("ab") as partial:
        partial.write(b'{"record":49,"solution":0,"step_sc')  # and it was killed while it wrote
    begun: list[tuple[int, int]] = []
    rest = Judge()
    await score_file(source, out, reward=rest.runtime, on_begin=lambda *counts: begun.append(counts))
    assert begun == [(50, scored)]
    assert 20 <= scored < 50
    assert len(rest.asked) == 50 - scored
    assert out.read_bytes() == expected
    assert sorted(os.listdir(tmp_path)) == ["scored.jsonl", "solutions.jsonl"]


async def test_an_account_is_of_all_sessions(tmp_path: Path) -> None:
    source, out = tmp_path / "solutions.jsonl", tmp_path / "scored.jsonl"
    source.write_text("".join(json.dumps({"problem": f"{n}?", "solution": f"answer {n}"}) + "\n" for n in range(9)))
    options: dict[str, Any] = {"reward_format": "lines", "reward_limit": 1}
    whole = await score_file(source, out, reward=SimulatedRuntime(), **options)
    out.unlink()
    with anyio.CancelScope() as scope:
        await score_file(source, out, reward=SimulatedRuntime(), on_scored=lambda error: scope.cancel(), **options)
    assert scope.cancelled_caught
    rest = await score_file(source, out, reward=SimulatedRuntime(), **options)
    assert rest.account.prompt_tokens == whole.account.prompt_tokens


def test_what_may_pass_is_tried_again(lines: Callable[..., Path]) -> None:
    file = lines(*({"problem": f"{n}?", "solution": f"answer {n}"} for n in range(30)))
    runtime = SimulatedRuntime(faults=Faults(retryable=0.2, lost=0.1))
    found = anyio.run(partial(score_file, file, file.with_name("scored.jsonl"), reward=runtime, reward_format="lines"))
    assert found.failed == 0
    assert runtime.attempts > 30


def test_scores_of_something_else_are_not_gone_on_with(lines: Callable[..., Path]) -> None:
    records = [{"problem": f"{n}?", "solution": f"answer {n}"} for n in range(3)]
    file = lines(*records)
    score(file, Judge(breaks_at="answer 2"))
    with pytest.raises(ConfigurationError, match=r"made with another format; go on with the same, or remove it"):
        score(file, Judge(), format=FORMATS["steps"])
    file = lines(*records, {"problem": "more?", "solution": "x"})
    with pytest.raises(ConfigurationError, match=r"scored\.jsonl\.partial: .*another file of solutions"):
        score(file, Judge())
    partial = partial_file(file.with_name("scored.jsonl"))
    partial.write_text("my notes\n")
    with pytest.raises(ConfigurationError, match="is in the way"):
        score(file, Judge())
    assert partial.read_text() == "my notes\n"
    partial.unlink()
    score(file, Judge())
    assert len(scored_records(file)) == 4


def test_scores_that_are_damaged_are_named(lines: Callable[..., Path]) -> None:
    file = lines(*({"problem": f"{n}?", "solution": f"answer {n}"} for n in range(3)))
    score(file, Judge(breaks_at="answer 2"))
    partial = partial_file(file.with_name("scored.jsonl"))
    first, second, third = partial.read_bytes().splitlines(keepends=True)
    partial.write_bytes(first + b"x" + second + third)
    with pytest.raises(StorageError, match=r"\.partial, line 2: damaged"):
        score(file, Judge())


def test_a_model_that_is_gone_ends_it_and_what_is_scored_stays(lines: Callable[..., Path]) -> None:
    file = lines(*({"problem": f"{n}?", "solution": f"answer {n}"} for n in range(30)))
    out = file.with_name("scored.jsonl")
    scored = 0

    def count(error: str | None) -> None:
        nonlocal scored
        scored += 1

    judge = Judge()
    with pytest.raises(ModelGone, match="it has left"):
        anyio.run(partial(score_file, file, out, reward=Leaving(judge), reward_limit=1, on_scored=count))
    assert not out.exists()
    assert len(partial_file(out).read_bytes().splitlines()) == 1 + scored
    assert scored == 10
    score(file, judge)
    assert len(judge.asked) == 30, "and none of them twice"


def test_only_one_process_writes(lines: Callable[..., Path]) -> None:
    file = lines({"problem": "2 + 3?", "solution": TWO_STEPS})
    with partial_file(file.with_name("scored.jsonl")).open("ab") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        with pytest.raises(ConfigurationError, match="another process is writing it"):
            score(file, Judge())


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"aggregation": "median"}, "unknown aggregation 'median'"),
        ({"reward_format": "lines?"}, "unknown reward format"),
    ],
)
def test_names_are_checked_before_anything_is_read(options: dict[str, str], message: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=message):
        score(tmp_path / "missing.jsonl", Judge(), **options)


def test_the_file_itself_is_not_written_over(lines: Callable[..., Path]) -> None:
    file = lines({"problem": "2 + 3?", "solution": TWO_STEPS})
    before = file.read_bytes()
    with pytest.raises(ConfigurationError, match="is what is to be scored"):
        anyio.run(partial(score_file, file, file, reward=Judge().runtime))
    with pytest.raises(ConfigurationError, match="is no file"):
        anyio.run(partial(score_file, file, file.parent, reward=Judge().runtime))
    with pytest.raises(DatasetError, match="is a directory; name a file of solutions, as 'asyncsearch export' writes"):
        anyio.run(partial(score_file, file.parent, file, reward=Judge().runtime))
    assert file.read_bytes() == before


# The command

JUDGES = """\
import anyio

def by_length(problem, steps):
    if any("hopeless" in step for step in steps):
        raise ValueError("no idea")
    return [1 / (1 + len(step)) for step in steps]

calls = 0

async def slower_and_slower(problem, steps):
    global calls
    calls += 1
    if calls > 5:
        await anyio.sleep_forever()
    return by_length(problem, steps)
"""


def test_the_command_writes_scores_beside_the_file(tmp_path: Path) -> None:
    (tmp_path / "judges.py").write_text(JUDGES)
    records = [{"problem": "2 + 3?", "solution": TWO_STEPS}, {"problem": "2 + 3?", "solution": "five"}]
    (tmp_path / "mine.jsonl").write_text("".join(json.dumps(record) + "\n" for record in records))
    done = command("score", "mine.jsonl", "--reward", "reward-function:judges:by_length", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "2 solutions scored: 0 tokens computed, 0 cached" in done.stdout
    assert "written to mine.scored.jsonl" in done.stdout
    assert "note: 1 of 2 solutions are of one step: say with --format how steps begin" in done.stderr
    found = [orjson.loads(line) for line in (tmp_path / "mine.scored.jsonl").read_bytes().splitlines()]
    assert [len(record["step_scores"]) for record in found] == [2, 1]


def test_the_command_tells_what_failed(tmp_path: Path) -> None:
    (tmp_path / "judges.py").write_text(JUDGES)
    records = [{"problem": "2 + 3?", "solution": text} for text in (TWO_STEPS, "Step 1: hopeless\nStep 2: so")]
    (tmp_path / "mine.jsonl").write_text("".join(json.dumps(record) + "\n" for record in records))
    call = ("score", "mine.jsonl", "--reward", "reward-function:judges:by_length", "--out", "out/scores.jsonl")
    done = command(*call, cwd=tmp_path)
    assert done.returncode == 1
    assert "1 solutions could not be scored; the first: " in done.stderr
    assert "no idea" in done.stderr
    assert "kept in out/scores.jsonl.partial, and the same command tries these again" in done.stderr
    again = command(*call, cwd=tmp_path)
    assert again.returncode == 1
    assert "1 of 2 solutions are scored already" in again.stderr


def test_a_full_disk_ends_it_and_what_is_scored_stays(tmp_path: Path) -> None:
    (tmp_path / "judges.py").write_text(JUDGES)
    records = [{"problem": f"{n}?", "solution": TWO_STEPS} for n in range(40)]
    (tmp_path / "mine.jsonl").write_text("".join(json.dumps(record) + "\n" for record in records))
    call = ("score", "mine.jsonl", "--reward", "reward-function:judges:by_length")
    full = command(*call, cwd=tmp_path, file_limit=3)
    assert full.returncode == 1
    assert "mine.scored.jsonl.partial: cannot be written: File too large" in full.stderr
    assert " of 40 solutions are scored, and kept in mine.scored.jsonl.partial; the same command goes on" in full.stderr
    assert not (tmp_path / "mine.scored.jsonl").exists()
    done = command(*call, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert " of 40 solutions are scored already" in done.stderr
    found = [orjson.loads(line) for line in (tmp_path / "mine.scored.jsonl").read_bytes().splitlines()]
    assert [record["problem"] for record in found] == [f"{n}?" for n in range(40)]
    assert {len(record["step_scores"]) for record in found} == {2}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["missing.jsonl", "--reward", "R"], "missing.jsonl: cannot be read: No such file"),
        (["mine.jsonl", "--reward", "nothing"], "'nothing' names no model"),
        (["mine.jsonl", "--reward", "local:nowhere"], "nowhere"),
        (["mine.jsonl", "--reward", "R", "--format", "stepps"], "unknown policy format 'stepps'"),
        (["mine.jsonl", "--reward", "R", "--aggregation", "median"], "unknown aggregation 'median'"),
        (["mine.jsonl", "--reward", "R", "--reward-format", "line"], "unknown reward format 'line'"),
        (["mine.jsonl", "--reward", "R", "--out", "mine.jsonl"], "mine.jsonl: is what is to be scored"),
        (["mine.jsonl", "--reward", "R", "--out", "mine.jsonl/below.jsonl"], "cannot be written"),
        (["broken.jsonl", "--reward", "R"], "broken.jsonl, record 1, line 1: not valid JSON"),
        ([".", "--reward", "R"], "is a directory"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_a_mistake_is_one_line(tmp_path: Path, arguments: list[str], message: str) -> None:
    (tmp_path / "judges.py").write_text(JUDGES)
    (tmp_path / "mine.jsonl").write_text(json.dumps({"problem": "2 + 3?", "solution": TWO_STEPS}))
    (tmp_path / "broken.jsonl").write_text("{problem: 5}")
    rest = [one if one != "R" else "reward-function:judges:by_length" for one in arguments]
    done = command("score", *rest, cwd=tmp_path)
    assert done.returncode == 2
    assert message in done.stderr
    assert done.stderr.strip().count("\n") == 0
    assert sorted(path.name for path in tmp_path.glob("*.json*")) == ["broken.jsonl", "mine.jsonl"]


def test_ctrl_c_keeps_what_is_scored(tmp_path: Path) -> None:
    (tmp_path / "judges.py").write_text(JUDGES)
    records = [{"problem": f"{n}?", "solution": TWO_STEPS} for n in range(40)]
    (tmp_path / "mine.jsonl").write_text("".join(json.dumps(record) + "\n" for record in records))
    call = ["score", "mine.jsonl", "--reward", "reward-function:judges:slower_and_slower"]
    process = subprocess.Popen(
        [sys.executable, "-m", "asyncsearch", *call],
        cwd=tmp_path,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "COLUMNS": "160"},
    )
    partial = tmp_path / "mine.scored.jsonl.partial"
    deadline = time.monotonic() + 120
    while not partial.exists() or partial.read_bytes().count(b"\n") < 6:
        assert process.poll() is None, process.communicate()[1]
        assert time.monotonic() < deadline
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "interrupted: 5 of 40 solutions are scored, and kept in mine.scored.jsonl.partial" in said
    assert "the same command goes on" in said
    call[-1] = "reward-function:judges:by_length"
    refused = command(*call, cwd=tmp_path)
    assert refused.returncode == 2
    assert "made with another reward model" in refused.stderr
    (tmp_path / "judges.py").write_text(JUDGES.replace("calls > 5", "calls > 500"))
    call[-1] = "reward-function:judges:slower_and_slower"
    done = command(*call, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "5 of 40 solutions are scored already" in done.stderr
    assert len((tmp_path / "mine.scored.jsonl").read_bytes().splitlines()) == 40
