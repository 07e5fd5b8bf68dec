"""Which runs a directory of several is going to hold, kept beside them."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import orjson

from asyncsearch.errors import StorageError
from asyncsearch.files import write_whole_file
from asyncsearch.run_directory.layout import CONFIG_FILE, RUNS_FILE, unwritable

__all__ = ["plan_runs", "unbegun_runs"]


def plan_runs(directory: Path, runs: Iterable[str]) -> None:
    """Write down, as a JSON list, what runs there will be, by their paths in the directory.

    Raises:
        RunDirectoryError: it cannot be written.
        StorageError: the disk is full, or the like.
    """
    try:
        write_whole_file(directory / RUNS_FILE, iter([orjson.dumps([*runs], option=orjson.OPT_INDENT_2), b"\n"]))
    except OSError as error:
        raise unwritable(directory, error) from error


def unbegun_runs(directory: Path) -> list[Path]:
    """The runs that are planned in a directory, and have not begun. There are none where nothing was written down.

    Raises:
        StorageError: what is written down cannot be read.
    """
    file = directory / RUNS_FILE
    try:
        names = orjson.loads(file.read_bytes())
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as error:
        raise StorageError(f"{file}: cannot be read: {error.strerror or error}") from error
    except orjson.JSONDecodeError as error:
        raise StorageError(f"{file}: damaged: {error}") from error
    if not (isinstance(names, list) and all(isinstance(name, str) for name in names)):
        raise StorageError(f"{file}: damaged: it is no list of runs")
    return [run for run in (directory / name for name in names) if not (run / CONFIG_FILE).exists()]
