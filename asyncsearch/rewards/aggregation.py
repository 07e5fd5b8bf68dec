"""From the scores of a solution's steps to one score."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType

from asyncsearch.errors import ConfigurationError

__all__ = ["AGGREGATIONS", "aggregate"]

AGGREGATIONS: Mapping[str, Callable[[Sequence[float]], float]] = MappingProxyType(
    {
        "last": lambda scores: scores[-1],
        "mean": lambda scores: math.fsum(scores) / len(scores),
        "min": min,
        "prod": math.prod,
    }
)
"""The four aggregations of the REBASE reference (``math_evaluate.py``), by name."""


def aggregate(scores: Sequence[float], method: str) -> float:
    """The one score of a solution whose steps have these scores; 0.0 where there are none.

    Raises:
        ConfigurationError: the method is unknown.
    """
    try:
        function = AGGREGATIONS[method]
    except KeyError:
        raise ConfigurationError(f"unknown aggregation {method!r}; known are {', '.join(AGGREGATIONS)}") from None
    return function(scores) if scores else 0.0
