from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from command_line import command
from hypothesis import given
from hypothesis import strategies as st

from asyncsearch.datasets.files import Record
from asyncsearch.errors import ConfigurationError, DatasetError
from asyncsearch.problem import Problem
from asyncsearch.training_data import (
    Dropped,
    Leakage,
    Preparation,
    Prepared,
    TrainingSolution,
    prepare,
    published_format_named,
    read_training_solutions,
)
from asyncsearch.training_data.numbered_steps import numbered, steps_of_text


def converted(name: str, content: Mapping[str, Any]) -> list[TrainingSolution | Dropped]:
    return [*published_format_named(name).convert(Record(name="1", where="there", content=content))]


def one(name: str, content: Mapping[str, Any]) -> TrainingSolution:
    (solution,) = converted(name, content)
    assert isinstance(solution, TrainingSolution)
    return solution


def reason(name: str, content: Mapping[str, Any]) -> str:
    (dropped,) = converted(name, content)
    assert isinstance(dropped, Dropped)
    return dropped.reason


# MetaMath


def test_the_lines_of_metamath_are_steps() -> None:
    solution = one(
        "metamath",
        {
            "query": "Gracie and Joe are choosing numbers.",
            "response": "The distance is $\\sqrt{10}$.\nSo it is $\\boxed{\\sqrt{10}}$.\nThe answer is: \\sqrt{10}",
            "type": "MATH_AnsAug",
            "original_question": "Gracie and Joe are choosing numbers.",
        },
    )
    assert solution.steps == (
        "Step 1: The distance is $\\sqrt{10}$.",
        "Step 2: So it is $\\boxed{\\sqrt{10}}$. The answer is: \\sqrt{10}",
    )
    assert solution.answer == "\\sqrt{10}"
    assert solution.labels is None


def test_gsm8k_s_answer_inside_metamath_is_no_step() -> None:
    solution = one("metamath", {"query": "Q", "response": "She has 3.\nShe has 5 now.\n#### 5\nThe answer is: 5"})
    assert solution.steps == ("Step 1: She has 3.", "Step 2: She has 5 now. The answer is: 5")


@pytest.mark.parametrize(
    ("response", "why"),
    [
        ("She has 3.", 'it does not end in "The answer is: "'),
        ("She has 3.\nThe answer is: ", 'it does not end in "The answer is: "'),
        ("The answer is: 3", "it has no steps, only an answer"),
        ("#### 3\nThe answer is: 3", "it has no steps, only an answer"),
    ],
)
def test_what_is_no_solution_is_dropped(response: str, why: str) -> None:
    assert reason("metamath", {"query": "Q", "response": response}) == why


def test_a_blank_problem_is_dropped() -> None:
    assert reason("metamath", {"query": " ", "response": "3.\nThe answer is: 3"}) == "it has no problem"


@pytest.mark.parametrize(
    ("text", "steps"),
    [
        ("A is 1.\nB is 2.", ("A is 1.", "B is 2.")),
        ("A is 1. B is 2.", ("A is 1.", "B is 2.")),
        ("A costs 1.5 dollars. $B$ is 2.", ("A costs 1.5 dollars.", "$B$ is 2.")),
        ("A is\n\\[x\n= 2\\]\nB is 2.", ("A is \\[x = 2\\]", "B is 2.")),
        ("A is\n$$\nx\n$$\nB.", ("A is $$ x $$", "B.")),
        (
            "\\begin{align*}\nx &= 1\\\\\ny &= 2\n\\end{align*}\nB.",
            ("\\begin{align*} x &= 1\\\\ y &= 2 \\end{align*}", "B."),
        ),
        ("A.\n\n\nB.", ("A.", "B.")),
        ("", ()),
    ],
)
def test_lines_and_what_is_displayed_in_them(text: str, steps: tuple[str, ...]) -> None:
    assert steps_of_text(text) == steps


@given(st.text())
def test_steps_hold_every_word_in_order(text: str) -> None:
    assert " ".join(steps_of_text(text)).split() == text.split()


