"""How a run was begun, kept beside it, so that it can be gone on with by its directory alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from asyncsearch.cli.runs import runs_in
from asyncsearch.configuration import Configuration, load_configuration, save_configuration
from asyncsearch.datasets.jsonl import BUNDLED
from asyncsearch.errors import RunDirectoryError
from asyncsearch.lock import locked
from asyncsearch.problem import Problem, digest
from asyncsearch.results import COMMAND_FILE, read_config

__all__ = ["holds_run_of", "recall_command", "remember_command"]


def remember_command(directory: Path, configuration: Configuration) -> None:
    """Write down how a run is begun, in words that mean the same in another working directory.

    Raises:
        RunDirectoryError: it cannot be written, or another process has a run there.
    """
    dataset = configuration.dataset
    meant = replace(
        configuration,
        out=None,  # wherever it is by then
        dataset=dataset if dataset is None or dataset in BUNDLED else str(Path(dataset).absolute()),
        policy=_absolute(configuration.policy),
        reward=_absolute(configuration.reward),
    )
    try:
        directory.mkdir(parents=True, exist_ok=True)
        with locked(directory):
            save_configuration(directory / COMMAND_FILE, meant)
    except OSError as error:
        raise RunDirectoryError(f"{directory}: cannot be written: {error.strerror or error}") from error


def recall_command(directory: Path) -> Configuration | None:
    """How a run was begun, None if that is not there.

    Raises:
        ConfigurationError: it cannot be read.
    """
    return load_configuration(directory / COMMAND_FILE) if (directory / COMMAND_FILE).exists() else None


def holds_run_of(directory: Path, problems: Sequence[Problem]) -> bool:
    """Whether a run in a directory, or right inside it, is of these problems."""
    try:
        return any(read_config(run).get("problems_digest") == digest(problems) for run in runs_in(directory))
    except RunDirectoryError:
        return False


def _absolute(model: str | None) -> str | None:
    name, colon, address = (model or "").partition(":")
    directory = Path(address if colon else name)
    if model is None or not directory.is_dir() or (colon and name != "local"):
        return model
    return f"local:{directory.absolute()}"
