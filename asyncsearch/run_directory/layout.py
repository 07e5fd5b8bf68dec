"""What stands where in a run's directory."""

from __future__ import annotations

import errno
from pathlib import Path
from types import UnionType
from typing import Any

import orjson

from asyncsearch.errors import AsyncSearchError, RunDirectoryError, StorageError

__all__ = [
    "COMMAND_FILE",
    "CONFIG_FILE",
    "DATASET",
    "JOURNAL_FILE",
    "RESULTS_FILE",
    "RUNS_FILE",
    "read_config",
    "unwritable",
]

CONFIG_FILE = "config.json"
RESULTS_FILE = "results.jsonl"
JOURNAL_FILE = "journal.bin"
COMMAND_FILE = "command.yaml"
RUNS_FILE = "runs.json"

DATASET = frozenset({"problems", "problems_digest"})
"""What the configuration says of the dataset, which may grow."""

_KINDS: dict[str, type | UnionType] = {
    "problems": int,
    "problems_digest": str,
    "strategy": str,
    "parameters": dict,
    "seed": int,
    "vote": str,
    "aggregation": str,
    "grader": str,
    "grading_seconds": int | float,
    "format": dict,
    "reward_format": str | None,
    "policy_size": dict | None,
    "reward_size": dict | None,
}
"""What a configuration has, of which kind."""

_THE_DISKS = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO})
"""Errors that no other directory on the same disk would spare."""


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
        what = f"not a run directory, it has no {CONFIG_FILE}" if path.exists() else "does not exist"
        raise RunDirectoryError(f"{path}: {what}") from None
    except OSError as error:
        raise StorageError(f"{file}: cannot be read: {error.strerror or error}") from error
    except orjson.JSONDecodeError as error:
        raise StorageError(f"{file}: damaged: {error}") from error
    if not (isinstance(config, dict) and config.keys() >= _KINDS.keys()):
        raise StorageError(f"{file}: damaged: it holds no configuration of a run")
    for name, kind in _KINDS.items():
        if not isinstance(config[name], kind):
            raise StorageError(f"{file}: damaged: {name} cannot be {orjson.dumps(config[name]).decode()}")
    return config


def unwritable(path: Path, error: OSError) -> AsyncSearchError:
    """The error of a directory that cannot be written: whoever named it is to blame, or the disk is."""
    kind = StorageError if error.errno in _THE_DISKS else RunDirectoryError
    return kind(f"{path}: cannot be written: {error.strerror or error}")
