"""How many requests a lane has in flight, found by itself."""

from __future__ import annotations

__all__ = ["Limit"]

_MOST = 1024
_FEWEST = 4
_SMALLEST_WINDOW = 32
_RAISE, _LOWER = 1 / 16, 0.9
_LONG_QUEUE = 0.1
_SLOWER = 0.9


class Limit:
    """At most ``now`` requests in flight, by additive increase and multiplicative decrease (Chiu and Jain, 1989).

    What a runtime cannot work on yet waits in its own queue, first come first served, where nothing can be sent before
    it any more. So after each window of as many answers as there are requests in flight, the limit is lowered by a
    tenth if more than a tenth of the requests waited there, or if the last rise made the runtime slower by a tenth; and
    raised by a sixteenth of where it began if there were more requests than it let through.

    How many wait the runtime says, or the answers do: a straight line through their times, by tokens, crosses zero at
    the time that none of them was worked on.

    Args:
        start: what it begins with.
        most: what it is never raised above.
        fixed: it is what it is.
    """

    def __init__(self, start: int, *, most: int = _MOST, fixed: bool = False) -> None:
        self.now = start
        self._start = start
        self._most = max(most, start)
        self._fixed = fixed
        self._raised_from: float | None = None
        self._begin(0.0)

    def note(self, tokens: int, seconds: float) -> None:
        """An answer has come that was waited for so long."""
        if not self._fixed:
            self._answers += 1
            self._tokens += tokens
            self._seconds += seconds
            self._squares += tokens * tokens
            self._products += tokens * seconds

    @property
    def window_is_over(self) -> bool:
        """Whether enough is known for `adjust`."""
        return self._answers >= max(self.now, _SMALLEST_WINDOW)

    def adjust(self, at: float, *, more: bool, waiting: float | None = None) -> None:
        """Find a new limit and begin a new window, ``at`` a time in seconds.

        ``more`` says whether requests are held back by the limit; ``waiting`` which share of those in flight the
        runtime says that it has not begun, None where it says nothing.
        """
        share = self._waiting_share() if waiting is None else waiting
        speed = self._tokens / max(at - self._since, 1e-9)
        slower = self._raised_from is not None and speed < _SLOWER * self._raised_from
        self._raised_from = None
        if share > _LONG_QUEUE or slower:
            self.now = max(int(self.now * _LOWER), min(_FEWEST, self._start))
        elif more and self.now < self._most:
            self.now = min(self.now + max(int(self._start * _RAISE), 1), self._most)
            self._raised_from = speed
        self._begin(at)

    def _waiting_share(self) -> float:
        """Of the time that answers were waited for, the share that is not explained by their tokens."""
        count, tokens, seconds = self._answers, self._tokens, self._seconds
        spread = count * self._squares - tokens * tokens
        if spread <= 0 or seconds <= 0:
            return 0.0  # all are alike
        slope = (count * self._products - tokens * seconds) / spread
        return 1 - slope * tokens / seconds

    def _begin(self, at: float) -> None:
        self._since = at
        self._answers = self._tokens = self._squares = 0
        self._seconds = self._products = 0.0
