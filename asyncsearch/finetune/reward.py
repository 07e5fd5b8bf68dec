"""Training of process reward models with token labels, as Math-Shepherd's (Wang et al., arXiv 2312.08935)."""

from __future__ import annotations

import math
from collections.abc import Sequence

from transformers import PreTrainedTokenizerFast

from asyncsearch.finetune.training import IGNORED, Example
from asyncsearch.rewards.formats import RewardFormat
from runtimes.base import TokenLabels

__all__ = ["labelled_example", "step_auc"]


def labelled_example(
    tokenizer: PreTrainedTokenizerFast,
    problem: str,
    steps: Sequence[str],
    labels: Sequence[bool],
    format: RewardFormat,
    *,
    learn_right_steps: bool = False,
) -> Example:
    """Make the training sequence of one solution: at each step's tag the model is to predict its label.

    Args:
        tokenizer: the model's.
        problem: the question's text.
        steps: the solution's steps.
        labels: per step, whether the solution is right up to and including it.
        format: how the reward model is prompted; its readout must be `TokenLabels`.
        learn_right_steps: let right steps carry the language-model loss too. A model that can write a step
            knows more about whether it is right, and every token teaches it, where a label is one bit a step.

    Raises:
        ValueError: steps and labels differ in number, or the format reads no token labels.
    """
    if len(steps) != len(labels):
        raise ValueError(f"{len(steps)} steps, but {len(labels)} labels")
    if not isinstance(format.readout, TokenLabels):
        raise ValueError(f"format {format.name!r} has no token labels")
    good, bad = (
        tokenizer.encode(text, add_special_tokens=False)[-1] for text in (format.readout.good, format.readout.bad)
    )
    tokens = list(tokenizer.encode(format.opening_for(problem)))
    targets = [IGNORED] * len(tokens)
    tag_before: int | None = None  # the label that the tag just written is to predict
    for index, (step, label) in enumerate(zip(steps, labels, strict=True)):
        added = tokenizer.encode(format.step(step, first=index == 0), add_special_tokens=False)
        wanted = list(added) if label and learn_right_steps else [IGNORED] * len(added)
        wanted[-1] = IGNORED  # the tag itself is given, not predicted
        if tag_before is not None:
            wanted[0] = tag_before
        tokens += added
        targets += wanted
        tag_before = good if label else bad
    if tag_before is not None:
        # One more token, so that the last tag has a place for what it predicts.
        tokens.append(tokenizer.eos_token_id)
        targets.append(tag_before)
    return Example(tuple(tokens), tuple(targets))


def step_auc(scores: Sequence[float], labels: Sequence[bool]) -> float:
    """The probability that a right step scores above a wrong one (area under the ROC curve), ties half.

    Not a number where the labels are all the same.
    """
    ordered = sorted(zip(scores, labels, strict=True))
    positives = sum(labels)
    negatives = len(labels) - positives
    if not positives or not negatives:
        return math.nan
    wins, below, index = 0.0, 0, 0
    while index < len(ordered):
        end = index
        while end < len(ordered) and ordered[end][0] == ordered[index][0]:
            end += 1
        right = sum(label for _, label in ordered[index:end])
        wrong = end - index - right
        wins += right * (below + wrong / 2)
        below += wrong
        index = end
    return wins / (positives * negatives)
