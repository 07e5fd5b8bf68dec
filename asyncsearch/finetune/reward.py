"""Training of process reward models with token labels, as Math-Shepherd's (Wang et al., arXiv 2312.08935)."""

from __future__ import annotations

from collections.abc import Sequence

from transformers import PreTrainedTokenizerFast

from asyncsearch.finetune.training import IGNORED, Example
from asyncsearch.rewards import RewardFormat
from runtimes.base import TokenLabels

__all__ = ["compared_example", "labelled_example", "labels_of"]


def labelled_example(
    tokenizer: PreTrainedTokenizerFast,
    problem: str,
    steps: Sequence[str],
    labels: Sequence[bool],
    format: RewardFormat,
) -> Example:
    """Make the training sequence of one solution: at each step's tag the model is to predict its label.

    Args:
        tokenizer: the model's.
        problem: the question's text.
        steps: the solution's steps.
        labels: per step, whether the solution is right up to and including it.
        format: how the reward model is prompted; its readout must be `TokenLabels`.

    Raises:
        ValueError: steps and labels differ in number, or the format reads no token labels.
    """
    if len(steps) != len(labels):
        raise ValueError(f"{len(steps)} steps, but {len(labels)} labels")
    tokens = _encode(tokenizer, format.opening_text(problem))
    verdicts: list[bool | None] = [None] * len(tokens)
    for index, label in enumerate(labels):
        added = _encode(tokenizer, format.step_text(steps[index], first=index == 0))
        tokens += added
        verdicts += [*[None] * (len(added) - 1), label]
    return _example(tokenizer, tokens, verdicts, format)


def compared_example(
    tokenizer: PreTrainedTokenizerFast,
    opening: str,
    steps: Sequence[str],
    worked_steps: Sequence[str],
    format: RewardFormat,
) -> Example:
    """Make a training sequence in which every token is labelled with whether it is what should stand there.

    A tag says only that something before it is wrong; here each token says what. Of a step the tokens up to the
    first wrong one are labelled, for what should follow that is anyone's guess.

    Args:
        tokenizer: the model's.
        opening: the text before the first step, all of it right.
        steps: what is written.
        worked_steps: what each step should have been.
        format: how the reward model is prompted; its readout must be `TokenLabels`.

    Raises:
        ValueError: the format reads no token labels.
    """
    tokens = _encode(tokenizer, opening)
    verdicts: list[bool | None] = [True] * len(tokens)
    for index, step in enumerate(steps):
        added = _encode(tokenizer, format.step_text(step, first=index == 0))
        expected: list[int] = []
        if index < len(worked_steps):
            expected = _encode(tokenizer, format.step_text(worked_steps[index], first=index == 0))
        agreeing = 0
        while agreeing < min(len(added), len(expected)) and added[agreeing] == expected[agreeing]:
            agreeing += 1
        found = [True] * agreeing + [False] * (agreeing < len(added))
        tokens += added
        verdicts += [*found, *[None] * (len(added) - len(found))]
    return _example(tokenizer, tokens, verdicts, format)


def _encode(tokenizer: PreTrainedTokenizerFast, text: str) -> list[int]:
    return list(tokenizer.encode(text, add_special_tokens=False))


def labels_of(tokenizer: PreTrainedTokenizerFast, format: RewardFormat) -> tuple[int, int]:
    """The tokens that say right and wrong.

    Raises:
        ValueError: the format reads no token labels.
    """
    if not isinstance(format.readout, TokenLabels):
        raise ValueError(f"format {format.name!r} has no token labels")
    return _encode(tokenizer, format.readout.good)[-1], _encode(tokenizer, format.readout.bad)[-1]


def _example(
    tokenizer: PreTrainedTokenizerFast, tokens: Sequence[int], verdicts: Sequence[bool | None], format: RewardFormat
) -> Example:
    good, bad = labels_of(tokenizer, format)
    labels = [IGNORED if verdict is None else good if verdict else bad for verdict in verdicts]
    # One more token, so that the last tag has a place for what it predicts.
    return Example((*tokens, tokenizer.eos_token_id), (IGNORED, *labels))
