"""The finished model: a directory that every runtime opens."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import torch
from huggingface_hub import save_torch_state_dict
from transformers import GenerationConfig, PretrainedConfig, PreTrainedTokenizerBase

from asyncsearch.files import sync_directory
from asyncsearch.finetune.checkpoints import MODEL_FILE
from asyncsearch.finetune.heads import RewardHead

__all__ = ["merged_weights", "policy_weights", "reward_config", "reward_weights", "write_model"]

_UNFINISHED = "unfinished"
_PEFT, _BASE = "base_model.model.", ".base_layer.weight"
_TRAINED_WHOLE, _REPLACED = ".modules_to_save.default", ".original_module."
_HEAD, _SCORE = "lm_head.weight", "score.weight"
_CAUSAL, _CLASSIFIER = "ForCausalLM", "ForSequenceClassification"


def merged_weights(state: Mapping[str, torch.Tensor], *, scaling: float) -> dict[str, torch.Tensor]:
    """The weights of a model from those that peft trains: each matrix with what was learned beside it.

    This is done with the weights of all processes together, which peft's own merging cannot have where they are in
    shards. ``scaling`` is alpha through rank.
    """
    weights: dict[str, torch.Tensor] = {}
    for key, tensor in state.items():
        name = key.removeprefix(_PEFT)
        if name.endswith(_BASE):
            module = key.removesuffix(_BASE)
            down, up = state[f"{module}.lora_A.default.weight"], state[f"{module}.lora_B.default.weight"]
            learned = (up.float() @ down.float()) * scaling
            weights[f"{name.removesuffix(_BASE)}.weight"] = (tensor.float() + learned).to(tensor.dtype)
        elif _TRAINED_WHOLE in name:
            weights[name.replace(_TRAINED_WHOLE, "")] = tensor
        elif not any(part in name for part in (".lora_", _REPLACED)):
            weights[name.replace(".base_layer.", ".")] = tensor  # a bias beside such a matrix
    return weights


def policy_weights(state: Mapping[str, torch.Tensor], *, tied: bool) -> dict[str, torch.Tensor]:
    """A policy's weights; a head that is tied to the embeddings is not written a second time."""
    return {name: tensor for name, tensor in state.items() if not (tied and name == _HEAD)}


def reward_weights(
    state: Mapping[str, torch.Tensor],
    head: RewardHead,
    *,
    language_head: torch.Tensor | None,
    labels: tuple[int, int] | None,
) -> dict[str, torch.Tensor]:
    """A reward model's weights as they are served.

    Rows of labels go back into the language head. Of others the weighted sum is linear too: it is the one row of a
    sequence classifier, which an unmodified SGLang serves; the sigmoid is the client's.
    """
    weights = {name: tensor for name, tensor in state.items() if name != _HEAD}
    rows = state[_HEAD]
    if head.of_labels:
        assert language_head is not None
        assert labels is not None
        weights[_HEAD] = language_head.to(rows.device, rows.dtype).clone()
        weights[_HEAD][[*labels]] = rows
    else:
        combination = torch.tensor([head.weights], dtype=torch.float64, device=rows.device)
        weights[_SCORE] = (combination @ rows.double()).to(rows.dtype)
    return weights


def reward_config(config: PretrainedConfig, head: RewardHead, *, architecture: str, format: str) -> None:
    """Say in a model's configuration what it has become, and how it is to be prompted."""
    config.reward_format = format
    config.tie_word_embeddings = False
    if head.of_labels:
        config.architectures = [architecture]
    else:
        config.architectures = [f"{architecture.removesuffix(_CAUSAL)}{_CLASSIFIER}"]
        config.id2label, config.label2id = {0: "LABEL_0"}, {"LABEL_0": 0}


def write_model(
    directory: Path,
    *,
    weights: Mapping[str, torch.Tensor],
    config: PretrainedConfig,
    tokenizer: PreTrainedTokenizerBase,
    generation: GenerationConfig | None,
    dtype: torch.dtype,
) -> None:
    """Write a model into a directory so that it is one when all of it is there, and not before.

    Raises:
        OSError: it cannot be written.
    """
    unfinished = directory / _UNFINISHED
    unfinished.mkdir(exist_ok=True)
    config.dtype = dtype
    converted = {
        name: tensor.detach().to("cpu", dtype if tensor.is_floating_point() else tensor.dtype).contiguous()
        for name, tensor in weights.items()
    }
    save_torch_state_dict(converted, unfinished)
    tokenizer.save_pretrained(unfinished)
    if generation is not None:
        generation.save_pretrained(unfinished)
    config.save_pretrained(unfinished)
    mode = (unfinished / MODEL_FILE).stat().st_mode
    for file in sorted(unfinished.iterdir(), key=lambda file: file.name == MODEL_FILE):
        with file.open("rb") as written:
            os.fsync(written.fileno())
        file.chmod(mode)  # weights are written for their owner alone
        file.replace(directory / file.name)
    unfinished.rmdir()
    sync_directory(directory)