@given(st.lists(st.text(st.characters(categories=["L"]), min_size=1), min_size=1))
def test_numbering_is_not_done_twice(words: Sequence[str]) -> None:
    once = numbered(words, "7")
    assert [step.split(": ")[0] for step in once] == [f"Step {number}" for number in range(1, len(words) + 1)]
    assert numbered([step.removesuffix(" The answer is: 7") for step in once], "7") == once


# GSM8K


def test_the_calculator_s_marks_are_taken_out() -> None:
    solution = one(
        "gsm8k",
        {
            "question": "How many clips?",
            "answer": "She sold 48/2 = <<48/2=24>>24 clips.\nIn all 48+24 = <<48+24=72>>72 clips.\n#### 72",
        },
    )
    assert solution.steps == (
        "Step 1: She sold 48/2 = 24 clips.",
        "Step 2: In all 48+24 = 72 clips. The answer is: 72",
    )
    assert solution.answer == "72"


def test_gsm8k_without_its_answer_is_dropped() -> None:
    assert reason("gsm8k", {"question": "Q", "answer": "It is 3."}) == "it has no answer behind ####"


def test_another_format_is_told_from_it() -> None:
    with pytest.raises(DatasetError, match=r"has no 'question'; it has 'query', 'response': is it another format\?"):
        converted("gsm8k", {"query": "Q", "response": "R"})


# Math-Shepherd

PROBLEM = "How many slices?"
TEXT = f"{PROBLEM} Step 1: 5+8 = <<5+8=13>>13. ки\nStep 2: 78 - 6 = 72. ки\nStep 3: It is 52. The answer is: 52 ки"


def test_each_tag_has_its_label() -> None:
    label = TEXT.replace("13. ки", "13. +").replace("ки", "-")
    solution = one("math-shepherd", {"input": TEXT, "label": label, "task": "GSM8K"})
    assert solution.problem == PROBLEM
    assert solution.steps == (
        "Step 1: 5+8 = <<5+8=13>>13.",
        "Step 2: 78 - 6 = 72.",
        "Step 3: It is 52. The answer is: 52",
    )
    assert solution.labels == (1.0, 0.0, 0.0)
    assert solution.answer == "52"


def test_older_files_keep_the_tag_in_the_label() -> None:
    text = TEXT.replace("ки", "ки ?")
    label = TEXT.replace("ки", "ки +")
    solution = one("math-shepherd", {"input": text, "label": label})
    assert solution.labels == (1.0, 1.0, 1.0)
    assert solution.steps[1] == "Step 2: 78 - 6 = 72."


@pytest.mark.parametrize(
    ("text", "label", "why"),
    [
        ("Q Step 1: a", "Q Step 1: a", "it has no step tags"),
        ("Q a ки", "Q a +", 'it has no "Step 1:"'),
        ("Step 1: a ки", "Step 1: a +", "it has no problem"),
        ("Q Step 1: a ки b", "Q Step 1: a + b", "text stands behind its last step tag"),
        ("Q Step 1: a ки\nStep 2: b ки", "Q Step 1: a +", "its label is not its input with a sign for each step tag"),
        ("Q Step 1: a ки", "Q Step 1: b +", "its label is not its input with a sign for each step tag"),
        ("Q Step 1: a ки", "Q Step 1: a + -", "its label is not its input with a sign for each step tag"),
        ("Q Step 1: a ки\n ки", "Q Step 1: a +\n +", "one of its steps is blank"),
    ],
)
def test_labels_that_do_not_fit_are_dropped(text: str, label: str, why: str) -> None:
    assert reason("math-shepherd", {"input": text, "label": label}) == why


@given(st.lists(st.tuples(st.text(st.characters(categories=["L", "N"]), min_size=1), st.booleans()), min_size=1))
def test_labels_are_read_as_they_were_written(steps: list[tuple[str, bool]]) -> None:
    lines = [f"Step {number}: {text}" for number, (text, _) in enumerate(steps, 1) if "ки" not in text]
    signs = [sign for text, sign in steps if "ки" not in text]
    if not lines:
        return
    text = "Q " + "\n".join(f"{line} ки" for line in lines)
    label = "Q " + "\n".join(f"{line} {'+' if sign else '-'}" for line, sign in zip(lines, signs, strict=True))
    (read,) = converted("math-shepherd", {"input": text, "label": label})
    if lines[0] != "Step 1: " + steps[0][0]:  # the first step was left out
        return
    assert isinstance(read, TrainingSolution)
    assert read.labels == tuple(map(float, signs))


