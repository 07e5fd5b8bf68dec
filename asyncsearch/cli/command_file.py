"""How a run was begun, kept beside it, so that it can be gone on with by its directory alone."""

from __future__ import annotations

from pathlib import Path

from asyncsearch.configuration import Configuration, load_configuration, save_configuration
from asyncsearch.run_directory import COMMAND_FILE, unwritable

__all__ = ["recall_command", "remember_command"]


def remember_command(directory: Path, configuration: Configuration) -> None:
    """Write down how a run is begun, in words that mean the same in another working directory.

    Raises:
        RunDirectoryError: it cannot be written.
        StorageError: the disk is full, or the like.
    """
    try:
        save_configuration(directory / COMMAND_FILE, configuration.with_absolute_paths())
    except OSError as error:
        raise unwritable(directory, error) from error


def recall_command(directory: Path) -> Configuration | None:
    """How a run was begun, None if that is not there.

    Raises:
        ConfigurationError: it cannot be read.
    """
    return load_configuration(directory / COMMAND_FILE) if (directory / COMMAND_FILE).exists() else None
