"""Run directories as a user names them."""

from __future__ import annotations

from pathlib import Path

from asyncsearch.run_directory import CONFIG_FILE, read_config
from asyncsearch.sweep import begun_runs

__all__ = ["runs_in"]


def runs_in(path: Path) -> list[Path]:
    """The run directories that a path stands for: itself, or those of a comparison or a sweep.

    Raises:
        RunDirectoryError: there are none.
    """
    if not (path / CONFIG_FILE).exists() and (inner := begun_runs(path)):
        return inner
    read_config(path)
    return [path]
