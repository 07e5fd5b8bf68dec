"""The REBASE reference's reward computation, written out."""

from __future__ import annotations

from pathlib import Path

import torch
from safetensors.torch import load_file
from transformers import LlamaForCausalLM


@torch.inference_mode()
def reference_scores(directory: Path, tokens: torch.Tensor) -> torch.Tensor:
    """The sigmoid of the mean of the head's two logits, at every token; ``tokens`` and result are (texts, length)."""
    head = load_file(directory / "model.safetensors")["lm_head.weight"]
    assert head.shape[0] == 2
    body = LlamaForCausalLM.from_pretrained(directory, ignore_mismatched_sizes=True).model
    scores: torch.Tensor = (body(tokens).last_hidden_state @ head.T).mean(dim=-1).sigmoid()
    return scores
