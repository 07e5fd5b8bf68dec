"""The benchmark that holds this project's evaluation against the REBASE reference's.

The reference is not shipped. Its place takes a stand-in with the same functions and arguments, which takes answers for
the same that are written the same; with ``ASYNCSEARCH_REFERENCE`` it is a clone of the reference itself, and with
``ASYNCSEARCH_REFERENCE_PYTHON`` it is run by a Python that has what it imports.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import anyio
import orjson
import pytest

from asyncsearch import Problem, Sampling, solve_dataset
from benchmarks.respelled import RIGHT, WRONG, respelled
from runtimes.function import FunctionPolicy, FunctionReward

ROOT = Path(__file__).parent.parent
METHODS = 9

STAND_IN = """\
import argparse
import json


def grade_answer(answer, other):
    return answer == other


def extract_shepherd_answer(text):
    for line in (text or "").split("\\n"):
        _, marker, answer = line.partition("The answer is:")
        answer, tag, _ = answer.rpartition(" \\u043a\\u0438")
        if marker and tag:
            return answer.strip().replace(",", "")
    return "[invalid]"


def agg_last(scores):
    return scores[-1] if scores else 0


def agg_min(scores):
    return min(scores, default=0)


def agg_mean(scores):
    return sum(scores) / len(scores) if scores else 0


def agg_prod(scores):
    product = 1.0
    for score in scores:
        product *= score
    return product if scores else 0


def evaluate(path, aggregate, extract):
    right = 0
    problems = json.load(open(path))
    for problem in problems:
        best = max(problem["model_answer"], key=lambda one: aggregate(one["step_scores"]), default={"text": None})
        right += grade_answer(extract(best["text"]), problem["ground_truth_answer"])
    return right / len(problems)


def majority_vote(path, weighted, weigh, extract):
    right = 0
    problems = json.load(open(path))
    for problem in problems:
        votes = {}
        winner = None
        for one in problem["model_answer"]:
            answer = extract(one["text"])
            votes[answer] = votes.get(answer, 0) + (weigh(one["step_scores"]) if weighted else 1)
            if winner is None or votes[answer] > votes[winner]:
                winner = answer
        right += grade_answer(str(winner), problem["ground_truth_answer"])
    return right / len(problems)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    for name in ("path", "agg_func", "weighted", "weight_agg", "model_type", "output_path"):
        parser.add_argument(f"--{name}")
    given = parser.parse_args()
    assert given.model_type == "llemma"
    if given.agg_func == "majority_vote":
        weigh = globals().get(f"agg_{given.weight_agg}")
        found = majority_vote(given.path, bool(given.weighted), weigh, extract_shepherd_answer)
    else:
        found = evaluate(given.path, globals()[f"agg_{given.agg_func}"], extract_shepherd_answer)
    with open(given.output_path, "a") as file:
        file.write(f"\\nagg_function {given.agg_func} weighted: {given.weighted} \\n accuracy: {found}")
