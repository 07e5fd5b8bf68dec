"""How many requests a lane has in flight, found by itself."""

from __future__ import annotations

__all__ = ["Limit"]

_MOST = 1024
_FEWEST = 4
_WINDOW, _SMALLEST_WINDOW = 2, 64
_FIRST_RISE, _RISE, _FALL = 1.25, 1 / 16, 0.9
_LONG_QUEUE, _STEP, _LONG_WAIT = 0.02, 1.0, 0.07
_REST = 8
_SLOWER = 0.75


class Limit:
    """At most ``now`` requests in flight, by additive increase and multiplicative decrease (Chiu and Jain, 1989).

    What a runtime has no room for waits in its own queue, first come first served, where nothing can be sent before it
    any more, and is taken in one by one. So after each window of twice as many answers as there are requests in flight
    the limit falls by a tenth if some waited there, or if the runtime was slower by a quarter than before the last rise
    for two windows. Otherwise, if it has held requests back, it rises: by a quarter of what it is until it has fallen
    for the first time, and then by a sixteenth of where it began, after a rest of eight windows at what it has fallen
    to.

    How many wait the runtime says; one that has just come waits for a decode step to end, and counts for no more than
    that. Or else the answers say it: a straight line through their times, by tokens, crosses zero at the time that they
    were not worked on.

    Args:
        start: what it begins with.
        most: what it does not rise above.
        fixed: it is what it is.
    """

    def __init__(self, start: int, *, most: int = _MOST, fixed: bool = False) -> None:
        self.now = start
        self._start = start
        self._most = max(most, start)
        self._fixed = fixed
        self._has_fallen = False
        self._rest = 0
        self._speed_before_rise = 0.0
        self._was_slow = False
        self._begin(0.0)

    def note(self, tokens: int, seconds: float) -> None:
        """An answer of so many tokens has come, that was waited for so long."""
        if not self._fixed:
            self._answers += 1
            self._tokens += tokens
            self._seconds += seconds
            self._squares += tokens * tokens
            self._products += tokens * seconds

    @property
    def window_is_over(self) -> bool:
        """Whether enough has been noted for `adjust`."""
        return self._answers >= max(_WINDOW * self.now, _SMALLEST_WINDOW)

    def adjust(self, at: float, *, held_back: bool, waiting: float | None = None) -> None:
        """Find a new limit and begin a new window, ``at`` a time in seconds.

        ``held_back`` says whether there are requests that the limit keeps from being sent; ``waiting`` which share of
        those in flight the runtime says that it has not begun, None where it says nothing.
        """
        speed = self._tokens / max(at - self._since, 1e-9)
        if waiting is None:
            queues = self._share_of_waiting() > _LONG_WAIT
        else:
            queues = waiting > _LONG_QUEUE + _STEP * self._answers / max(self._tokens, 1)
        slow = speed < _SLOWER * self._speed_before_rise
        if queues or (slow and self._was_slow):
            self._has_fallen = True
            self._speed_before_rise = 0.0
            self.now = max(int(self.now * _FALL), min(_FEWEST, self._start))
            self._rest = _REST
        elif slow:
            pass  # one window says little
        elif self._rest:
            self._rest -= 1
        elif held_back and self.now < self._most:
            rise = self._start * _RISE if self._has_fallen else self.now * (_FIRST_RISE - 1)
            self._speed_before_rise = speed
            self.now = min(self.now + max(int(rise), 1), self._most)
        self._was_slow = slow and not self._was_slow
        self._begin(at)

    def _share_of_waiting(self) -> float:
        """Of the time that answers took, the share that is not explained by their tokens."""
        answers, tokens, seconds = self._answers, self._tokens, self._seconds
        spread = answers * self._squares - tokens * tokens
        if spread <= 0 or seconds <= 0:
            return 0.0  # all are alike
        slope = (answers * self._products - tokens * seconds) / spread
        return 1 - slope * tokens / seconds

    def _begin(self, at: float) -> None:
        self._since = at
        self._answers = self._tokens = self._squares = 0
        self._seconds = self._products = 0.0
