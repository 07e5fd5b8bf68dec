"""A training that shows nothing, and remembers its losses."""

from __future__ import annotations

from collections.abc import Mapping

from asyncsearch.finetune.trainer import Unwatched

__all__ = ["Recording"]


class Recording(Unwatched):
    """A spectator of a training: ``losses`` are those that it was told of."""

    def __init__(self) -> None:
        """Nothing was told yet."""
        self.losses: list[float] = []

    def log(self, step: int, values: Mapping[str, float]) -> None:
        """Remember the loss."""
        if "loss" in values:
            self.losses.append(values["loss"])
