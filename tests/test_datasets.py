from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asyncsearch.datasets import load_problems
from asyncsearch.datasets.arithmetic import TEST_SIZE, bundled_model, generate_problems, label_steps, write_steps
from asyncsearch.errors import ConfigurationError, DatasetError
from asyncsearch.format import FORMATS
from asyncsearch.problem import Problem


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
        (['{"problem": 3}'], "line 1: 'problem' must be a text, not 3"),
        (['{"problem": "a", "id": 2}', '{"problem": "b"}'], "a record without an id has its number"),
        (['{"problem": "a", "answer": [1]}'], "line 1: 'answer' must be a text or a number"),
        (['{"problem": "a", "id": 1}', '{"problem": "b", "id": "1"}'], "line 2: the id '1' is that of line 1 too"),
        ([""], "holds no problems"),
    ],
)
def test_what_is_wrong_with_a_file_is_named(tmp_path: Path, lines: list[str], message: str) -> None:
    with pytest.raises(DatasetError, match=message):
        load_problems(write(tmp_path / "bad.jsonl", *lines))


def test_levels_and_subjects_are_kept(tmp_path: Path) -> None:
    file = write(
        tmp_path / "math.jsonl",
        '{"problem": "a", "solution": "so \\\\boxed{\\\\frac{1}{2}}.", "level": "Level 2", "type": "Algebra"}',
        '{"problem": "b", "solution": "no box", "level": 3, "subject": ["x"]}',
        '{"Question": "c", "Answer": 204, "ID": "2024-I-4", "difficulty": null}',
    )
    assert load_problems(file) == [
        Problem(id="1", text="a", answer="\\frac{1}{2}", level="Level 2", subject="Algebra"),
        Problem(id="2", text="b", level="3"),
        Problem(id="2024-I-4", text="c", answer="204"),
    ]


def test_fields_may_have_other_names(tmp_path: Path) -> None:
    file = write(tmp_path / "a.jsonl", '{"prompt": "a", "target": "1", "answer": "2", "key": 7, "topic": "t"}')
    fields = {"problem": "prompt", "answer": "target", "id": "key", "subject": "topic"}
    assert load_problems(file, fields=fields) == [Problem(id="7", text="a", answer="1", subject="t")]
    with pytest.raises(DatasetError, match="line 1: has no 'text'; it has 'prompt', 'target'"):
        load_problems(file, fields={"problem": "text"})
    with pytest.raises(DatasetError, match=r"'key' must be a text or a number, not \['x'\]"):
        load_problems(write(tmp_path / "b.jsonl", '{"problem": "a", "key": ["x"]}'), fields={"level": "key"})
    with pytest.raises(ConfigurationError, match="a problem has no 'anser'; did you mean 'answer'"):
        load_problems(file, fields={"anser": "target"})


def test_a_list_in_a_file_and_files_in_a_directory(tmp_path: Path) -> None:
    listed = write(tmp_path / "list.json", '[{"problem": "a"},', ' {"problem": "b"}]')
    assert [problem.id for problem in load_problems(listed)] == ["1", "2"]
    directory = tmp_path / "MATH"
    (directory / "algebra").mkdir(parents=True)
    for number in (10, 9):
        write(directory / "algebra" / f"{number}.json", "{", f'"problem": "{number}"', "}")
    write(directory / "more.jsonl", '{"problem": "c"}')
    (directory / "notes.txt").write_text("no problem")
    assert [problem.id for problem in load_problems(directory)] == ["algebra/9.json", "algebra/10.json", "more.jsonl:1"]
    write(directory / "algebra" / "11.json", "{", '"problem": "x",')
    with pytest.raises(DatasetError, match=r"MATH/algebra/11.json: not valid JSON: .*, at line 2, character"):
        load_problems(directory)
    write(directory / "algebra" / "11.json", "[1]")
    with pytest.raises(DatasetError, match=r"MATH/algebra/11.json, record 1: must be a JSON object"):
        load_problems(directory)


def test_a_dataset_of_the_hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By the library that fetches it, from a directory that it takes for one."""
    monkeypatch.setenv("HF_DATASETS_CACHE", str(tmp_path / "cache"))
    directory = tmp_path / "owner" / "name"
    directory.mkdir(parents=True)
    write(directory / "test.jsonl", '{"question": "a", "answer": "#### 1"}', '{"question": "b", "answer": "2"}')
    write(directory / "train.jsonl", '{"question": "c", "answer": "3"}')
    monkeypatch.chdir(tmp_path)
    assert load_problems("hf:owner/name", limit=1) == [Problem(id="1", text="a", answer="1")]
    assert load_problems("hf:owner/name@train") == [Problem(id="1", text="c", answer="3")]
    with pytest.raises(DatasetError, match=r"hf:owner/name@dev: Hugging Face datasets cannot get owner/name: .*dev"):
        load_problems("hf:owner/name@dev")
    with pytest.raises(DatasetError, match="names no dataset"):
        load_problems("hf:")


def test_a_hub_that_is_out_of_reach_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    import datasets.config

    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", True)
    with pytest.raises(
        DatasetError, match=r"gsm8k: Hugging Face datasets cannot get openai/gsm8k: .*the path of a file"
    ) as raised:
        load_problems("gsm8k")
    assert "\n" not in str(raised.value)


def test_a_missing_file_is_named() -> None:
    with pytest.raises(DatasetError, match=r"nowhere\.jsonl: no such file.*arithmetic"):
        load_problems("nowhere.jsonl")


def test_the_bundled_problems_are_the_test_split() -> None:
    bundled = load_problems("arithmetic")
    made = list(generate_problems(TEST_SIZE, split="test"))
    assert len(bundled) == TEST_SIZE
    assert [(problem.text, problem.answer) for problem in bundled] == [(one.problem, one.answer) for one in made]


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
