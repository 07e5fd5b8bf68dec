"""Run directories as a user names them."""

from __future__ import annotations

from pathlib import Path

from asyncsearch.run_directory import CONFIG_FILE, RESULTS_FILE, read_config

__all__ = ["runs_in"]


def runs_in(path: Path) -> list[Path]:
    """The run directories that a path stands for: itself, or those right inside it.

    Raises:
        RunDirectoryError: there are none.
    """
    if path.is_dir() and not (path / CONFIG_FILE).exists():
        inner = sorted(
            child.parent for child in path.glob(f"*/{RESULTS_FILE}") if (child.parent / CONFIG_FILE).exists()
        )
        if inner:
            return inner
    read_config(path)
    return [path]
