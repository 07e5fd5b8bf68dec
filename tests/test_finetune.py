from __future__ import annotations

import math
import random
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from transformers import AutoModelForCausalLM, AutoTokenizer, LlamaForCausalLM, PreTrainedTokenizerFast

from asyncsearch.datasets.arithmetic import Operation, bundled_model, generate_problems, label_steps, write_steps
from asyncsearch.errors import ConfigurationError
from asyncsearch.finetune.arithmetic.drills import drill_example
from asyncsearch.finetune.arithmetic.mistakes import mended, with_mistakes
from asyncsearch.finetune.arithmetic.recipe import Recipe, make_bundle
from asyncsearch.finetune.growth import deepened, freeze_below, look_back, look_for, widened
from asyncsearch.finetune.metrics import step_auc
from asyncsearch.finetune.muon import Muon
from asyncsearch.finetune.policy import solution_example
from asyncsearch.finetune.reward import compared_example, labelled_example
from asyncsearch.finetune.training import IGNORED, Example, TrainingOptions
from asyncsearch.rewards import REWARD_FORMATS

FORMAT = REWARD_FORMATS["lines"]


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


def words(tokenizer: PreTrainedTokenizerFast, tokens: Iterable[int]) -> list[str]:
    return [str(tokenizer.decode([token])) for token in tokens]


def verdicts(tokenizer: PreTrainedTokenizerFast, example: Example) -> list[tuple[str, str]]:
    """Each token that has a label, and the label."""
    labelled = [
        (token, label) for token, label in zip(example.tokens, example.labels[1:], strict=False) if label != IGNORED
    ]
    return list(
        zip(
            words(tokenizer, (token for token, _ in labelled)),
            words(tokenizer, (label for _, label in labelled)),
            strict=True,
        )
    )


def test_digits_are_single_tokens(tokenizer: PreTrainedTokenizerFast) -> None:
    assert words(tokenizer, tokenizer.encode("1234")) == ["1", "2", "3", "4"]


def test_the_loss_is_on_the_solution_and_its_end(tokenizer: PreTrainedTokenizerFast) -> None:
    example = solution_example(tokenizer, "A problem.\n", "Step 1: 1 + 1 = 2\n")
    learnt = [label for label in example.labels if label != IGNORED]
    assert tokenizer.decode(learnt[:-1]) == "Step 1: 1 + 1 = 2\n"
    assert learnt[-1] == tokenizer.eos_token_id
    assert len(example.tokens) == len(example.labels)


def test_each_tag_predicts_its_label(tokenizer: PreTrainedTokenizerFast) -> None:
    example = labelled_example(tokenizer, "P", ["Step 1: a", "Step 2: b", "Step 3: c"], [True, True, False], FORMAT)
    assert verdicts(tokenizer, example) == [("\n", "+"), ("\n", "+"), ("\n", "-")]


WORKED = ["Step 1: 40 + 2 = 42", "Step 2: 42 * 3 = 126", "Step 3: 126 + 1 = 127"]
WRITTEN = ["Step 1: 40 + 2 = 42", "Step 2: 42 * 3 = 136", "Step 3: 126 + 1 = 127"]


def test_every_token_can_be_judged(tokenizer: PreTrainedTokenizerFast) -> None:
    found = verdicts(tokenizer, compared_example(tokenizer, "P", WRITTEN, WORKED, FORMAT))
    # Of the wrong step, what follows the first wrong token is left out; the next step has a new chance.
    assert "".join(word for word, _ in found) == "PStep 1: 40 + 2 = 42\nStep 2: 42 * 3 = 13Step 3: 126 + 1 = 127\n"
    assert [place for place, (_, label) in enumerate(found) if label == "-"] == [
        len("PS40+2=42\nS42*3=13") - 1  # the other tokens are single characters
    ]


@given(st.integers(0, 10_000))
def test_mistakes_in_drills_are_single_digits_of_results(seed: int) -> None:
    (problem,) = generate_problems(1, split="train", seed=seed)
    steps = with_mistakes(problem.operations, random.Random(seed))
    for written, worked in zip(steps, write_steps(problem.operations), strict=True):
        line, right = written.splitlines()[0], worked.splitlines()[0]
        wrong = [place for place, (one, other) in enumerate(zip(line, right, strict=True)) if one != other]
        assert len(wrong) <= 1
        assert all(place > right.index("=") for place in wrong)


@given(st.integers(0, 10_000), st.data())
def test_a_mistake_is_one_in_every_solution(seed: int, data: st.DataObject) -> None:
    """After right lines, what a line is told to be is right, and what is written is right only if it is the same."""
    (problem,) = generate_problems(1, split="train", seed=seed)
    worked = data.draw(st.sampled_from(problem.solutions))
    written = with_mistakes(worked, random.Random(seed), solutions=problem.solutions)
    told = mended(written, worked, problem.solutions)
    before = write_steps(worked)
    for index in range(len(worked)):
        assert label_steps(problem, [*before[:index], told[index]])[-1]
        assert label_steps(problem, [*before[:index], written[index]])[-1] == (written[index] == told[index])


def test_mistakes_are_in_about_half_of_the_lines() -> None:
    source = random.Random(0)
    pairs = [
        pair
        for problem in generate_problems(200, split="train")
        for pair in zip(
            with_mistakes(problem.operations, source, solutions=problem.solutions),
            write_steps(problem.operations),
            strict=True,
        )
    ]
    assert 0.4 < sum(written != worked for written, worked in pairs) / len(pairs) < 0.6


