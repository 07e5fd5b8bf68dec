"""Skywork-o1-Open-PRM."""

from __future__ import annotations

import re

from asyncsearch.pieces import markup, words
from asyncsearch.rewards.format import RewardFormat
from runtimes.base import BEGINNING_OF_SEQUENCE, HeadMean

__all__ = ["SKYWORK"]

SKYWORK = RewardFormat(
    name="skywork",
    opening=(markup(BEGINNING_OF_SEQUENCE), words("{problem}\n")),
    tag=(markup("\n"),),
    readout=HeadMean(),
    architectures=("Qwen2ForPrmModel",),
    model_name=re.compile("Skywork-o1-Open-PRM", re.IGNORECASE),
)
"""The sigmoid of a value head at the line break after each step, encoded on its own.

Source: SkyworkAI/skywork-o1-prm-inference, ``model_utils/io_utils.py`` and ``prm_model.py``.
"""
