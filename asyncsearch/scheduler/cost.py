"""What one request costs, from the moment that it is asked for."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from runtimes.base import Usage

__all__ = ["Cost"]


@dataclass(slots=True)
class Cost:
    """What a request has cost by now; the scheduler adds to it while the request is on its way.

    ``usage`` is that of its answer. ``failed`` is what attempts took that failed, ``aborted`` what was computed for
    it when it was given up, each as far as the runtime said. It waited ``queue_seconds`` to be sent, or for somebody
    else's answer to the same question, and ``runtime_seconds`` for the runtime.
    """

    usage: Usage = field(default_factory=Usage)
    failed: tuple[Usage, ...] = ()
    aborted: tuple[Usage, ...] = ()
    queue_seconds: float = 0.0
    runtime_seconds: float = 0.0

    def as_failed(self) -> Cost:
        """The same for a request that is made again, because its answer was of no use or never came."""
        answer = () if self.usage == Usage() else (self.usage,)
        return replace(self, usage=Usage(), failed=(*self.failed, *answer))
