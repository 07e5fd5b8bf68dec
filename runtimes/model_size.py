"""What a model's tokens cost, from its configuration."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from runtimes.base import ModelSize

__all__ = ["model_size"]

_GATED = frozenset([
    "gemma", "gemma2", "gemma3_text", "granite", "llama", "mistral", "mixtral", "olmo", "olmo2", "phi3", "qwen2",
    "qwen2_moe", "qwen3", "qwen3_moe",
])  # fmt: skip
"""Families whose feed-forward layers have three matrices: gate, up and down."""
_PLAIN = frozenset(["gpt2", "gpt_neo", "gpt_neox", "gptj", "opt", "phi", "starcoder2", "bloom"])
"""Families whose feed-forward layers have two."""


def model_size(config: Mapping[str, Any], *, output_rows: int | None = None) -> ModelSize | None:
    """The size of a decoder by its Hugging Face configuration, None of a family that is not known here.

    Counted are the matrices that a token is multiplied with: attention, feed-forward and output; of experts those
    that a token passes through, with their router. Biases and norms are left out.

    Args:
        config: the content of its ``config.json``.
        output_rows: of its head; by default the vocabulary.
    """
    config = {**config, **(config.get("text_config") or {})}
    family = config.get("model_type")
    if family not in _GATED | _PLAIN:
        return None

    def number(*names: str, default: Any = None) -> int:
        return int(next((config[name] for name in names if config.get(name) is not None), default))

    try:
        hidden = number("hidden_size", "n_embd", "d_model")
        layers = number("num_hidden_layers", "n_layer", "num_layers")
        heads = number("num_attention_heads", "n_head", "num_heads")
        groups = number("num_key_value_heads", default=heads)
        dimension = number("head_dim", default=hidden // heads)
        inner = number("intermediate_size", "n_inner", "ffn_dim", default=4 * hidden)
        rows = number("vocab_size") if output_rows is None else output_rows
        matrices = 3 if family in _GATED else 2
        feed_forward = matrices * hidden * inner
        if experts := number("num_local_experts", "num_experts", default=0):
            each = matrices * hidden * number("moe_intermediate_size", default=inner)
            shared = config.get("shared_expert_intermediate_size")
            always = 0 if shared is None else matrices * hidden * int(shared) + hidden
            feed_forward = experts * hidden + number("num_experts_per_tok") * each + always
        attention = 2 * hidden * heads * dimension + 2 * hidden * groups * dimension
    except (TypeError, ValueError, ZeroDivisionError):  # a number is missing, or is none
        return None
    return ModelSize(
        parameters=layers * (attention + feed_forward) + rows * hidden, attention_width=layers * heads * dimension
    )
