"""Open a Hugging Face model directory."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer, PreTrainedModel, PreTrainedTokenizerBase

from runtimes.base import RuntimeGone
from runtimes.local.heads import LANGUAGE_HEAD, base_key_mapping, read_reward_head, tensor_files
from runtimes.quiet import quiet_transformers

__all__ = ["DTYPES", "SMALL_MODEL_PARAMETERS", "ModelLoadError", "context_length", "load_model"]

DTYPES = ("auto", "float64", "float32", "bfloat16", "float16")

SMALL_MODEL_PARAMETERS = 50_000_000
"""Below this a model is computed in float64 on a CPU: see `runtimes.local.LocalRuntime`."""

_DEFAULT_CONTEXT = 2048


class ModelLoadError(RuntimeGone):
    """A directory holds no model that can be served; the message is one line and says what is wrong."""


def load_model(
    directory: Path, *, dtype: str, device: str, trust_remote_code: bool
) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    """Load a causal language model and its tokenizer, weights from safetensors only.

    A reward model's head is taken as it is, see `runtimes.local.heads`.

    Raises:
        ModelLoadError: there is no such model.
    """
    if dtype not in DTYPES:
        raise ModelLoadError(f"unknown dtype {dtype!r}; known are {', '.join(DTYPES)}")
    if not directory.is_dir():
        raise ModelLoadError(f"{directory}: no such directory; give one that holds a Hugging Face model")
    if not (directory / "config.json").is_file():
        raise ModelLoadError(f"{directory}: not a model directory, it has no config.json")
    options: dict[str, Any] = {"trust_remote_code": trust_remote_code, "local_files_only": True}
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        with quiet_transformers():
            config = AutoConfig.from_pretrained(directory, **options)
            tokenizer = AutoTokenizer.from_pretrained(directory, **options)
            files = tensor_files(directory)
            head = read_reward_head(files, vocabulary_size=config.get_text_config().vocab_size)
            opened: Any = AutoModelForCausalLM.from_pretrained(
                directory,
                config=config,
                dtype="auto",
                use_safetensors=True,
                ignore_mismatched_sizes=head is not None,
                key_mapping=base_key_mapping(files),
                output_loading_info=True,
                **options,
            )
    except Exception as error:  # a file from anywhere, read by libraries that raise what they like
        reason = str(error).strip().partition("\n")[0]
        raise ModelLoadError(f"{directory}: cannot be loaded as a causal language model: {reason}") from error
    model: PreTrainedModel = opened[0]
    found: dict[str, Any] = opened[1]
    absent = {*found["missing_keys"], *(key for key, *_ in found["mismatched_keys"])}
    if head is not None:
        absent -= {LANGUAGE_HEAD}
    if absent:
        raise ModelLoadError(f"{directory}: has no weights for {sorted(absent)[0]} ({len(absent)} tensors in all)")
    if head is not None:
        model.set_output_embeddings(head.to(model.dtype))
    small = model.num_parameters() < SMALL_MODEL_PARAMETERS
    wanted = None if dtype == "auto" else getattr(torch, dtype)
    if wanted is None and device == "cpu":
        wanted = torch.float64 if small else torch.float32
    try:
        torch.nn.Module.to(model, device, wanted)
    except RuntimeError as error:  # out of memory, no such device
        reason = str(error).strip().partition("\n")[0]
        raise ModelLoadError(f"{directory}: cannot be placed on {device}: {reason}") from error
    model.eval()
    return model, tokenizer


def context_length(config: Any) -> int:
    """Tokens that a sequence may have; within a sliding window full attention is the same thing."""
    length = getattr(config, "max_position_embeddings", None) or _DEFAULT_CONTEXT
    window = getattr(config, "sliding_window", None)
    return int(min(length, window) if window else length)
