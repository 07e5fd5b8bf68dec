"""The model and the tokenizer that a training begins with."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import torch
from transformers import (
    AutoConfig,
    AutoModelForCausalLM,
    AutoTokenizer,
    PreTrainedModel,
    PreTrainedTokenizerBase,
    set_seed,
)

from asyncsearch.datasets.arithmetic import BUNDLED_MODELS, bundled_model
from asyncsearch.errors import ConfigurationError, ModelError
from asyncsearch.finetune.configuration import Finetuning, Lora
from asyncsearch.finetune.tokenizer import train_tokenizer
from asyncsearch.plugins import suggestion
from runtimes.local.heads import LANGUAGE_HEAD, read_reward_head, tensor_files

__all__ = ["end_token", "load_base", "load_tokenizer", "padding_token", "with_lora"]

_BUNDLED = "bundled:"
_LOCAL = "local:"


def load_tokenizer(finetuning: Finetuning, texts: Iterable[str]) -> PreTrainedTokenizerBase:
    """The model's tokenizer; or the one that a new model is to have, trained on ``texts`` where only its size is said.

    Raises:
        ModelError: there is none.
    """
    if isinstance(finetuning.tokenizer, int):
        return train_tokenizer(texts, vocabulary_size=finetuning.tokenizer, context_length=finetuning.max_length)
    name = _address(finetuning.tokenizer or finetuning.model or "")
    try:
        found: PreTrainedTokenizerBase = AutoTokenizer.from_pretrained(
            name, trust_remote_code=finetuning.trust_remote_code
        )
    except Exception as error:  # a file from anywhere, read by libraries that raise what they like
        raise ModelError(f"{name}: its tokenizer cannot be loaded: {_first_line(error)}") from error
    return found


def load_base(finetuning: Finetuning, tokenizer: PreTrainedTokenizerBase) -> PreTrainedModel:
    """The model that a training begins with, its weights from safetensors only; or a new one with random weights.

    Raises:
        ModelError: it cannot be loaded.
        ConfigurationError: the architecture is not one that transformers can make, or does not fit the tokenizer.
    """
    dtype = getattr(torch, finetuning.weights)
    set_seed(finetuning.seed)
    if finetuning.architecture is not None:
        new = _new_model(finetuning, tokenizer)
        torch.nn.Module.to(new, dtype)
        return new
    name = _address(finetuning.model or "")
    files = tensor_files(Path(name)) if Path(name).is_dir() else {}
    try:
        config = AutoConfig.from_pretrained(name, trust_remote_code=finetuning.trust_remote_code)
        head = read_reward_head(files, vocabulary_size=config.get_text_config().vocab_size)
        opened: Any = AutoModelForCausalLM.from_pretrained(
            name,
            config=config,
            dtype=dtype,
            attn_implementation=finetuning.attention,
            use_safetensors=True,
            trust_remote_code=finetuning.trust_remote_code,
            ignore_mismatched_sizes=head is not None,
            output_loading_info=True,
        )
    except Exception as error:
        raise ModelError(f"{name}: cannot be loaded as a causal language model: {_first_line(error)}") from error
    model: PreTrainedModel = opened[0]
    absent = {*opened[1]["missing_keys"], *(key for key, *_ in opened[1]["mismatched_keys"])}
    if head is not None:
        model.set_output_embeddings(head.to(dtype))
        absent -= {LANGUAGE_HEAD}
    if absent:
        raise ModelError(f"{name}: has no weights for {min(absent)} ({len(absent)} tensors in all)")
    return model


def _new_model(finetuning: Finetuning, tokenizer: PreTrainedTokenizerBase) -> PreTrainedModel:
    assert finetuning.architecture is not None
    fields = {
        "vocab_size": len(tokenizer),
        "max_position_embeddings": finetuning.max_length,
        "bos_token_id": tokenizer.bos_token_id,
        "eos_token_id": tokenizer.eos_token_id,
        "pad_token_id": tokenizer.pad_token_id,
        **finetuning.architecture,
    }
    kind = fields.pop("model_type", None)
    if kind is None:
        raise ConfigurationError("the architecture names no 'model_type', as llama")
    if fields["vocab_size"] < len(tokenizer):
        raise ConfigurationError(f"vocab_size is {fields['vocab_size']}, and the tokenizer has {len(tokenizer)} tokens")
    try:
        config = AutoConfig.for_model(kind, **fields)
        model: PreTrainedModel = AutoModelForCausalLM.from_config(config, attn_implementation=finetuning.attention)
    except Exception as error:
        raise ConfigurationError(f"the architecture cannot be made: {_first_line(error)}") from error
    return model


def end_token(tokenizer: PreTrainedTokenizerBase, name: str | None, *, model: str) -> int:
    """The token that ends a solution: the one of that name, or the tokenizer's own.

    Raises:
        ConfigurationError: it has none.
    """
    if name is None:
        if tokenizer.eos_token_id is None:
            raise ConfigurationError(
                f"the tokenizer of {model} has no token that ends a sequence, so the policy would never stop: "
                "say with end_token which of its tokens is to end a solution"
            )
        return int(tokenizer.eos_token_id)
    vocabulary = tokenizer.get_vocab()
    if name not in vocabulary:
        raise ConfigurationError(f"end_token {name!r} is no token of {model}")
    return int(vocabulary[name])


def padding_token(tokenizer: PreTrainedTokenizerBase) -> int:
    """The token that fills rows up: the tokenizer's, or its end of sequence, or any. Nothing is learned of it."""
    for token in (tokenizer.pad_token_id, tokenizer.eos_token_id):
        if token is not None:
            return int(token)
    return 0


def with_lora(model: PreTrainedModel, lora: Lora, *, new_head: bool) -> Any:
    """A model that trains matrices beside its own; and its head, where that is new.

    Raises:
        ConfigurationError: peft is not installed, or the model has no such modules.
    """
    try:
        from peft import LoraConfig, get_peft_model  # noqa: PLC0415 - an extra
    except ImportError as error:
        raise ConfigurationError(f"lora needs peft: pip install 'asyncsearch[finetune]' ({error})") from None
    head = [name for name, module in model.named_modules() if module is model.get_output_embeddings()]
    options = LoraConfig(
        r=lora.rank,
        lora_alpha=lora.alpha,
        lora_dropout=lora.dropout,
        target_modules=[*lora.modules] if lora.modules else "all-linear",
        modules_to_save=head if new_head else None,
        task_type="CAUSAL_LM",
    )
    try:
        return get_peft_model(model, options)
    except ValueError as error:
        raise ConfigurationError(f"lora cannot be added: {_first_line(error)}") from error


def _address(name: str) -> str:
    """A directory, or a name on the hub."""
    if name.startswith(_BUNDLED):
        bundled = name.removeprefix(_BUNDLED)
        if bundled not in BUNDLED_MODELS:
            raise ConfigurationError(f"no model {bundled!r} ships; {suggestion(bundled, [*BUNDLED_MODELS])}")
        return str(bundled_model(bundled))
    return name.removeprefix(_LOCAL)


def _first_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0] or type(error).__name__
