"""Where a sweep's runs are: each model's in a directory of its name."""

from __future__ import annotations

import re
from pathlib import Path

from asyncsearch.run_directory import CONFIG_FILE, read_config
from asyncsearch.sweep.plan import SWEEP_FILE, load_sweep

__all__ = ["begun_runs", "model_of", "unbegun_runs"]


def begun_runs(path: Path) -> list[Path]:
    """The runs of a sweep, of a comparison or of one model in a sweep that have begun, narrow ones before wide ones."""
    patterns = (f"*/{CONFIG_FILE}", f"*/*/{CONFIG_FILE}") if (path / SWEEP_FILE).exists() else (f"*/{CONFIG_FILE}",)
    return sorted((file.parent for pattern in patterns for file in path.glob(pattern)), key=_in_order)


def unbegun_runs(path: Path) -> list[Path]:
    """The runs of a sweep that it has not come to.

    Raises:
        ConfigurationError: its plan cannot be read.
    """
    runs = []
    for model in load_sweep(path / SWEEP_FILE).runs():
        own = path / model.name
        runs += [own] if len(model.entries) == 1 else [own / entry.name for entry in model.entries]
    return [run for run in runs if not (run / CONFIG_FILE).exists()]


def model_of(run: Path) -> str:
    """What a run's model is called: as in its sweep, or by the last part of its policy's address.

    Raises:
        RunDirectoryError: there is no run.
        StorageError: it cannot be read.
    """
    resolved = run.resolve()
    for own in (resolved, resolved.parent):
        if (own.parent / SWEEP_FILE).exists():
            return own.name
    return Path(str(read_config(run).get("policy"))).name


def _in_order(path: Path) -> list[tuple[str, int]]:
    parts = re.split(r"(\d+)", str(path))
    return [(text, int(number)) for text, number in zip(parts[::2], [*parts[1::2], "0"], strict=True)]