STORY = "A bakery has 250 rolls. It sells 31.\nStep 1: 250 - 31 = 219\n"


@pytest.fixture
def policy() -> LlamaForCausalLM:
    return LlamaForCausalLM.from_pretrained(bundled_model("policy"), attn_implementation="eager", dtype=torch.float32)


@torch.no_grad()
def test_a_wider_model_computes_what_the_narrower_did(
    policy: LlamaForCausalLM, tokenizer: PreTrainedTokenizerFast
) -> None:
    torch.manual_seed(0)
    tokens = torch.tensor([tokenizer.encode(STORY)])
    before = policy.model(tokens).last_hidden_state
    after = widened(policy, 64).model(tokens).last_hidden_state[..., : before.shape[-1]]
    assert (torch.nn.functional.cosine_similarity(before, after, dim=-1) > 0.95).all()


@torch.no_grad()
def test_more_layers_change_nothing_at_first(policy: LlamaForCausalLM, tokenizer: PreTrainedTokenizerFast) -> None:
    tokens = torch.tensor([tokenizer.encode(STORY)])
    deeper = deepened(policy, 2)
    assert len(deeper.model.layers) == len(policy.model.layers) + 2
    assert torch.equal(deeper(tokens).logits, policy(tokens).logits)


@torch.no_grad()
def test_a_head_looks_back_by_one_token(policy: LlamaForCausalLM, tokenizer: PreTrainedTokenizerFast) -> None:
    tokens = torch.tensor([tokenizer.encode(STORY)])
    deeper = deepened(widened(policy, 64), 1)
    look_back(deeper.model.layers[-1].self_attn)
    attention = deeper(tokens, output_attentions=True).attentions[-1]
    assert (attention[0, 0].diagonal(-1) > 0.95).all()


@torch.no_grad()
def test_a_head_looks_for_what_was_predicted(policy: LlamaForCausalLM, tokenizer: PreTrainedTokenizerFast) -> None:
    tokens = torch.tensor([tokenizer.encode(STORY)])
    wider = widened(policy, 64)
    torch.manual_seed(0)
    torch.nn.init.normal_(wider.lm_head.weight)
    wanted, other = tokenizer.encode("+")[-1], tokenizer.encode("-")[-1]
    logits = wider(tokens).logits[0]
    deeper = deepened(wider, 1)
    look_for(deeper, wanted, rather_than=other)
    attention = deeper(tokens, output_attentions=True).attentions[-1]
    assert attention[0, 0, -1].argmax() == (logits[:, wanted] - logits[:, other]).argmax()


def test_freezing_leaves_the_top_to_train(policy: LlamaForCausalLM) -> None:
    freeze_below(policy, 1)
    trained = {name for name, parameter in policy.named_parameters() if parameter.requires_grad}
    top = f"model.layers.{len(policy.model.layers) - 1}."
    assert trained == {name for name, _ in policy.named_parameters() if name.startswith((top, "model.norm", "lm_head"))}


def test_muon_moves_matrices_equally_in_all_directions() -> None:
    model = torch.nn.Sequential(torch.nn.Embedding(5, 8), torch.nn.Linear(8, 4))
    before = {name: parameter.detach().clone() for name, parameter in model.named_parameters()}
    optimizer = Muon(model, lr=0.01, weight_decay=0.0)
    loss = model(torch.arange(5)).square().sum()
    loss.backward()
    optimizer.step()
    moved = {name: parameter.detach() - before[name] for name, parameter in model.named_parameters()}
    sizes = torch.linalg.svdvals(moved["1.weight"]) / (0.01 * 0.2 * math.sqrt(8))
    assert ((sizes > 0.5) & (sizes < 1.5)).all()
    # AdamW's first step has the learning rate's size wherever there is a gradient.
    assert torch.allclose(moved["0.weight"].abs(), torch.full((5, 8), 0.01), rtol=1e-2)


def test_a_drill_teaches_results_alone(tokenizer: PreTrainedTokenizerFast) -> None:
    operations = [Operation(40, "+", 2, 42), Operation(126, "/", 3, 42)]
    example = drill_example(tokenizer, operations)
    assert tokenizer.decode(list(example.tokens)) == "Step 1: 40 + 2 = 42\nStep 2: 126 / 3 = 42\n"
    assert tokenizer.decode([label for label in example.labels if label != IGNORED]) == "42\n42\n"


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
        large_layers=1,
        large_drills=5,
        large=short,
        stories=short,
        pupil_drills=5,
        pupil=short,
        policy_drills=5,
        policy=short,
        graduate_drills=5,
        graduate=short,
        expert_drills=5,
        expert=short,
        sampled_problems=1,
        samples=2,
        altered_drills=2,
        compare=short,
        judge=short,
    )
    make_bundle(tmp_path, recipe)
    assert (tmp_path / "test.jsonl").read_bytes() == (bundled_model("policy").parent / "test.jsonl").read_bytes()
    for role in ("policy", "policy-large", "reward"):
        AutoModelForCausalLM.from_pretrained(tmp_path / role)
        assert "Held out" in (tmp_path / role / "README.md").read_text()
    with pytest.raises(ConfigurationError, match="another recipe"):
        make_bundle(tmp_path, replace(recipe, seed=1))
