"""Opening that is counted, so that a runtime can be shared by calls that each open it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from types import TracebackType
from typing import Self

import anyio

from runtimes.base import Capabilities, RuntimeGone

__all__ = ["SharedOpening"]


class SharedOpening(ABC):
    """A runtime that, opened again while it is open, stays as it is, and is closed when the last one leaves.

    Who opens it and who closes it may be different tasks, so it must not hold a task group or a cancel scope open.
    """

    def __init__(self) -> None:
        self._users = 0
        self._opening = anyio.Lock()
        self._capabilities: Capabilities | None = None

    @property
    def capabilities(self) -> Capabilities:
        """What the runtime can do; known once it is open."""
        if self._capabilities is None:
            raise RuntimeGone(f"{self!r} is not open: use 'async with'")
        return self._capabilities

    async def __aenter__(self) -> Self:
        async with self._opening:
            if self._users == 0:
                self._capabilities = await self._open()
            self._users += 1
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        # Whoever opens it again meanwhile has to wait until it is closed; a cancellation must not leave it half so.
        with anyio.CancelScope(shield=True):
            async with self._opening:
                self._users -= 1
                if self._users == 0:
                    self._capabilities = None
                    await self._close()

    @abstractmethod
    async def _open(self) -> Capabilities:
        """Make ready for use, and say what can be done. What it raises leaves nothing open."""

    @abstractmethod
    async def _close(self) -> None:
        """Let go of everything."""