# PRM800K


def rated(text: str, rating: int | None) -> dict[str, Any]:
    return {"text": text, "rating": rating, "flagged": None}


def prm800k(*steps: Mapping[str, Any], finish: str = "solution") -> dict[str, Any]:
    return {
        "question": {"problem": "P", "ground_truth_answer": "4"},
        "label": {"steps": [*steps], "finish_reason": finish, "total_time": 1},
    }


def step(*completions: Mapping[str, Any], chosen: int | None = 0, human: str | None = None) -> dict[str, Any]:
    written = None if human is None else {"text": human, "rating": None, "source": "human"}
    return {"completions": [*completions], "chosen_completion": chosen, "human_completion": written}


def test_a_path_of_chosen_completions_is_one_solution() -> None:
    record = prm800k(step(rated("two", 1)), step(rated("and two", 0)), step(rated("is four.\n\n# Answer\n\n4", 1)))
    assert one("prm800k", record) == TrainingSolution(
        problem="P",
        steps=("Step 1: two", "Step 2: and two", "Step 3: is four. The answer is: 4"),
        labels=(1.0, 1.0, 1.0),
        answer="4",
    )


def test_alternatives_have_their_label_at_their_last_step() -> None:
    found = converted(
        "prm800k",
        prm800k(step(rated("two", 1)), step(rated("three", -1), rated("and two", 1), rated("hm", None), chosen=1)),
    )
    assert found == [
        TrainingSolution(problem="P", steps=("Step 1: two", "Step 2: three"), labels=(None, 0.0)),
        Dropped("a completion has no rating"),
        TrainingSolution(problem="P", steps=("Step 1: two", "Step 2: and two"), labels=(1.0, 1.0), answer="4"),
    ]


def test_a_mistake_ends_a_solution() -> None:
    found = converted(
        "prm800k", prm800k(step(rated("two", 1)), step(rated("three", -1), chosen=None), finish="found_error")
    )
    assert [solution.labels for solution in found if isinstance(solution, TrainingSolution)] == [(None, 0.0), (1.0,)]


def test_a_step_of_the_labeller_is_right() -> None:
    found = converted("prm800k", prm800k(step(rated("five", -1), chosen=None, human="two"), step(rated("four", 1))))
    assert found[-1] == TrainingSolution(
        problem="P", steps=("Step 1: two", "Step 2: four"), labels=(1.0, 1.0), answer="4"
    )


def test_a_bad_problem_is_dropped() -> None:
    assert reason("prm800k", prm800k(finish="bad_problem")) == "its labeller has ended with 'bad_problem'"


@given(
    st.dictionaries(
        st.sampled_from(["question", "label"]),
        st.recursive(
            st.none() | st.integers() | st.text(),
            lambda inner: (
                st.lists(inner) | st.dictionaries(st.sampled_from(["problem", "steps", "finish_reason"]), inner)
            ),
        ),
    )
)
def test_what_is_no_record_of_prm800k_says_so(content: dict[str, Any]) -> None:
    try:
        found = converted("prm800k", content)
    except DatasetError as error:
        assert "there" in str(error)  # noqa: PT017 - either is right
    else:
        assert all(isinstance(solution, Dropped) for solution in found)


# ProcessBench


@pytest.mark.parametrize(("label", "labels"), [(-1, (1.0, 1.0, 1.0)), (0, (0.0, None, None)), (1, (1.0, 0.0, None))])
def test_nothing_is_known_behind_the_first_mistake(label: int, labels: tuple[float | None, ...]) -> None:
    assert one("processbench", {"problem": "P", "steps": ["a", "b", "c"], "label": label}).labels == labels


# Leakage


def problems(*texts: str) -> list[Problem]:
    return [Problem(id=f"test-{number}", text=text) for number, text in enumerate(texts)]


TRAIN = "A train travels 360 miles in 3 hours. At the same rate, how many additional hours would it take?"


