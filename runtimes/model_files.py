"""The files of a model, where they can be read from here: in a directory, or in Hugging Face's cache."""

from __future__ import annotations

import hashlib
import json
import os
from contextlib import suppress
from pathlib import Path
from typing import Any

__all__ = ["find_model", "read_model_config", "weights_fingerprint"]

_WEIGHTS = ("*.safetensors", "*.bin", "*.gguf")
_SAMPLES = 4
_SAMPLE_BYTES = 1 << 14


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

    A digest of the configuration, of the files' names and sizes, and of four samples of every tensor, of which small
    ones are read whole: to read everything would take minutes, and training changes a tensor everywhere.
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
                for begin, end in _tensors(file.fileno(), size):
                    for sample in range(_SAMPLES):
                        offset = begin + max(end - begin - _SAMPLE_BYTES, 0) * sample // (_SAMPLES - 1)
                        digest.update(os.pread(file.fileno(), min(_SAMPLE_BYTES, end - begin), offset))
    except OSError:
        return None
    return digest.hexdigest() if files else None


def _tensors(file: int, size: int) -> list[tuple[int, int]]:
    """Where the tensors of a file of weights begin and end; of one that is not in safetensors, sixteen parts."""
    header_size = int.from_bytes(os.pread(file, 8, 0), "little")
    begin = 8 + header_size
    if begin <= size:
        with suppress(ValueError, TypeError, AttributeError, KeyError):
            header: dict[str, Any] = json.loads(os.pread(file, header_size, 8))
            tensors = [tensor["data_offsets"] for name, tensor in header.items() if name != "__metadata__"]
            return [(begin + first, begin + last) for first, last in tensors]
    return [(size * part // 16, size * (part + 1) // 16) for part in range(16)]
