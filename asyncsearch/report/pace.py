"""How fast something goes, and how long it will still take, by a clock that is handed in."""

from __future__ import annotations

from collections import deque

__all__ = ["SlidingRate", "time_left"]


class SlidingRate:
    """How fast a counter has grown lately.

    Args:
        seconds: what "lately" means.
    """

    def __init__(self, *, seconds: float = 10.0) -> None:
        self._seconds = seconds
        self._looks: deque[tuple[float, float]] = deque()

    def note(self, now: float, count: float) -> None:
        """At ``now``, in seconds of any clock that does not go back, the counter stands at ``count``.

        One that stands lower than before has begun anew.
        """
        looks = self._looks
        if looks and count < looks[-1][1]:
            looks.clear()
        if len(looks) > 1 and looks[-1][0] >= now:  # the first stays what everything is measured from
            looks.pop()
        looks.append((now, count))
        while len(looks) > 2 and looks[1][0] <= now - self._seconds:
            looks.popleft()

    @property
    def per_second(self) -> float | None:
        """Its growth over the last seconds, or since the first look at it; None where no time has passed since."""
        if not self._looks:
            return None
        (began, before), (now, count) = self._looks[0], self._looks[-1]
        return (count - before) / (now - began) if now > began else None


def time_left(*, done: int, total: int, seconds: float, since: float) -> float | None:
    """Seconds until the last of ``total`` problems is done, if they go on to be done as fast as they were.

    ``done`` of them took ``seconds`` until the last one, which was ``since`` seconds ago. Until the next is due the
    time runs down; when it is overdue, it is taken to be done now. None where nothing is done to judge by.
    """
    left = total - done
    if left <= 0:
        return 0.0
    if not done:
        return None
    in_time = seconds / done * left - since
    overdue = (seconds + since) / (done + 1) * (left - 1)
    return max(in_time, overdue)
