"""What stands where in a run's directory."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import orjson

from asyncsearch.errors import RunDirectoryError, StorageError

__all__ = ["COMMAND_FILE", "CONFIG_FILE", "JOURNAL_FILE", "RESULTS_FILE", "read_config"]

CONFIG_FILE = "config.json"
RESULTS_FILE = "results.jsonl"
JOURNAL_FILE = "journal.bin"
COMMAND_FILE = "command.yaml"


def read_config(path: Path) -> dict[str, Any]:
    """The configuration of a run.

    Raises:
        RunDirectoryError: the path is not a run directory.
        StorageError: its configuration cannot be read.
    """
    file = path / CONFIG_FILE
    try:
        config = orjson.loads(file.read_bytes())
    except (FileNotFoundError, NotADirectoryError):
        raise RunDirectoryError(f"{path}: not a run directory, it has no {CONFIG_FILE}") from None
    except OSError as error:
        raise StorageError(f"{file}: cannot be read: {error.strerror or error}") from error
    except orjson.JSONDecodeError as error:
        raise StorageError(f"{file}: damaged: {error}") from error
    if not isinstance(config, dict):
        raise StorageError(f"{file}: damaged: it holds no configuration")
    return config
