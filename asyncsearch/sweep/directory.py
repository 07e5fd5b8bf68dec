"""Where a sweep's runs are: each model's in a directory of its name."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from asyncsearch.distinct_names import distinct_names
from asyncsearch.run_directory import CONFIG_FILE, read_config
from asyncsearch.sweep.plan import SWEEP_FILE

__all__ = ["begun_runs", "model_names"]


def begun_runs(path: Path) -> list[Path]:
    """The runs in a directory that have begun, narrow ones before wide ones.

    It is that of a sweep, of a comparison, of one model in a sweep, or one that has several of these in it.
    """
    patterns = (f"*/{CONFIG_FILE}", f"*/*/{CONFIG_FILE}", f"*/*/*/{CONFIG_FILE}")  # directories of sweeps as well
    return sorted((file.parent for pattern in patterns for file in path.glob(pattern)), key=_in_order)


def model_names(runs: Sequence[Path]) -> list[str]:
    """What the model of each run is called: as in its sweep, or by its policy's address, shortened to what tells it.

    Raises:
        RunDirectoryError: there is no run.
        StorageError: it cannot be read.
    """
    return distinct_names([_model_of(run) for run in runs])


def _model_of(run: Path) -> Path:
    """Where a sweep has what is run on a model, or the address of its policy."""
    resolved = run.resolve()
    for own in (resolved, resolved.parent):
        if (own.parent / SWEEP_FILE).exists():
            return own
    return Path(str(read_config(run).get("policy")))


def _in_order(path: Path) -> list[tuple[str, int]]:
    parts = re.split(r"(\d+)", str(path))
    return [(text, int(number)) for text, number in zip(parts[::2], [*parts[1::2], "0"], strict=True)]
