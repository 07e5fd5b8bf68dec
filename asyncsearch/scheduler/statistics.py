"""What the scheduler counts."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["LaneStatistics", "SchedulerStatistics"]


@dataclass(frozen=True, slots=True, kw_only=True)
class LaneStatistics:
    """A snapshot of one lane.

    Every request submitted is ``queued``, ``in_flight``, or has ended as exactly one of ``settled`` (with a
    result), ``failed``, ``withdrawn`` (cancelled while queued or waiting for a retry) or ``aborted``
    (cancelled after it was sent). ``idle_seconds`` is the time in which nothing was in flight, since the lane
    started; token counts are those of settled requests, and ``wasted_tokens`` those that were computed for requests
    that failed or were aborted, as far as the runtime said.
    """

    submitted: int = 0
    queued: int = 0
    in_flight: int = 0
    settled: int = 0
    failed: int = 0
    withdrawn: int = 0
    aborted: int = 0
    retries: int = 0
    batches: int = 0
    sent: int = 0
    largest_batch: int = 0
    peak_in_flight: int = 0
    prompt_tokens: int = 0
    cached_tokens: int = 0
    generated_tokens: int = 0
    wasted_tokens: int = 0
    idle_seconds: float = 0.0

    @property
    def mean_batch(self) -> float:
        """Requests per batch sent."""
        return self.sent / self.batches if self.batches else 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class SchedulerStatistics:
    """A snapshot of both lanes; ``score`` is all zeros where there is no reward model."""

    generate: LaneStatistics
    score: LaneStatistics
