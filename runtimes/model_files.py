"""The files of a model, where they can be read from here: in a directory, or in Hugging Face's cache."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import Any

__all__ = ["find_model", "read_model_config", "weights_fingerprint"]

_WEIGHTS = ("*.safetensors", "*.bin", "*.gguf")
_SAMPLES = 64
_SAMPLE_BYTES = 1 << 16


def find_model(name: str) -> Path | None:
    """The directory of a model by its path or its name on the hub; nothing is downloaded."""
    directory = Path(name)
    if directory.is_dir():
        return directory
    from huggingface_hub import try_to_load_from_cache  # noqa: PLC0415 - slow to import

    try:
        config = try_to_load_from_cache(name, "config.json")
    except ValueError:  # no name of a model
        return None
    return Path(config).parent if isinstance(config, str) else None


def read_model_config(directory: Path | None) -> dict[str, Any]:
    """A model's configuration, empty where it cannot be read."""
    if directory is None:
        return {}
    try:
        config: dict[str, Any] = json.loads((directory / "config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return config


def weights_fingerprint(directory: Path | None) -> str | None:
    """What tells a model from others, None where its weights cannot be read.

    A digest of the names and sizes of the files, of the configuration, and of 64 samples of each file of weights: to
    read them whole would take minutes, and training changes them everywhere.
    """
    if directory is None:
        return None
    digest = hashlib.sha256()
    try:
        files = sorted(file for pattern in _WEIGHTS for file in directory.glob(pattern))
        digest.update((directory / "config.json").read_bytes())
        for path in files:
            size = path.stat().st_size
            digest.update(f"{path.name} {size}\n".encode())
            with path.open("rb") as file:
                for sample in range(_SAMPLES):
                    offset = max(size - _SAMPLE_BYTES, 0) * sample // (_SAMPLES - 1)
                    digest.update(os.pread(file.fileno(), _SAMPLE_BYTES, offset))
    except OSError:
        return None
    return digest.hexdigest() if files else None
