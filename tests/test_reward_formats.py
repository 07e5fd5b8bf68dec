"""How each family of reward models is prompted, written out, and how it is recognised."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asyncsearch.errors import ConfigurationError
from asyncsearch.rewards import REWARD_FORMATS, recognise_reward_format
from runtimes.base import Capabilities, HeadLabel, HeadMean, Prefix, TokenLabels

WORD_TAGS = ("math-shepherd", "reference-head", "qwen2.5-math-prm")


def tag_of(name: str) -> str:
    return "".join(piece.text for piece in REWARD_FORMATS[name].tag)


@pytest.mark.parametrize("name", WORD_TAGS)
@given(text=st.text(alphabet="ки \na<extr_0>"), first=st.booleans())
def test_a_policy_cannot_write_the_tag_itself(name: str, text: str, first: bool) -> None:
    step = REWARD_FORMATS[name].step_text(text, first=first)
    assert step.count(tag_of(name).strip()) == 1
    assert step.endswith(tag_of(name))


def test_a_tag_of_white_space_may_stand_inside_a_step() -> None:
    format = REWARD_FORMATS["lines"]
    assert format.opening_text("2 + 2?") == "2 + 2?\n"
    assert format.step_text(" Step 1: 4\nThe answer is: 4", first=True) == "Step 1: 4\nThe answer is: 4\n"


USER = "<|start_header_id|>user<|end_header_id|>\n\n"
ASSISTANT = "<|eot_id|><|start_header_id|>assistant<|end_header_id|>\n\n"
SYSTEM = "<|begin_of_text|><|start_header_id|>system<|end_header_id|>\n\n" + (
    "Cutting Knowledge Date: December 2023\nToday Date: 26 Jul 2024\n\n<|eot_id|>"
)
QWEN = "<|im_start|>system\nPlease reason step by step, and put your final answer within \\boxed{}.<|im_end|>\n" + (
    "<|im_start|>user\nQ{1}<|im_end|>\n<|im_start|>assistant\n"
)

# format, the whole text of a problem "Q{1}" with the steps "one" and "two", readout
TEXTS = [
    ("math-shepherd", "Q{1} one ки\ntwo ки", TokenLabels),
    ("reference-head", "Q{1} one ки\ntwo ки", HeadMean),
    ("lines", "Q{1}\none\ntwo\n", TokenLabels),
    ("rlhflow", f"{SYSTEM}{USER}Q{{1}} one{ASSISTANT}+<|eot_id|>{USER}two{ASSISTANT}", TokenLabels),
    ("qwen2.5-math-prm", f"{QWEN}one<extra_0>two<extra_0>", HeadLabel),
    ("skywork", "\x02beginning of sequence\x03Q{1}\none\ntwo\n", HeadMean),
    ("classifier", "Q{1}\none\ntwo", HeadMean),
]


@pytest.mark.parametrize(("name", "text", "readout"), TEXTS)
def test_what_each_family_reads(name: str, text: str, readout: type) -> None:
    format = REWARD_FORMATS[name]
    prefix = format.opening_for("Q{1}")
    assert isinstance(prefix, Prefix)
    prefix = format.extend(prefix, " one\n", first=True)
    prefix = format.extend(prefix, "two", first=False)
    assert prefix.full_text() == text
    assert isinstance(format.readout, readout)
    assert {one for one, *_ in TEXTS} == set(REWARD_FORMATS)


@pytest.mark.parametrize("name", ["rlhflow", "qwen2.5-math-prm", "skywork"])
def test_only_markup_can_hold_special_tokens(name: str) -> None:
    format = REWARD_FORMATS[name]
    prefix = format.extend(format.opening_for("<|eot_id|>"), "<|im_end|>", first=True)
    for segment in prefix.segments():
        assert not segment.markup or segment.text not in ("<|eot_id|>", "<|im_end|>")
    plain = [segment.text for segment in prefix.segments() if not segment.markup]
    assert "<|im_end|>" in plain[0]
    assert "<|eot_id|>" in plain[1]


# model, architecture, rows, what it says of itself, format
MODELS = [
    ("peiyi9979/math-shepherd-mistral-7b-prm", "MistralForCausalLM", 32000, None, "math-shepherd"),
    ("RLHFlow/Llama3.1-8B-PRM-Deepseek-Data", "LlamaForCausalLM", 128256, None, "rlhflow"),
    ("Qwen/Qwen2.5-Math-PRM-7B", "Qwen2ForProcessRewardModel", 2, None, "qwen2.5-math-prm"),
    ("Skywork/Skywork-o1-Open-PRM-Qwen-2.5-1.5B", "Qwen2ForPrmModel", 1, None, "skywork"),
    ("/models/llemma", "LlamaForCausalLM", 2, None, "reference-head"),
    ("/models/converted", "LlamaForSequenceClassification", 1, "reference-head", "reference-head"),
    ("/models/orm", "LlamaForSequenceClassification", 1, None, "classifier"),
    ("/models/arithmetic", "LlamaForCausalLM", 513, "lines", "lines"),
]


def capabilities(model: str, architecture: str, rows: int, named: str | None) -> Capabilities:
    return Capabilities(
        model=model,
        honours_seeds=True,
        aborts=True,
        largest_batch=1,
        output_rows=rows,
        reward_format=named,
        architecture=architecture,
    )


@pytest.mark.parametrize(("model", "architecture", "rows", "named", "name"), MODELS)
def test_families_are_recognised(model: str, architecture: str, rows: int, named: str | None, name: str) -> None:
    assert recognise_reward_format("auto", capabilities(model, architecture, rows, named)).name == name


def test_a_format_must_fit_the_models_output() -> None:
    with pytest.raises(ConfigurationError, match="its output has 2 rows"):
        recognise_reward_format("math-shepherd", capabilities("m", "LlamaForCausalLM", 2, None))
    with pytest.raises(ConfigurationError, match="its output has 32000 rows"):
        recognise_reward_format("skywork", capabilities("m", "LlamaForCausalLM", 32000, None))
    with pytest.raises(ConfigurationError, match=r"/models/anything is to be prompted cannot be told"):
        recognise_reward_format("auto", capabilities("/models/anything", "LlamaForCausalLM", 32000, None))
    with pytest.raises(ConfigurationError, match="unknown reward format 'best'"):
        recognise_reward_format("best", capabilities("m", "LlamaForCausalLM", 2, None))
    with pytest.raises(ConfigurationError, match="use --reward local:DIRECTORY"):
        recognise_reward_format("auto", capabilities("m", "Qwen2ForProcessRewardModel", 1, None))
