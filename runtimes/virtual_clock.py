"""An event loop whose clock jumps: an hour of simulated waiting takes a moment.

Whenever every task waits and a timer is set, time moves to that timer at once. Where no timer is set either,
nothing could ever happen again, and that is an error and not a hang. Real input and output (threads,
processes, sockets) is seen when it is there, and never waited for: keep it out of simulations.
"""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

__all__ = ["Deadlock", "VirtualClockLoop", "run_virtual"]

T = TypeVar("T")

_THREAD_GRACE_SECONDS = 5.0

_MOST_TURNS = 200_000
"""Turns of the loop at one and the same time: some seconds of a task that spins."""


class Deadlock(RuntimeError):
    """Every task waits for something that will not come, or some spin and time stands still."""


class VirtualClockLoop(asyncio.SelectorEventLoop):
    """An asyncio event loop on a virtual clock that starts at 0."""

    def __init__(self) -> None:
        self._now = 0.0
        super().__init__(_JumpingSelector(self._jump))

    def time(self) -> float:
        """Seconds of virtual time."""
        return self._now

    def _jump(self, seconds: float) -> None:
        self._now += seconds


class _JumpingSelector(selectors.DefaultSelector):
    def __init__(self, jump: Callable[[float], None]) -> None:
        super().__init__()
        self._jump = jump
        self._turns = 0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = super().select(0)
        if ready or timeout == 0:
            self._turns += 1
            if self._turns > _MOST_TURNS:
                self._turns = 0  # what is cancelled for it has turns of its own
                raise Deadlock(f"after {_MOST_TURNS} turns of the loop no time has passed")
            return ready
        self._turns = 0
        if timeout is None:
            # The loop's own shutdown waits for worker threads; anything else would wait for ever.
            ready = super().select(_THREAD_GRACE_SECONDS)
            if not ready:
                raise Deadlock("every task waits, and no timer is set")
            return ready
        self._jump(max(timeout, 0.0))
        return []


def run_virtual(main: Callable[[], Coroutine[Any, Any, T]]) -> T:
    """Run an async function to its end on a virtual clock.

    Raises:
        Deadlock: all tasks waited for something that could not come, or some spun and let no time pass.
    """
    with asyncio.Runner(loop_factory=VirtualClockLoop) as runner:
        return runner.run(main())
