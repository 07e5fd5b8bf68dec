"""Run directories as a user names them."""

from __future__ import annotations

from pathlib import Path

from asyncsearch.cli.command_file import recall_command
from asyncsearch.configuration import default_configuration
from asyncsearch.entries import entries_for
from asyncsearch.options import SolveOptions
from asyncsearch.run_directory import CONFIG_FILE, read_config
from asyncsearch.sweep import SWEEP_FILE, begun_runs, unbegun_runs

__all__ = ["runs_in", "unbegun_in"]


def runs_in(path: Path) -> list[Path]:
    """The run directories that a path stands for: itself, or those of a comparison or a sweep.

    Raises:
        RunDirectoryError: there are none.
    """
    if not (path / CONFIG_FILE).exists() and (inner := begun_runs(path)):
        return inner
    read_config(path)
    return [path]


def unbegun_in(path: Path) -> list[Path]:
    """The run directories that a comparison or a sweep in a directory has not come to yet.

    Raises:
        ConfigurationError: how it was begun cannot be read.
    """
    if (path / SWEEP_FILE).exists():
        return unbegun_runs(path)
    begun = None if (path / CONFIG_FILE).exists() else recall_command(path)
    if begun is None:
        return []
    options = SolveOptions(**begun.over(default_configuration()).options())
    runs = [path / entry.name for entry in entries_for(begun.named_strategies, begun.parameters, options)]
    return [run for run in runs if not (run / CONFIG_FILE).exists()]
