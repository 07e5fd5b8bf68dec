from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asyncsearch.datasets import load_problems
from asyncsearch.datasets.arithmetic import TEST_SIZE, bundled_model, generate_problems, label_steps, write_steps
from asyncsearch.errors import ConfigurationError, DatasetError
from asyncsearch.format import FORMATS, Format


def write(path: Path, *lines: str) -> Path:
    path.write_text("\n".join(lines))
    return path


def test_fields_of_the_known_datasets(tmp_path: Path) -> None:
    file = write(
        tmp_path / "mixed.jsonl",
        '{"problem": "a", "answer": "1", "level": "Level 2"}',
        "",
        '{"question": "b", "answer": "2 + 2 = 4\\n#### 1,234", "unique_id": "u"}',
        '{"problem": "c", "answer": 7, "id": 12}',
        '{"problem": "d"}',
    )
    found = [(problem.id, problem.text, problem.answer) for problem in load_problems(file)]
    assert found == [("1", "a", "1"), ("u", "b", "1,234"), ("12", "c", "7"), ("5", "d", None)]
    assert len(load_problems(file, limit=2)) == 2
    file.write_bytes(b'\xef\xbb\xbf{"problem": "a", "answer": " "}')
    assert [problem.answer for problem in load_problems(file)] == [None], "a blank reference is none"


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (['{"problem": "a"}', "{"], "line 2: not valid JSON: .*, at character 2$"),
        (['{"problem": "a"}', "[1]"], "line 2: must be a JSON object"),
        (['{"text": "a"}'], "line 1: has no 'problem'.*it has 'text'"),
        (['{"problem": 3}'], "line 1: the problem must be a text, not 3"),
        (['{"problem": "a", "id": 2}', '{"problem": "b"}'], "a line without an id has its number"),
        (['{"problem": "a", "answer": [1]}'], "line 1: 'answer' must be a text or a number"),
        (['{"problem": "a", "id": 1}', '{"problem": "b", "id": "1"}'], "line 2: the id '1' is that of line 1 too"),
        ([""], "holds no problems"),
    ],
)
def test_what_is_wrong_with_a_file_is_named(tmp_path: Path, lines: list[str], message: str) -> None:
    with pytest.raises(DatasetError, match=message):
        load_problems(write(tmp_path / "bad.jsonl", *lines))


def test_a_missing_file_is_named() -> None:
    with pytest.raises(DatasetError, match=r"nowhere\.jsonl: no such file.*arithmetic"):
        load_problems("nowhere.jsonl")


def test_the_bundled_problems_are_the_test_split() -> None:
    bundled = load_problems("arithmetic")
    made = list(generate_problems(TEST_SIZE, split="test"))
    assert len(bundled) == TEST_SIZE
    assert [(problem.text, problem.answer) for problem in bundled] == [(one.problem, one.answer) for one in made]


@given(st.lists(st.from_regex(r"[a-c ]*[a-c]", fullmatch=True), min_size=1), st.sampled_from(["\n\n", ";", "{step"]))
def test_a_separator_belongs_to_the_step_before(steps: list[str], separator: str) -> None:
    format = Format(name="f", prompt="{problem}", step_start=separator, answer_marker="x")
    text = separator.join(steps)
    assert format.split_steps(text) == (*(f"{step}{separator}" for step in steps[:-1]), steps[-1])
    assert format.stop_before(7) == format.separator == separator
    assert format.split_steps(f"{separator}{text}")[1:] == format.split_steps(text)[1:], "none before the first step"


def test_braces_in_a_prompt_are_braces() -> None:
    format = Format(name="f", prompt="Put it in \\boxed{}.\n{problem}", step_start="{step}. {}", answer_marker="x")
    assert format.prompt_for("{0}") == "Put it in \\boxed{}.\n{0}"
    assert format.stop_before(2) == "2. {}"
    with pytest.raises(ConfigurationError, match=r"has no \{problem\}"):
        Format(name="f", prompt="no place", step_start="a", answer_marker="x")
    with pytest.raises(ConfigurationError, match="step_start is empty"):
        Format(name="f", prompt="{problem}", step_start="", answer_marker="x")


