"""The REBASE reference's reward head, made into one that an unmodified SGLang server serves."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from asyncsearch.errors import ConfigurationError

__all__ = ["convert_reward_head"]

_HEAD = "lm_head.weight"
_SCORE = "score.weight"
_INDEX = "model.safetensors.index.json"
_CAUSAL, _CLASSIFIER = "ForCausalLM", "ForSequenceClassification"
_HEAD_ROWS = 2


def convert_reward_head(source: Path, target: Path) -> None:
    """Write a sequence classifier with one label that scores as a causal language model with two rows does.

    The reference's reward model (``hf_score.py``) has a language-model head of two rows, and its score is the
    sigmoid of their mean. The mean of two linear functions is the linear function of the mean row, so the
    classifier's single logit is that mean, exactly but for the rounding of its weights; the sigmoid is the
    client's. Tensors are copied file by file, so that the model may be larger than memory.

    Args:
        source: directory of the model, its weights in safetensors.
        target: directory to write; must not exist, or be empty.

    Raises:
        ConfigurationError: the source is no such model, or the target is taken.
    """
    config = _read_json(source / "config.json")
    architecture = next(iter(config.get("architectures") or [""]))
    if not architecture.endswith(_CAUSAL):
        raise ConfigurationError(f"{source}: a causal language model is converted, not {architecture or 'this'}")
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise ConfigurationError(f"{target}: exists already; name another directory")
    files = _weight_files(source)
    holder = next((file for file, names in files.items() if _HEAD in names), None)
    if holder is None:
        raise ConfigurationError(
            f"{source}: has no {_HEAD}; its head is tied to the embedding, so it is no reward model"
        )
    with safe_open(source / holder, framework="pt") as weights:
        rows = weights.get_slice(_HEAD).get_shape()[0]
    if rows != _HEAD_ROWS:
        raise ConfigurationError(
            f"{source}: the head of the reference's reward model has two rows, this one has {rows}"
        )

    target.mkdir(parents=True, exist_ok=True)
    for file in source.iterdir():
        # Neither weights nor what is said of them.
        others = file.suffix not in (".safetensors", ".bin", ".pt", ".pth", ".md") and file.name != _INDEX
        if file.is_file() and others:
            shutil.copyfile(file, target / file.name)
    for name in files:
        tensors = dict(_converted(source / name))
        save_file(tensors, target / name, metadata={"format": "pt"})
    if (source / _INDEX).is_file():
        index = _read_json(source / _INDEX)
        index["weight_map"] = {_SCORE if key == _HEAD else key: file for key, file in index["weight_map"].items()}
        (target / _INDEX).write_text(json.dumps(index, indent=2))
    config |= {
        "architectures": [architecture.removesuffix(_CAUSAL) + _CLASSIFIER],
        "id2label": {"0": "LABEL_0"},
        "label2id": {"LABEL_0": 0},
        "reward_format": "reference-head",
    }
    (target / "config.json").write_text(json.dumps(config, indent=2) + "\n")


def _converted(file: Path) -> Iterator[tuple[str, torch.Tensor]]:
    with safe_open(file, framework="pt") as weights:
        for key in weights.keys():  # noqa: SIM118 - not a dict
            tensor: torch.Tensor = weights.get_tensor(key)
            if key == _HEAD:
                yield _SCORE, tensor.double().mean(dim=0, keepdim=True).to(tensor.dtype)
            else:
                yield key, tensor


def _weight_files(source: Path) -> dict[str, list[str]]:
    """The names of the tensors in each file."""
    names = sorted(file.name for file in source.glob("*.safetensors"))
    if not names:
        raise ConfigurationError(f"{source}: has no weights in safetensors")
    try:
        found = {}
        for name in names:
            with safe_open(source / name, framework="pt") as weights:
                found[name] = list(weights.keys())
    except SafetensorError as error:
        raise ConfigurationError(f"{source / name}: cannot be read: {error}") from error
    return found


def _read_json(file: Path) -> dict[str, Any]:
    try:
        value: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigurationError(f"{file}: cannot be read: {error.strerror or error}") from error
    except ValueError as error:
        raise ConfigurationError(f"{file}: not valid JSON: {error}") from error
    return value
