from __future__ import annotations

import math
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from transformers import AutoModelForCausalLM, AutoTokenizer, PreTrainedTokenizerFast

from asyncsearch.datasets.arithmetic import bundled_model
from asyncsearch.finetune.arithmetic import Lesson, Recipe, make_bundle
from asyncsearch.finetune.policy import solution_example
from asyncsearch.finetune.reward import labelled_example, step_auc
from asyncsearch.finetune.training import IGNORED, TrainingOptions
from asyncsearch.rewards import REWARD_FORMATS

FORMAT = REWARD_FORMATS["math-shepherd"]


@pytest.fixture(scope="module")
def tokenizer() -> PreTrainedTokenizerFast:
    found = AutoTokenizer.from_pretrained(bundled_model("policy"))
    assert isinstance(found, PreTrainedTokenizerFast)
    return found


@given(st.text())
def test_any_text_survives_the_tokenizer(text: str) -> None:
    tokenizer = AutoTokenizer.from_pretrained(bundled_model("policy"))
    clean = text.encode("utf-8", "ignore").decode()
    assert tokenizer.decode(tokenizer.encode(clean)) == clean


def test_digits_are_single_tokens(tokenizer: PreTrainedTokenizerFast) -> None:
    assert [tokenizer.decode([token]) for token in tokenizer.encode("1234")] == ["1", "2", "3", "4"]


def test_the_loss_is_on_the_solution_and_its_end(tokenizer: PreTrainedTokenizerFast) -> None:
    example = solution_example(tokenizer, "A problem.\n", "Step 1: 1 + 1 = 2\n")
    learnt = [label for label in example.labels if label != IGNORED]
    assert tokenizer.decode(learnt[:-1]) == "Step 1: 1 + 1 = 2\n"
    assert learnt[-1] == tokenizer.eos_token_id
    assert len(example.tokens) == len(example.labels)


def test_each_tag_predicts_its_label(tokenizer: PreTrainedTokenizerFast) -> None:
    example = labelled_example(tokenizer, "P", ["Step 1: a", "Step 2: b", "Step 3: c"], [True, True, False], FORMAT)
    tag = tokenizer.encode(" ки")[-1]
    # transformers aligns labels with the token they stand for: what follows a tag is what it predicts.
    after = [label for token, label in zip(example.tokens, example.labels[1:], strict=False) if token == tag]
    assert [tokenizer.decode([label]) for label in after] == ["+", "+", "-"]
    assert sum(label != IGNORED for label in example.labels) == 3
    more = labelled_example(tokenizer, "P", ["Step 1: a", "Step 2: b"], [True, False], FORMAT, learn_right_steps=True)
    assert sum(label != IGNORED for label in more.labels) > 3


def test_labels_must_match_steps(tokenizer: PreTrainedTokenizerFast) -> None:
    with pytest.raises(ValueError, match="1 steps, but 2 labels"):
        labelled_example(tokenizer, "P", ["a"], [True, False], FORMAT)
    with pytest.raises(ValueError, match="no token labels"):
        labelled_example(tokenizer, "P", ["a"], [True], REWARD_FORMATS["reference-head"])


@given(st.lists(st.tuples(st.integers(0, 5), st.booleans()), min_size=2, max_size=30))
def test_auc_counts_pairs(rows: list[tuple[int, bool]]) -> None:
    right = [score for score, label in rows if label]
    wrong = [score for score, label in rows if not label]
    scores, labels = [score for score, _ in rows], [label for _, label in rows]
    if not right or not wrong:
        assert math.isnan(step_auc(scores, labels))
        return
    pairs = sum((a > b) + (a == b) / 2 for a in right for b in wrong)
    assert step_auc(scores, labels) == pytest.approx(pairs / (len(right) * len(wrong)))


def test_the_recipe_runs_at_toy_size(tmp_path: Path) -> None:
    short = TrainingOptions(steps=2, batch_size=4, warmup_steps=1)
    recipe = Recipe(
        hidden_size=64,
        intermediate_size=64,
        layers=1,
        policy=(Lesson(short, range(1, 10_000)), Lesson(short)),
        more_layers=1,
        sampled_problems=2,
        samples=2,
        worked_problems=4,
        reward=short,
    )
    make_bundle(tmp_path, recipe)
    assert (tmp_path / "test.jsonl").read_bytes() == (bundled_model("policy").parent / "test.jsonl").read_bytes()
    for role in ("policy", "reward"):
        AutoModelForCausalLM.from_pretrained(tmp_path / role)
        assert "Held out" in (tmp_path / role / "README.md").read_text()
