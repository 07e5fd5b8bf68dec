"""Larger models that begin by computing what a smaller one does (Net2Net, Chen et al., arXiv 1511.05641)."""

from __future__ import annotations

import copy
import math
from typing import Any

import torch
from transformers import LlamaConfig, LlamaForCausalLM
from transformers.models.llama.modeling_llama import LlamaAttention

__all__ = ["deepened", "freeze_below", "look_back", "look_for", "widened"]

_IDENTITY = 1.3  # of a token's own vector in the new dimensions, relative to its embedding
_AMPLIFICATION = 25.0
_FREQUENCIES = 16  # of the rotary embedding, the fast half: they tell neighbours apart
_SHARPNESS = 8.0
_CARRIED = 0.3


@torch.no_grad()
def widened(model: LlamaForCausalLM, dimensions: int) -> LlamaForCausalLM:
    """Add dimensions in which each token keeps a random vector of its own, so that layers on top can see it.

    What a token is fades in a trained model's residual stream: the layers need the room for what comes next. No
    layer reads or writes the new dimensions, so the model goes on as it was, but for the small change that the
    vectors make in what norms divide by. The output head is empty, for the model is to say something else.
    """
    config = copy.deepcopy(model.config)
    old, new = config.hidden_size, config.hidden_size + dimensions
    config.hidden_size = new
    config.attention_bias = True  # for `look_back`
    config.tie_word_embeddings = False
    larger, weights = _empty(config)
    # The new dimensions add to the mean square that norms divide by; only the first norm sees so little beside
    # them that it matters.
    narrow = math.sqrt(old / new)
    for name, weight in model.state_dict().items():
        weights[name][tuple(slice(size) for size in weight.shape)] = weight
        if name == "model.layers.0.input_layernorm.weight":
            weights[name].mul_(narrow * math.hypot(1, _IDENTITY))
        elif name.endswith("norm.weight"):
            weights[name].mul_(narrow)
    embeddings = weights["model.embed_tokens.weight"]
    directions = torch.nn.functional.normalize(torch.randn(len(embeddings), dimensions))
    embeddings[:, old:] = directions * embeddings.norm(dim=1, keepdim=True) * _IDENTITY
    weights["model.norm.weight"][old:] = _AMPLIFICATION
    weights["lm_head.weight"].zero_()
    return larger


@torch.no_grad()
def deepened(model: LlamaForCausalLM, layers: int) -> LlamaForCausalLM:
    """Add layers on top that read what the output head reads and, at first, add nothing to it."""
    config = copy.deepcopy(model.config)
    config.num_hidden_layers += layers
    larger = LlamaForCausalLM(config)
    larger.load_state_dict(model.state_dict(), strict=False)
    for layer in larger.model.layers[model.config.num_hidden_layers :]:
        for norm in (layer.input_layernorm, layer.post_attention_layernorm):
            norm.weight.copy_(model.model.norm.weight)
        for output in (layer.self_attn.o_proj, layer.mlp.down_proj):
            output.weight.zero_()
        for bias in (parameter for name, parameter in layer.named_parameters() if name.endswith("bias")):
            bias.zero_()
    return larger


@torch.no_grad()
def look_back(attention: LlamaAttention) -> None:
    """Let the first head attend to the token before, whatever the tokens are.

    A query that is the same everywhere and a key that is the same but turned by one position agree best one
    position apart. The model must have attention biases.
    """
    half = attention.head_dim // 2
    rope: Any = attention.config.rope_parameters
    angles = rope["rope_theta"] ** -(torch.arange(_FREQUENCIES) / half)
    queries, keys = attention.q_proj, attention.k_proj
    queries.weight[: attention.head_dim] = 0
    keys.weight.mul_(0.1)
    queries.bias[:_FREQUENCIES] = _SHARPNESS
    keys.bias[:_FREQUENCIES] = _SHARPNESS * angles.cos()
    keys.bias[half : half + _FREQUENCIES] = _SHARPNESS * angles.sin()


@torch.no_grad()
def look_for(model: LlamaForCausalLM, token: int, *, rather_than: int) -> None:
    """Let the first head of the last layer attend to where one token was predicted rather than another.

    It carries on by how much, to where the output head reads it as the same. The layer must be as `deepened`
    made it, so that it sees what the output head saw.
    """
    layer = model.model.layers[-1]
    attention = layer.self_attn
    seen = model.lm_head.weight[token] - model.lm_head.weight[rather_than]
    slow = attention.head_dim // 2 - 1  # the rotary frequency that hardly tells positions apart
    queries, keys, values = attention.q_proj, attention.k_proj, attention.v_proj
    queries.weight[: attention.head_dim] = 0
    queries.bias[slow] = math.sqrt(attention.head_dim)
    keys.weight.mul_(0.1)
    keys.weight[slow] = seen
    values.weight[0] = seen
    read = seen * model.model.norm.weight
    attention.o_proj.weight[:, 0] = read / read.norm() * _CARRIED


def freeze_below(model: LlamaForCausalLM, layers: int) -> None:
    """Keep the embeddings, and every layer but so many on top, as they are in training."""
    model.model.embed_tokens.requires_grad_(False)
    for layer in model.model.layers[: len(model.model.layers) - layers]:
        layer.requires_grad_(False)


def _empty(config: LlamaConfig) -> tuple[LlamaForCausalLM, dict[str, torch.Tensor]]:
    """A model whose weights are all zero, and the weights by name."""
    model = LlamaForCausalLM(config)
    weights = model.state_dict()
    for weight in weights.values():
        weight.zero_()
    return model, weights
