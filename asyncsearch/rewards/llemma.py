"""The reward model of the REBASE reference."""

from __future__ import annotations

from asyncsearch.pieces import words
from asyncsearch.rewards.format import RewardFormat
from runtimes.base import HeadMean

__all__ = ["REFERENCE_HEAD"]

REFERENCE_HEAD = RewardFormat(
    name="reference-head",
    opening=(words("{problem} "),),
    between=(words("\n"),),
    tag=(words(" ки"),),
    readout=HeadMean(),
)
"""Math-Shepherd's text, and a head of two rows on Llemma (``hf_score.py``, ``rebase.py`` of the reference)."""
