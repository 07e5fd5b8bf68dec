"""The heads of reward models, which stand where a language model has its vocabulary's."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import safe_open
from torch import nn

__all__ = ["LANGUAGE_HEAD", "base_key_mapping", "head_rows", "read_reward_head", "tensor_files"]

LANGUAGE_HEAD = "lm_head.weight"
_SCORE = "score.weight"  # transformers' sequence classifiers
_SCORE_LAYERS = ("score.0.weight", "score.0.bias", "score.2.weight", "score.2.bias")  # Qwen2.5-Math-PRM
_VALUE = ("v_head.summary.weight", "v_head.summary.bias")  # Skywork-o1-Open-PRM
_VALUE_BASE = "pretrained_model."


def tensor_files(directory: Path) -> dict[str, Path]:
    """The file of each tensor in a model's directory; empty where there are no weights in safetensors."""
    index = directory / "model.safetensors.index.json"
    if index.is_file():
        return {name: directory / file for name, file in json.loads(index.read_text())["weight_map"].items()}
    file = directory / "model.safetensors"
    if not file.is_file():
        return {}
    with safe_open(file, framework="pt") as weights:
        return dict.fromkeys(weights.keys(), file)


def base_key_mapping(files: Mapping[str, Path]) -> dict[str, str] | None:
    """How the names of the base's tensors become those of a causal language model; None where they are."""
    return {rf"^{_VALUE_BASE}": ""} if any(name.startswith(_VALUE_BASE) for name in files) else None


def read_reward_head(files: Mapping[str, Path], *, vocabulary_size: int) -> nn.Module | None:
    """A reward model's head, from hidden states to its rows; None for a language model."""

    def tensor(name: str) -> torch.Tensor:
        with safe_open(files[name], framework="pt") as weights:
            read: torch.Tensor = weights.get_tensor(name)
            return read

    if all(name in files for name in _SCORE_LAYERS):
        first, first_bias, second, second_bias = map(tensor, _SCORE_LAYERS)
        return nn.Sequential(_linear(first, first_bias), nn.ReLU(), _linear(second, second_bias))
    if all(name in files for name in _VALUE):
        return _linear(*map(tensor, _VALUE))
    if _SCORE in files:
        return _linear(tensor(_SCORE))
    if LANGUAGE_HEAD in files:
        with safe_open(files[LANGUAGE_HEAD], framework="pt") as weights:
            rows = weights.get_slice(LANGUAGE_HEAD).get_shape()[0]
        # The REBASE reference's has two rows.
        return None if rows == vocabulary_size else _linear(tensor(LANGUAGE_HEAD))
    return None


def head_rows(head: nn.Module) -> int:
    """How many outputs a head has."""
    last = [module for module in head.modules() if isinstance(module, nn.Linear)][-1]
    return last.out_features


def _linear(weight: torch.Tensor, bias: torch.Tensor | None = None) -> nn.Linear:
    layer = nn.Linear(weight.shape[1], weight.shape[0], bias=bias is not None, dtype=weight.dtype)
    layer.weight = nn.Parameter(weight, requires_grad=False)
    if bias is not None:
        layer.bias = nn.Parameter(bias, requires_grad=False)
    return layer
