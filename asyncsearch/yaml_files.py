"""YAML files."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from asyncsearch.errors import ConfigurationError
from asyncsearch.files import write_whole_file

__all__ = ["read_yaml", "write_yaml"]


def read_yaml(path: Path) -> Any:
    """What a file says, in plain values.

    Raises:
        ConfigurationError: it cannot be read, or is none.
    """
    try:
        return yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigurationError(f"{path}: cannot be read: {error.strerror or error}") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{path}: not valid YAML: {' '.join(str(error).split())}") from error


def write_yaml(path: Path, content: Mapping[str, Any]) -> None:
    """Write a file that says this, whole or not at all.

    Raises:
        OSError: it cannot be written.
    """
    write_whole_file(path, iter([yaml.safe_dump(dict(content), sort_keys=False, allow_unicode=True).encode()]))