"""


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if there := os.environ.get("ASYNCSEARCH_REFERENCE"):
        return Path(there)
    folder = tmp_path_factory.mktemp("checkout")
    extraction = folder / "evaluate" / "data_processing" / "answer_extraction.py"
    extraction.parent.mkdir(parents=True)
    extraction.write_text("def extract_answer(text):\n    return text.rpartition(' ')[2]\n")
    (folder / "math_evaluate.py").write_text(STAND_IN)
    return folder


def benchmark(*arguments: str, output: Path) -> subprocess.CompletedProcess[str]:
    python = os.environ.get("ASYNCSEARCH_REFERENCE_PYTHON", sys.executable)
    call = [sys.executable, "-m", "benchmarks.reference_grading", *arguments, "--python", python]
    return subprocess.run(
        [*call, "--output", str(output)], cwd=ROOT, capture_output=True, text=True, check=False, timeout=600
    )


def tables(*arguments: str, output: Path) -> dict[str, list[dict[str, str]]]:
    """The rows of the tables, by the beginnings of their titles."""
    done = benchmark(*arguments, output=output)
    assert done.returncode == 0, done.stderr
    found: list[dict[str, Any]] = orjson.loads(output.read_bytes())["tables"]
    return {
        " ".join(table["title"].split()[:3]): [dict(zip(table["headings"], row, strict=True)) for row in table["rows"]]
        for table in found
    }


def test_a_run_evaluates_alike_but_for_ties(checkout: Path, tmp_path: Path) -> None:
    """Which the reference gives to the answer that is the first to have so many votes."""
    answers = {"clear": "1 2 1 1", "a tie": "1 2 2 1", "fails": ""}
    problems = [Problem(id=name, text=name, answer="1") for name in answers]
    drawn = {name: iter(texts.split()) for name, texts in answers.items()}

    async def propose(problem: str, steps: Sequence[str], random: object) -> str | None:
        return None if steps else f"Step 1: The answer is: {next(drawn[problem])}"

    # One after the other, so that the draws come in this order.
    policy = FunctionPolicy(propose, calls_at_a_time=1)
    reward = FunctionReward(lambda problem, steps: [0.5] * len(steps))

    async def solve() -> None:
        await solve_dataset(problems, Sampling(width=4), policy=policy, reward=reward, run_dir=tmp_path / "run")

    anyio.run(solve)
    found = tables(str(checkout), str(tmp_path / "run"), output=tmp_path / "tables.json")
    rows = found["3 problems, 8"]
    assert len(rows) == METHODS
    assert all(row["asyncsearch"] == row["asyncsearch, of the exported file"] for row in rows)
    by_method = {row["method"]: row for row in rows}
    assert by_method["best-of-n, last"]["problems that differ"] == "0"
    assert by_method["majority"]["problems that differ"] == "1"
    assert {row["reason"] for row in found["problems that differ"]} == {
        "a tie: it takes the answer that is the first to have so many votes"
    }
    assert {row["problem"] for row in found["problems that differ"]} == {"a tie"}


def test_spellings_are_graded_both_ways(checkout: Path, tmp_path: Path) -> None:
    references = ["\\frac{1}{2}", "(3, 4)", "12", "1234", "2\\sqrt{3}", "\\text{Tom}"]
    problems = [json.dumps({"problem": f"{n}?", "answer": answer}) for n, answer in enumerate(references)]
    (tmp_path / "problems.jsonl").write_text("\n".join(problems))
    dataset = ["--dataset", str(tmp_path / "problems.jsonl")]
    found = tables(str(checkout), *dataset, output=tmp_path / "tables.json")
    rows = {row["spelling"]: row for row in found["answers of which"]}
    assert rows["as it is"]["answers"] == "6"
    assert rows["as it is"]["by the reference"] == "5 (83%)", "the pair has lost its comma"
    for name, row in rows.items():
        assert row["by asyncsearch"].endswith("(100%)" if name in RIGHT else "(0%)"), name
    assert {row["our answer is"] for row in found["problems that differ"]} <= {"right", "wrong"}


def test_a_spelling_is_right_or_wrong_whatever_the_answer() -> None:
    for answer in (
        "0",
        "-3",
        "\\frac{3}{3}",
        "(1,1)",
        "58,500",
        "10,\\!080",
        "1,2,3",
        "x+1",
        "[0, 1)",
        "",
        "\\text{(A)}",
    ):
        (spelled,) = respelled([Problem(id="1", text="?", answer=answer)]).spellings.values()
        names = [*spelled]
        assert len(set(spelled.values())) == len(names)
        wrong = [spelled[name] for name in names if name in WRONG]
        assert answer not in wrong
    (number,) = respelled([Problem(id="1", text="?", answer="58,500")]).spellings.values()
    assert [*number] == ["as it is", "between dollars"], "thousands are no list"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["nowhere"], "nowhere: has no math_evaluate.py"),
        (["CHECKOUT", "nowhere"], "nowhere: does not exist"),
        (["CHECKOUT", "nowhere", "--dataset", "math.jsonl"], "give a run or a dataset, not both"),
        (["CHECKOUT", "--dataset", "math.jsonl"], "math.jsonl: no such file"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_what_is_wrong_is_said(checkout: Path, tmp_path: Path, arguments: list[str], said: str) -> None:
    done = benchmark(*(one.replace("CHECKOUT", str(checkout)) for one in arguments), output=tmp_path / "tables.json")
    assert done.returncode == 2
    assert said in " ".join(done.stderr.replace("│", " ").split())
    assert "Traceback" not in done.stderr