@pytest.mark.parametrize(
    ("text", "exact"),
    [
        (TRAIN, True),
        (TRAIN.upper().replace(".", "  !"), True),
        (f"Here is a riddle. {TRAIN} Explain your answer to a friend.", False),
        (TRAIN.replace("360 miles", "420 kilometres"), False),
        ("A plane flies 360 miles in 3 hours. How many more does it need?", None),
        ("A train travels", None),
        ("", None),
    ],
)
def test_leaks(text: str, exact: bool | None) -> None:
    leak = Leakage(problems("Two and two?", TRAIN)).of(text)
    assert (None if leak is None else leak.exact) == exact
    assert leak is None or leak.problem == "test-1"


def test_a_short_problem_is_found_only_where_it_is_the_same() -> None:
    leakage = Leakage(problems("What is 2 + 2?"))
    assert leakage.of("what is 2 + 2") is not None
    assert leakage.of("What is 2 + 2 + 2?") is None


def test_operators_tell_problems_apart() -> None:
    assert Leakage(problems("What is 3 + 2?")).of("What is 3 - 2?") is None


@given(st.text(), st.text())
def test_a_text_that_holds_a_problem_leaks_it(before: str, after: str) -> None:
    leak = Leakage(problems(TRAIN)).of(f"{before} {TRAIN} {after}")
    assert leak is not None
    assert leak.overlap == 1.0


@given(st.lists(st.text(), max_size=5), st.text())
def test_a_leak_is_one_of_the_problems(texts: list[str], text: str) -> None:
    leak = Leakage(problems(*texts), near=0.01).of(text)
    assert (leak is not None and leak.exact) == (text in texts) or leak is not None


def test_a_share_of_nothing_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="a share above 0 and up to 1"):
        Leakage([], near=0)


# Preparing


def gsm8k_file(path: Path, *questions: str, answer: str = "It is 3.\n#### 3") -> Path:
    path.write_text("".join(json.dumps({"question": question, "answer": answer}) + "\n" for question in questions))
    return path


def prepared(files: Sequence[Path], out: Path, preparation: Preparation, held_out: Path | None = None) -> Prepared:
    return prepare(files, published_format_named("gsm8k"), out, preparation=preparation, held_out=held_out)


def test_everything_is_kept_or_dropped_for_a_reason(tmp_path: Path) -> None:
    source = gsm8k_file(tmp_path / "train.jsonl", TRAIN, "How many?", "How many?", " ", "How much?")
    with source.open("a") as file:
        file.write('{"question": 3, "answer": "x"}\n')
    report = prepared([source], tmp_path / "out.jsonl", Preparation(tests=problems(TRAIN)))
    assert (report.records, report.kept, report.problems, report.steps) == (6, 2, 2, 2)
    assert report.dropped == {
        "its problem is one of the test problems": 1,
        "the same solution is there already": 1,
        "it has no problem": 1,
        "it is no record of gsm8k": 1,
    }
    assert report.examples["it has no problem"] == [f"{source}, record 4, line 4"]
    assert [found.problem for found in read_training_solutions(tmp_path / "out.jsonl")] == ["How many?", "How much?"]


def test_a_problem_is_on_one_side_only(tmp_path: Path) -> None:
    questions = [f"What is {number}?" for number in range(200)]
    sources = [
        gsm8k_file(tmp_path / "one.jsonl", *questions),
        gsm8k_file(tmp_path / "two.jsonl", *(question.upper() for question in questions), answer="So:\n3.\n#### 3"),
    ]
    out, aside = tmp_path / "out.jsonl", tmp_path / "aside.jsonl"
    report = prepared(sources, out, Preparation(held_out=0.25), aside)
    sides = [{solution.problem.casefold() for solution in read_training_solutions(path)} for path in (out, aside)]
    assert not sides[0] & sides[1]
    assert len(sides[0] | sides[1]) == 200
    assert report.kept + report.held_out == 400
    assert 30 <= len(sides[1]) <= 70


def test_where_nothing_is_left_nothing_is_written(tmp_path: Path) -> None:
    source = gsm8k_file(tmp_path / "train.jsonl", " ")
    with pytest.raises(DatasetError, match="nothing is left to be learned from, of 1 records; 1: it has no problem"):
        prepared([source], tmp_path / "out.jsonl", Preparation())
    assert [path.name for path in tmp_path.iterdir()] == ["train.jsonl"]


