"""Qwen2.5-Math-PRM."""

from __future__ import annotations

import re

from asyncsearch.pieces import markup, words
from asyncsearch.rewards.format import RewardFormat
from runtimes.base import HeadLabel

__all__ = ["QWEN_MATH_PRM"]

_SYSTEM = "Please reason step by step, and put your final answer within \\boxed{}."

QWEN_MATH_PRM = RewardFormat(
    name="qwen2.5-math-prm",
    opening=(
        markup(f"<|im_start|>system\n{_SYSTEM}<|im_end|>\n<|im_start|>user\n"),
        words("{problem}"),
        markup("<|im_end|>\n<|im_start|>assistant\n"),
    ),
    tag=(markup("<extra_0>"),),
    readout=HeadLabel(row=1),
    architectures=("Qwen2ForProcessRewardModel",),
    model_name=re.compile("Qwen2.5-Math(-7B)?-PRM", re.IGNORECASE),
)
"""Softmax over a head's two labels at a special token after each step (Zhang et al., arXiv 2501.07301; model card)."""
