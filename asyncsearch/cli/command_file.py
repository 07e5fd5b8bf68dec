"""How a run was begun, kept beside it, so that it can be gone on with by its directory alone."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from asyncsearch.configuration import Configuration, load_configuration, save_configuration
from asyncsearch.datasets.loading import is_dataset_name
from asyncsearch.format import FORMATS
from asyncsearch.run_directory import COMMAND_FILE, unwritable

__all__ = ["recall_command", "remember_command"]


def remember_command(directory: Path, configuration: Configuration) -> None:
    """Write down how a run is begun, in words that mean the same in another working directory.

    Raises:
        RunDirectoryError: it cannot be written.
        StorageError: the disk is full, or the like.
    """
    dataset = configuration.dataset
    meant = replace(
        configuration,
        out=None,  # wherever it is by then
        dataset=dataset if dataset is None or is_dataset_name(dataset) else str(Path(dataset).absolute()),
        format=_absolute_format(configuration.format),
        policy=_absolute(configuration.policy),
        reward=_absolute(configuration.reward),
    )
    try:
        save_configuration(directory / COMMAND_FILE, meant)
    except OSError as error:
        raise unwritable(directory, error) from error


def recall_command(directory: Path) -> Configuration | None:
    """How a run was begun, None if that is not there.

    Raises:
        ConfigurationError: it cannot be read.
    """
    return load_configuration(directory / COMMAND_FILE) if (directory / COMMAND_FILE).exists() else None


def _absolute_format(format: str | dict[str, Any] | None) -> str | dict[str, Any] | None:
    return format if not isinstance(format, str) or format in FORMATS else str(Path(format).absolute())


def _absolute(model: str | None) -> str | None:
    name, colon, address = (model or "").partition(":")
    directory = Path(address if colon else name)
    if model is None or not directory.is_dir() or (colon and name != "local"):
        return model
    return f"local:{directory.absolute()}"