def test_what_is_written_is_read(tmp_path: Path) -> None:
    solution = TrainingSolution(problem="P", steps=("a", "b", "c"), labels=(1.0, 0.25, None), answer="4")
    (tmp_path / "one.jsonl").write_text(json.dumps(solution.to_record()))
    (read,) = read_training_solutions(tmp_path / "one.jsonl")
    assert (read.problem, read.steps, read.labels) == (solution.problem, solution.steps, solution.labels)


@pytest.mark.parametrize(
    ("record", "what"),
    [
        ({"problem": "P", "steps": ["a", "b"], "labels": [1]}, "has 1 labels for 2 steps"),
        ({"problem": "P", "steps": ["a"], "labels": [2]}, "must be a list of numbers from 0 to 1"),
        ({"problem": "P", "steps": ["a"], "labels": "+"}, "must be a list of numbers from 0 to 1"),
        ({"problem": "P", "steps": ["a"], "labels": [float("nan")]}, "must be a list of numbers from 0 to 1"),
        ({"problem": "P", "steps": [" "]}, "its solution is blank"),
        ({"problem": "P", "solutions": ["a", "b"]}, "has 2 solutions"),
        ({"steps": ["a"]}, "has no 'problem'"),
    ],
)
def test_what_cannot_be_learned_from_is_named(record: dict[str, Any], what: str, tmp_path: Path) -> None:
    path = tmp_path / "bad.jsonl"
    path.write_text(json.dumps({"problem": "P", "steps": ["a"]}) + "\n" + json.dumps(record))
    with pytest.raises(DatasetError, match=what) as caught:
        [*read_training_solutions(path)]
    assert "record 2, line 2" in str(caught.value)


def test_the_reference_s_own_fields_are_read(tmp_path: Path) -> None:
    path = tmp_path / "reference.jsonl"
    path.write_text(json.dumps({"input": "P", "output": "Step 1: a\nStep 2: b"}))
    (read,) = read_training_solutions(path)
    assert (read.problem, read.steps) == ("P", ("Step 1: a\n", "Step 2: b"))


# The command


def test_the_command_says_what_it_has_left_out(tmp_path: Path) -> None:
    source = gsm8k_file(tmp_path / "train.jsonl", TRAIN, *(f"What is {number}?" for number in range(50)))
    test = tmp_path / "test.jsonl"
    test.write_text(json.dumps({"problem": TRAIN, "answer": "3"}))
    out = tmp_path / "deep" / "out.jsonl"
    line = f"prepare gsm8k {source} --out {out} --test {test} --held-out 0.2 --report {tmp_path / 'report.json'}"
    found = command(*line.split(), cwd=tmp_path)
    assert found.returncode == 0, found.stderr
    assert "dropped: its problem is one of the test problems" in found.stdout
    assert "is the test problem 1" in found.stderr
    assert out.exists()
    assert out.with_name("out.held-out.jsonl").exists()
    report = json.loads((tmp_path / "report.json").read_text())
    assert report["kept"] + report["held_out"] == 50
    assert report["leaks"] == [{"where": f"{source}, record 1, line 1", "problem": "1", "overlap": 1.0, "exact": True}]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("gsm8q", "train.jsonl"), "unknown dataset format 'gsm8q'; did you mean 'gsm8k'?"),
        (("gsm8k", "none.jsonl"), "cannot be read"),
        (("metamath", "train.jsonl"), "has no 'query'"),
        (("gsm8k", "train.jsonl", "--held-out", "1"), "from 0 to below 1"),
        (("gsm8k", "train.jsonl", "--out", "train.jsonl"), "is to be read; name another file"),
    ],
)
def test_a_mistake_is_one_line(arguments: tuple[str, ...], said: str, tmp_path: Path) -> None:
    gsm8k_file(tmp_path / "train.jsonl", "What is 2?")
    found = command("prepare", "--out", "out.jsonl", *arguments, cwd=tmp_path)
    assert found.returncode == 2
    assert said in found.stderr
    assert found.stderr.count("\n") == 1
