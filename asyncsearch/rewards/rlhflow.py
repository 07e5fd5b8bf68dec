"""RLHFlow's process reward models: a conversation in which every step is a turn, and the answer is the label."""

from __future__ import annotations

import re

from asyncsearch.pieces import markup, words
from asyncsearch.rewards.format import RewardFormat
from runtimes.base import TokenLabels

__all__ = ["RLHFLOW"]

_USER = "<|start_header_id|>user<|end_header_id|>\n\n"
_ASSISTANT = "<|start_header_id|>assistant<|end_header_id|>\n\n"
_SYSTEM = (
    "<|begin_of_text|><|start_header_id|>system<|end_header_id|>\n\n"
    "Cutting Knowledge Date: December 2023\nToday Date: 26 Jul 2024\n\n<|eot_id|>"
)

RLHFLOW = RewardFormat(
    name="rlhflow",
    opening=(markup(_SYSTEM), markup(_USER), words("{problem}")),
    lead=" ",
    between=(markup("+<|eot_id|>"), markup(_USER)),
    tag=(markup(f"<|eot_id|>{_ASSISTANT}"),),
    readout=TokenLabels(good="+", bad="-"),
    model_name=re.compile("RLHFlow|PRM-(Deepseek|Mistral)-Data", re.IGNORECASE),
)
"""Softmax over "+" and "-" where the assistant's turn begins; turns before it say "+".

The text is Llama 3.1's chat template over the conversation that RLHFlow's evaluation builds
(RLHF-Reward-Modeling, ``math-rm/prm_evaluate.py``): the first turn holds the problem and the first step.
"""
