"""Reward models of other families in this process: their heads, on random weights, against the plain computation."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import nn
from transformers import AutoTokenizer, LlamaConfig, LlamaForSequenceClassification, Qwen2Config, Qwen2ForCausalLM

from asyncsearch.rewards import RewardFormat, recognise_reward_format
from runtimes.base import Request, Result, RuntimeFailure, ScoreRequest, ScoreResult
from runtimes.local import LocalRuntime

pytestmark = pytest.mark.anyio

STEPS = ("Step 1: 1 + 1 = 2", "Step 2: 2 + 2 = 4")
HIDDEN = 64
SHAPE: dict[str, Any] = {
    "hidden_size": HIDDEN,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 1,
    "num_key_value_heads": 1,
    "head_dim": 64,
    "max_position_embeddings": 256,
}


async def score(directory: Path) -> tuple[RewardFormat, ScoreRequest, tuple[float, ...]]:
    """What a model is recognised as, and how it scores two steps."""
    outcomes: list[Result | RuntimeFailure] = []

    def deliver(_: Request, outcome: Result | RuntimeFailure) -> None:
        outcomes.append(outcome)

    async with LocalRuntime(directory) as runtime:
        format = recognise_reward_format("auto", runtime.capabilities)
        first = format.extend(format.opening_for("What is 1 + 1 + 2?"), STEPS[0], first=True)
        request = ScoreRequest(reads=(first, format.extend(first, STEPS[1], first=False)), readout=format.readout)
        await runtime.score([request], deliver)
    (result,) = outcomes
    assert isinstance(result, ScoreResult)
    return format, request, result.scores


def make_qwen(
    directory: Path, tokenizer_of: Path, head: nn.Module, *, architecture: str, rename: Callable[[str], str]
) -> Qwen2ForCausalLM:
    """Save a Qwen2 with a reward head in the place of its vocabulary's, under the names of some family."""
    torch.manual_seed(0)
    tokenizer = AutoTokenizer.from_pretrained(tokenizer_of)
    tokenizer.add_special_tokens({"additional_special_tokens": ["<extra_0>", "<|im_start|>", "<|im_end|>"]})
    model = Qwen2ForCausalLM(Qwen2Config(vocab_size=len(tokenizer), tie_word_embeddings=False, **SHAPE))
    model.save_pretrained(directory)
    tokenizer.save_pretrained(directory)
    weights = {rename(name): tensor for name, tensor in load_file(directory / "model.safetensors").items()}
    weights.pop(rename("lm_head.weight"))
    weights |= {name: tensor.contiguous() for name, tensor in head.state_dict().items()}
    save_file(weights, directory / "model.safetensors", metadata={"format": "pt"})
    config = json.loads((directory / "config.json").read_text())
    (directory / "config.json").write_text(json.dumps({**config, "architectures": [architecture]}))
    return model


async def test_two_labels_after_a_special_token(tmp_path: Path, policy_directory: Path) -> None:
    """Qwen2.5-Math-PRM: two layers on every state, softmax over two labels at <extra_0>."""
    head = nn.Sequential()
    head.add_module("score", nn.Sequential(nn.Linear(HIDDEN, HIDDEN), nn.ReLU(), nn.Linear(HIDDEN, 2)))
    make = make_qwen(
        tmp_path, policy_directory, head, architecture="Qwen2ForProcessRewardModel", rename=lambda name: name
    )
    format, request, scores = await score(tmp_path)
    assert format.name == "qwen2.5-math-prm"
    tokenizer = AutoTokenizer.from_pretrained(tmp_path)
    tokens = tokenizer(request.prefix.full_text(), return_tensors="pt", add_special_tokens=False)["input_ids"]
    tags = tokens[0] == tokenizer.convert_tokens_to_ids("<extra_0>")
    assert tags.sum() == 2
    with torch.inference_mode():
        labels = head(make.model(tokens).last_hidden_state).softmax(dim=-1)
    assert scores == pytest.approx(labels[0, tags, 1].tolist(), abs=1e-5)


async def test_a_value_head_at_line_breaks(tmp_path: Path, policy_directory: Path) -> None:
    """Skywork-o1-Open-PRM: a linear layer with a bias beside a model whose names have a prefix."""
    head = nn.Sequential()
    head.add_module("v_head", nn.Sequential())
    head.get_submodule("v_head").add_module("summary", nn.Linear(HIDDEN, 1))
    model = make_qwen(
        tmp_path,
        policy_directory,
        head,
        architecture="Qwen2ForPrmModel",
        rename=lambda name: f"pretrained_model.{name}",
    )
    format, request, scores = await score(tmp_path)
    assert format.name == "skywork"
    tokenizer = AutoTokenizer.from_pretrained(tmp_path)
    (line_break,) = tokenizer.encode("\n")
    tokens = tokenizer.encode("What is 1 + 1 + 2?\n")
    ends = []
    for step in STEPS:
        tokens += [*tokenizer.encode(step), line_break]
        ends.append(len(tokens) - 1)
    with torch.inference_mode():
        values = head(model.model(torch.tensor([tokens])).last_hidden_state).sigmoid()
    assert scores == pytest.approx(values[0, ends, 0].tolist(), abs=1e-5)
    assert request.prefix.full_text().endswith("What is 1 + 1 + 2?\n" + "\n".join(STEPS) + "\n")


async def test_a_sequence_classifier(tmp_path: Path, policy_directory: Path) -> None:
    """An outcome reward model of transformers' own kind."""
    torch.manual_seed(0)
    tokenizer = AutoTokenizer.from_pretrained(policy_directory)
    config = LlamaConfig(vocab_size=len(tokenizer), pad_token_id=tokenizer.pad_token_id, **SHAPE)
    config.num_labels = 1
    model = LlamaForSequenceClassification(config)
    model.save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    format, request, scores = await score(tmp_path)
    assert format.name == "classifier"
    expected = []
    for read in request.reads:
        with torch.inference_mode():
            logits = model(tokenizer(read.full_text(), return_tensors="pt")["input_ids"]).logits
        expected.append(logits.sigmoid().item())
    assert scores == pytest.approx(expected, abs=1e-5)
