"""Numbers as they are shown."""

from __future__ import annotations

from asyncsearch.evaluation import Accuracy

__all__ = ["count", "duration", "interval", "operations", "percent", "rate", "whole_percents"]

_LONG = 1_000_000
"""From here on numbers are shortened."""

_FEW = 10
"""Below that, a rate's first decimal says something."""

_MINUTE, _HOUR, _DAY = 60, 3600, 86400


def count(number: int) -> str:
    """A number of tokens, or of anything else that there is much of."""
    return f"{number:,}" if number < _LONG else f"{number / 1e6:,.1f}M"


def rate(per_second: float | None) -> str:
    """Of anything, "-" where it is not known."""
    if per_second is None:
        return "-"
    return f"{per_second:.1f}" if round(per_second, 1) < _FEW else count(round(per_second))


def percent(share: float) -> str:
    """A share of one."""
    return f"{share:.1%}"


def interval(accuracy: Accuracy) -> str:
    """Its 95 % interval, in whole percents."""
    return whole_percents(*accuracy.interval())


def whole_percents(low: float, high: float) -> str:
    """From one share of one to another."""
    return f"{100 * low:.0f}-{high:.0%}"


def operations(count: float | None, *, digits: int = 2) -> str:
    """Floating-point operations, "-" where they are not known."""
    if not count:
        return "-" if count is None else "0"
    return f"{count:.{digits}e}".replace("e+0", "e").replace("e+", "e")


def duration(seconds: float) -> str:
    """As a clock would show it, and days and hours of what takes days."""
    whole = round(seconds)
    if whole >= _DAY:
        return f"{whole // _DAY}d {whole % _DAY // _HOUR:02}h"
    minutes = f"{whole % _HOUR // _MINUTE:02}:{whole % _MINUTE:02}"
    return f"{whole // _HOUR}:{minutes}" if whole >= _HOUR else minutes.removeprefix("0")
