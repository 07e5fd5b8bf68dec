"""Math-Shepherd's process reward models."""

from __future__ import annotations

import re

from asyncsearch.pieces import words
from asyncsearch.rewards.format import RewardFormat
from runtimes.base import TokenLabels

__all__ = ["MATH_SHEPHERD"]

MATH_SHEPHERD = RewardFormat(
    name="math-shepherd",
    opening=(words("{problem} "),),
    between=(words("\n"),),
    tag=(words(" ки"),),
    readout=TokenLabels(good="+", bad="-"),
    model_name=re.compile("math-shepherd", re.IGNORECASE),
)
"""Softmax over "+" and "-" at a step tag (Wang et al., arXiv 2312.08935; peiyi9979/math-shepherd-mistral-7b-prm)."""
