"""A model's voting curve with its fit."""

from __future__ import annotations

from dataclasses import dataclass

from asyncsearch.scaling.saturation import Saturation
from asyncsearch.scaling.voting_curve import VotingCurve

__all__ = ["FittedCurve"]


@dataclass(frozen=True, slots=True, kw_only=True)
class FittedCurve:
    """A voting curve of a model, and its fit, None where there are too few points for one.

    ``variant`` is as in `ScalingPoint`.
    """

    model: str
    variant: str
    curve: VotingCurve
    fit: Saturation | None

    @property
    def name(self) -> str:
        """What it is called in a figure."""
        return f"{self.model}: {self.named_method}"

    @property
    def named_method(self) -> str:
        """The vote with its variant."""
        return f"{self.curve.method} ({self.variant})" if self.variant else str(self.curve.method)
