"""Reward models that read a policy's own layout."""

from __future__ import annotations

from asyncsearch.pieces import words
from asyncsearch.rewards.format import RewardFormat
from runtimes.base import TokenLabels

__all__ = ["LINES"]

LINES = RewardFormat(
    name="lines",
    opening=(words("{problem}\n"),),
    tag=(words("\n"),),
    readout=TokenLabels(good="+", bad="-"),
)
"""Softmax over "+" and "-" at the end of each step's line.

A model that began as such a policy knows every place of the text.
"""
