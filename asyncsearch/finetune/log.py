"""What is measured in a training, kept in a file beside the model."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import orjson

from asyncsearch.files import write_whole_file
from asyncsearch.finetune.trainer import Spectator
from asyncsearch.run_directory import unwritable

__all__ = ["LOG_FILE", "TrainingLog", "read_log"]

LOG_FILE = "training.jsonl"
"""A JSON object for each time that something was measured, with the ``step`` after which."""


class TrainingLog:
    """A spectator that writes down what it is told, and passes it on."""

    def __init__(self, directory: Path, spectator: Spectator, *, is_main: bool) -> None:
        """Begin to watch; only the main process writes."""
        self._file = directory / LOG_FILE
        self._spectator = spectator
        self._is_main = is_main
        self._begun = time.monotonic()
        self.last_evaluation: dict[str, float] = {}
        self.last_evaluation_step = -1

    def begin(self, steps: int, done: int) -> None:
        """See `Spectator`. What was measured after the checkpoint that is gone on from, will be measured again."""
        self._begun = time.monotonic()
        if self._is_main:
            kept = [entry for entry in read_log(self._file) if entry["step"] <= done] if self._file.exists() else []
            try:
                write_whole_file(self._file, (orjson.dumps(entry) + b"\n" for entry in kept))
            except OSError as error:
                raise unwritable(self._file, error) from error
        self._spectator.begin(steps, done)

    def log(self, step: int, values: Mapping[str, float]) -> None:
        """See `Spectator`."""
        if "evaluation_loss" in values:
            self.last_evaluation = {name: value for name, value in values.items() if name != "tokens"}
            self.last_evaluation_step = step
        entry = {"step": step, "seconds": round(time.monotonic() - self._begun, 3), **values}
        if self._is_main:
            try:
                with self._file.open("ab") as file:
                    file.write(orjson.dumps(entry) + b"\n")
            except OSError as error:
                raise unwritable(self._file, error) from error
        self._spectator.log(step, values)

    def step(self, step: int) -> None:
        """See `Spectator`."""
        self._spectator.step(step)

    def wants_to_stop(self) -> bool:
        """See `Spectator`."""
        return self._spectator.wants_to_stop()


def read_log(file: Path) -> list[dict[str, Any]]:
    """What was measured, in order; a last line that was cut off is left out."""
    entries = []
    for line in file.read_bytes().splitlines():
        try:
            entries.append(orjson.loads(line))
        except orjson.JSONDecodeError:
            break
    return entries
