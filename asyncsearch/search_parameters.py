"""The parameters that every search has."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Annotated, ClassVar

from typing_extensions import Doc

from asyncsearch.errors import ConfigurationError

__all__ = ["SearchParameters"]


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchParameters:
    """What is drawn, how much of it, and whether it is scored. ``name`` is what messages call the search.

    Raises:
        ConfigurationError: a value is out of its range.
    """

    name: ClassVar[str]

    width: Annotated[int, Doc("leaves that the search pays for")] = 16
    temperature: Annotated[float, Doc("of the policy's sampling; 0 takes the likeliest token")] = 1.0
    top_p: Annotated[float, Doc("smallest probability mass that tokens are drawn from, in (0, 1]")] = 1.0
    max_tokens: Annotated[int, Doc("tokens generated along one path from the root to a leaf")] = 1024
    max_step_tokens: Annotated[int, Doc("tokens generated for one step")] = 256
    max_depth: Annotated[int, Doc("steps along one path; the rest of a solution that is drawn as a whole is one")] = 25
    scored: Annotated[bool, Doc("whether the reward model scores the nodes")] = True

    def __post_init__(self) -> None:
        for name in ("width", "max_tokens", "max_step_tokens", "max_depth"):
            self._require(name, minimum=1, whole=True)
        self._require("temperature", minimum=0)
        self._require("top_p", above=0, maximum=1)

    def _require(
        self,
        name: str,
        *,
        minimum: float | None = None,
        above: float | None = None,
        maximum: float | None = None,
        whole: bool = False,
    ) -> None:
        """Check that a parameter is a number in its range."""
        value = getattr(self, name)
        limits = [
            f"{sign} {limit}"
            for sign, limit in (("at least", minimum), ("above", above), ("at most", maximum))
            if limit is not None
        ]
        if (
            not isinstance(value, int if whole else (int, float))
            or isinstance(value, bool)
            or not math.isfinite(value)
            or (minimum is not None and value < minimum)
            or (above is not None and value <= above)
            or (maximum is not None and value > maximum)
        ):
            kind = ["a whole number"] if whole and isinstance(value, float) else [] if limits else ["a number"]
            wanted = ", ".join([*kind, *([" and ".join(limits)] if limits else [])])
            raise ConfigurationError(f"{self.name}: {name} must be {wanted}, not {value!r}")

    def _require_one_of(self, name: str, choices: Iterable[str]) -> None:
        """Check that a parameter is one of some words."""
        value = getattr(self, name)
        if value not in choices:
            raise ConfigurationError(f"{self.name}: {name} must be {' or '.join(choices)}, not {value!r}")