def test_no_training_problem_is_a_test_problem() -> None:
    test = {problem.text for problem in load_problems("arithmetic")}
    assert not test & {problem.problem for problem in generate_problems(5000, split="train")}


@given(st.integers(0, 10**6))
def test_worked_solutions_are_right(seed: int) -> None:
    (problem,) = generate_problems(1, split="train", seed=seed)
    results = {"+": int.__add__, "-": int.__sub__, "*": int.__mul__, "/": int.__floordiv__}
    assert len(set(problem.solutions)) == len(problem.solutions)
    for operations in problem.solutions:
        for operation in operations:
            assert operation.result == results[operation.symbol](operation.left, operation.right)
            assert operation.symbol != "/" or operation.left % operation.right == 0
            assert operation.result >= 0
        assert str(operations[-1].result) == problem.answer
        steps = write_steps(operations)
        assert FORMATS["steps"].split_steps("".join(steps)) == steps
        assert label_steps(problem, steps) == [True] * len(steps)


def test_most_problems_have_several_solutions() -> None:
    problems = list(generate_problems(TEST_SIZE, split="test"))
    assert sum(len(problem.solutions) > 1 for problem in problems) > TEST_SIZE / 2


@given(st.integers(0, 1000), st.data())
def test_everything_after_a_wrong_step_is_wrong(seed: int, data: st.DataObject) -> None:
    (problem,) = generate_problems(1, split="train", seed=seed)
    steps = list(write_steps(data.draw(st.sampled_from(problem.solutions))))
    wrong = data.draw(st.integers(0, len(steps) - 1))
    steps[wrong] = steps[wrong].replace("= ", "= 1")
    assert label_steps(problem, steps) == [index < wrong for index in range(len(steps))]


@given(st.integers(0, 1000), st.data())
def test_solutions_do_not_mix(seed: int, data: st.DataObject) -> None:
    """Of one solution's beginning and another's end only what a third solution begins with is right."""
    (problem,) = generate_problems(1, split="train", seed=seed)
    texts = [write_steps(operations) for operations in problem.solutions]
    one, other = data.draw(st.sampled_from(texts)), data.draw(st.sampled_from(texts))
    cut = data.draw(st.integers(0, len(one)))
    mixed = [*one[:cut], *other[cut:]]
    expected = [any(mixed[: end + 1] == list(text[: end + 1]) for text in texts) for end in range(len(mixed))]
    assert label_steps(problem, mixed) == expected


def test_what_ships_is_small_and_described() -> None:
    files = [file for role in ("policy", "reward") for file in bundled_model(role).iterdir()]
    assert sum(file.stat().st_size for file in files) < 12 * 2**20
    names = {file.name for file in files}
    assert "README.md" in names
    assert not {name for name in names if name.endswith((".bin", ".pt", ".pkl"))}


@pytest.mark.parametrize(
    ("text", "first", "steps"),
    [
        ("Step 1: a\nStep 2: b\n", 1, ("Step 1: a\n", "Step 2: b\n")),
        ("Step 3: see Step 2\nStep 4: b", 3, ("Step 3: see Step 2\n", "Step 4: b")),
        ("no steps at all", 1, ("no steps at all",)),
        ("", 1, ("",)),
        ("Step 2: begins late\nStep 3: x", 1, ("Step 2: begins late\n", "Step 3: x")),
    ],
)
def test_splitting_into_steps(text: str, first: int, steps: tuple[str, ...]) -> None:
    assert FORMATS["steps"].split_steps(text, first=first) == steps


@given(st.lists(st.sampled_from(["Step 1", "Step 2", "Step 3", "\n", "x"])).map("".join), st.integers(1, 3))
def test_steps_joined_give_the_text_again(text: str, first: int) -> None:
    assert "".join(FORMATS["steps"].split_steps(text, first=first)).strip() == text.strip()


@pytest.mark.parametrize(
    ("text", "cut", "states"),
    [
        ("The answer is: 4", False, True),
        ("The answer is: 4", True, False),  # perhaps the beginning of 42
        ("The answer is: 42\n", True, True),
        ("no answer", False, False),
    ],
)
def test_an_answer_that_may_be_cut_off_is_none(text: str, cut: bool, states: bool) -> None:
    assert FORMATS["steps"].states_answer(text, cut=cut) is states
