"""A training that nobody watches."""

from __future__ import annotations

from collections.abc import Mapping


class Unwatched:
    """Hears everything and says nothing."""

    def begin(self, steps: int, done: int) -> None:
        pass

    def step(self, step: int) -> None:
        pass

    def log(self, step: int, values: Mapping[str, float]) -> None:
        pass

    def wants_to_stop(self) -> bool:
        return False
