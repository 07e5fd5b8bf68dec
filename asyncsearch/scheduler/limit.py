"""How many requests a lane has in flight, found by itself."""

from __future__ import annotations

import math

__all__ = ["Limit"]

_FEWEST, _FEW = 4, 16
_WINDOW, _SMALLEST_WINDOW = 2, 64
_FIRST_RISE, _RISE, _FALL = 1.5, 1 / 16, 0.9
_LONG_QUEUE, _LONG_WAIT = 0.02, 0.085
_REST = 8
_SLOWER = 0.75


class Limit:
    """At most ``now`` requests in flight, by additive increase and multiplicative decrease (Chiu and Jain, 1989).

    What a runtime has no room for waits in its own queue, first come first served, where nothing can be sent before it
    any more, and is taken in one by one. So after each window of twice as many answers as there are requests in flight
    the limit falls by a tenth if some waited there, or if the runtime was slower by a quarter than before the last rise
    for two windows. Otherwise, if it has held requests back, it rises: by half of what it is until it falls for the
    first time, by a third, back to where it was; and then by a sixteenth of what it has fallen to, after a rest of
    eight windows.

    How many wait the runtime says, or the answers do: a straight line through their seconds, by tokens, crosses zero at
    those in which they were not decoded. With few requests in flight, as it therefore begins, that is the way there and
    the pass over the prompt; what it is more than that is the queue (as in TCP Vegas, Brakmo and Peterson, 1995).
    Nothing is inferred from the answers of a runtime whose room is known.

    Args:
        start: what it begins with.
        most: what it does not rise above, ``start`` where that is known to be the room; by default it stays what it is.
    """

    def __init__(self, start: int, *, most: int | None = None) -> None:
        self.now = start
        self._start = start
        self._most = most
        self._has_fallen = False
        self._rise = 0
        self._rest = 0
        self._speed_before_rise = 0.0
        self._was_slow = False
        self._least_wait = math.inf
        self.begin_window(0.0)

    def note(self, tokens: int, seconds: float) -> None:
        """An answer of so many tokens has come, that was waited for so long."""
        if self._most is not None:
            self._answers += 1
            self._tokens += tokens
            self._seconds += seconds
            self._squares += tokens * tokens
            self._products += tokens * seconds

    @property
    def seconds_per_token(self) -> float:
        """Of the answers of this window; 0 before the first."""
        return self._seconds / max(self._tokens, 1)

    @property
    def window_is_over(self) -> bool:
        """Whether enough has been noted for `adjust`."""
        return self._answers >= max(_WINDOW * self.now, _SMALLEST_WINDOW)

    def adjust(self, at: float, *, held_back: bool, waiting: float | None = None) -> None:
        """Find a new limit and begin a new window, ``at`` a time in seconds.

        ``held_back`` says whether there are requests that the limit keeps from being sent; ``waiting`` which share of
        those in flight the runtime says that it has not begun, None where it says nothing.
        """
        assert self._most is not None, "it is what it is"
        speed = self._tokens / max(at - self._since, 1e-9)
        if waiting is not None:
            queues = waiting > _LONG_QUEUE
        elif self._most == self._start:  # so much is known to be right
            queues = False
        elif self.now <= _FEW:
            self._least_wait = self._mean_wait()
            queues = False
        elif self._least_wait == math.inf:
            self.now, self._rest = _FEW, 1  # until those are answered that were there before
            self._speed_before_rise = 0.0
            self.begin_window(at)
            return
        else:
            wait = self._mean_wait()
            self._least_wait = min(wait, self._least_wait)
            queues = (wait - self._least_wait) * self._answers > _LONG_WAIT * self._seconds
        slow = held_back and speed < _SLOWER * self._speed_before_rise
        if queues or (slow and self._was_slow):
            fall = _FALL if self._has_fallen else 1 / _FIRST_RISE
            self._has_fallen = True
            self._speed_before_rise = 0.0
            self.now = max(int(self.now * fall), min(_FEWEST, self._start))
            self._rise = max(int(self.now * _RISE), 1)
            self._rest = _REST
        elif slow:
            pass  # one window says little
        elif self._rest:
            self._rest -= 1
        elif held_back and self.now < self._most:
            rise = self._rise if self._has_fallen else max(int(self.now * (_FIRST_RISE - 1)), 1)
            self._speed_before_rise = speed
            self.now = min(self.now + rise, self._most)
        self._was_slow = slow and not self._was_slow
        self.begin_window(at)

    def _mean_wait(self) -> float:
        """Seconds of an answer that are not explained by its tokens."""
        answers, tokens, seconds = self._answers, self._tokens, self._seconds
        spread = answers * self._squares - tokens * tokens
        if spread <= 0:
            return 0.0  # all are alike
        slope = (answers * self._products - tokens * seconds) / spread
        return max(seconds - slope * tokens, 0.0) / answers

    def begin_window(self, at: float) -> None:
        """Forget what has been noted; the limit stays what it is. ``at`` is a time in seconds."""
        self._since = at
        self._answers = self._tokens = self._squares = 0
        self._seconds = self._products = 0.0
