"""Sequence classifiers with one label."""

from __future__ import annotations

from asyncsearch.pieces import words
from asyncsearch.rewards.format import RewardFormat
from runtimes.base import HeadMean

__all__ = ["CLASSIFIER"]

CLASSIFIER = RewardFormat(
    name="classifier",
    opening=(words("{problem}\n"),),
    between=(words("\n"),),
    tag=(),
    readout=HeadMean(),
    architectures=tuple(
        f"{family}ForSequenceClassification" for family in ("Llama", "Mistral", "Qwen2", "Qwen3", "Gemma2")
    ),
)
"""The sigmoid of the only logit after the text so far: an outcome reward model, whose score of a whole solution counts.

Read with the aggregation ``last``, the score of an answer is that of the solution that ends in it.
"""
