"""A training that shows nothing, and remembers its losses."""

from __future__ import annotations

from collections.abc import Mapping

__all__ = ["Recording"]


class Recording:
    """A spectator of a training: ``losses`` are those that it was told of."""

    def __init__(self) -> None:
        """Nothing was told yet."""
        self.losses: list[float] = []

    def begin(self, steps: int, done: int) -> None:
        """See `asyncsearch.finetune.trainer.Spectator`."""

    def step(self, step: int) -> None:
        """See `asyncsearch.finetune.trainer.Spectator`."""

    def log(self, step: int, values: Mapping[str, float]) -> None:
        """Remember the loss."""
        if "loss" in values:
            self.losses.append(values["loss"])

    def wants_to_stop(self) -> bool:
        """Never."""
        return False
