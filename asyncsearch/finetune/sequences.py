"""The sequences that a model is trained on."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from asyncsearch.errors import ConfigurationError
from asyncsearch.format import Format
from asyncsearch.rewards import RewardFormat
from asyncsearch.training_data import TrainingSolution
from runtimes.text import TextCodec
from runtimes.tokens import PrefixTokens

__all__ = [
    "IGNORED",
    "UNLABELLED",
    "Encode",
    "Encoded",
    "TrainingSequence",
    "encode_all",
    "policy_encoder",
    "reward_encoder",
]

IGNORED = -100
"""The target of a token that nothing is learned at."""


UNLABELLED = -1
"""In an evaluation, the target of a step's end that nobody has labelled: what is known of the others depends on it."""


@dataclass(frozen=True, slots=True)
class TrainingSequence:
    """Token ids, and a target for each token or `IGNORED`.

    A policy's targets are token ids, each of which the token before it should predict, as transformers aligns them. A
    reward model's are probabilities in [0, 1], each to be given at its own token.
    """

    tokens: NDArray[np.int32]
    targets: NDArray[np.float32] | NDArray[np.int32]

    def __len__(self) -> int:
        return len(self.tokens)


Encode: TypeAlias = Callable[[TrainingSolution], TrainingSequence]


@dataclass(frozen=True, slots=True)
class Encoded:
    """Sequences, and how many solutions were left out for being longer than the model reads, or without a label."""

    sequences: tuple[TrainingSequence, ...]
    too_long: int
    longest: int
    unlabelled: int


def encode_all(solutions: Iterable[TrainingSolution], encode: Encode, *, max_length: int) -> Encoded:
    """Encode solutions, and leave out those of more than ``max_length`` tokens, or from which nothing is learned.

    A solution that is cut off would teach to end anywhere.

    Raises:
        ConfigurationError: nothing is left.
    """
    sequences: list[TrainingSequence] = []
    too_long = longest = unlabelled = 0
    for solution in solutions:
        sequence = encode(solution)
        longest = max(longest, len(sequence))
        if len(sequence) > max_length:
            too_long += 1
        elif (sequence.targets < 0).all():
            unlabelled += 1
        else:
            sequences.append(sequence)
    if not sequences:
        raise ConfigurationError(
            f"nothing is left to train on: {too_long:,} solutions are longer than max_length, {max_length} tokens (the "
            f"longest has {longest:,}), and {unlabelled:,} have no label to learn"
        )
    return Encoded(tuple(sequences), too_long, longest, unlabelled)


def policy_encoder(codec: TextCodec, format: Format, *, end_token: int) -> Encode:
    """How a policy sees a solution: the prompt as a search writes it, the solution, the end. The prompt is not learned.

    Steps are put together as ``format`` separates them.
    """
    separator = format.separator or "\n"

    def encode(solution: TrainingSolution) -> TrainingSequence:
        prompt = PrefixTokens(codec).of(format.opening_for(solution.problem))
        text = solution.steps[0]
        for step in solution.steps[1:]:
            text += step if text.endswith(separator) else separator + step
        written = [*codec.encode_continuation(text), end_token]
        targets = [*(IGNORED for _ in prompt), *written]
        return TrainingSequence(np.array([*prompt, *written], np.int32), np.array(targets, np.int32))

    return encode


def reward_encoder(codec: TextCodec, format: RewardFormat, *, last_only: bool, unlabelled: int = IGNORED) -> Encode:
    """How a reward model sees a solution: as a search has it read. The labels are given where scores are read.

    A step that nobody has labelled has the target ``unlabelled``. With ``last_only`` the last label counts alone.
    """

    def encode(solution: TrainingSolution) -> TrainingSequence:
        labels: Sequence[float | None] = solution.labels or [None] * len(solution.steps)
        prefix = format.opening_for(solution.problem)
        reads = []
        for index, step in enumerate(solution.steps):
            prefix = format.extend(prefix, step, first=index == 0)
            reads.append(prefix)
        tokens = PrefixTokens(codec)
        ids = tokens.of(prefix)
        targets = np.full(len(ids), IGNORED, np.float32)
        for position, label in list(zip(tokens.read_positions(reads), labels, strict=True))[-1 if last_only else 0 :]:
            targets[position] = unlabelled if label is None else label
        return TrainingSequence(np.array(ids, np.int32), targets)

    return encode
