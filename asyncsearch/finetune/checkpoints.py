"""What a training has come to: a whole model, whole checkpoints, and how an interrupted one finds the last of them."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

from asyncsearch.files import write_whole_file

__all__ = ["CHECKPOINTS", "MODEL_FILE", "is_finished", "last_whole_checkpoint", "mark_whole", "remove_old_checkpoints"]

CHECKPOINTS = "checkpoints"
"""The directory of them, in that of the training."""

MODEL_FILE = "config.json"
"""What makes a directory a model's; it is put there last."""

_WHOLE = "whole"
"""The file that a checkpoint gets when everything else in it is written."""

_NAME = re.compile(r"checkpoint-(\d+)")


def is_finished(directory: Path) -> bool:
    """Whether a whole model is there."""
    return (directory / MODEL_FILE).is_file()


def mark_whole(checkpoint: Path) -> None:
    """Say that a checkpoint is written to its end.

    Raises:
        OSError: that cannot be written.
    """
    write_whole_file(checkpoint / _WHOLE, iter(()))


def last_whole_checkpoint(directory: Path) -> Path | None:
    """The newest checkpoint that was written to its end, in the directory of a training; None where there is none."""
    whole = [path for path in _checkpoints(directory) if (path / _WHOLE).is_file()]
    return whole[-1] if whole else None


def remove_old_checkpoints(directory: Path, *, keep: int) -> None:
    """Remove all but the newest whole ones, and those that were not written to their end."""
    whole = [path for path in _checkpoints(directory) if (path / _WHOLE).is_file()]
    kept = whole[-keep:] if keep else []
    for path in _checkpoints(directory):
        if path not in kept:
            (path / _WHOLE).unlink(missing_ok=True)  # first: what is half removed is not whole
            shutil.rmtree(path)


def _checkpoints(directory: Path) -> list[Path]:
    """In order of their steps."""
    found = [(int(match[1]), path) for path in directory.glob("*") if (match := _NAME.fullmatch(path.name))]
    return [path for _, path in sorted(found)]
