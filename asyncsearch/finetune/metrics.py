"""How well a reward model tells right steps from wrong ones."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["RewardMetrics", "calibration_error", "first_error", "reward_metrics", "step_auc"]

_BINS = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class RewardMetrics:
    """Of ``steps`` labelled steps, those with a label of 0.5 or more being right; not a number where there are none.

    ``auc`` is the probability that a right step scores above a wrong one; ``accuracy`` how often a score of 0.5 or
    more is a right step's; ``calibration_error`` (ECE) how far scores are from the share of right steps, in ten bins.
    ``first_error_f1`` is ProcessBench's (Zheng et al., arXiv 2412.06559): of ``solutions``, the harmonic mean of how
    often the first wrong step is found, and how often nothing is found in those without one.
    """

    steps: int
    solutions: int
    auc: float
    accuracy: float
    calibration_error: float
    first_error_f1: float


def reward_metrics(scores: Sequence[Sequence[float]], labels: Sequence[Sequence[float | None]]) -> RewardMetrics:
    """Measure the scores of solutions' steps, all in [0, 1], against their labels.

    A solution whose steps are not labelled up to its first wrong one does not count for the F1.
    """
    pairs = [
        (score, label >= 0.5)
        for some_scores, some_labels in zip(scores, labels, strict=True)
        for score, label in zip(some_scores, some_labels, strict=True)
        if label is not None
    ]
    every = np.array([score for score, _ in pairs])
    right = np.array([label for _, label in pairs], bool)
    found = [
        (label, first_error(some_scores))
        for some_scores, some_labels in zip(scores, labels, strict=True)
        if (label := _first_labelled_error(some_labels)) is not None
    ]
    return RewardMetrics(
        steps=len(pairs),
        solutions=len(found),
        auc=step_auc(every.tolist(), right.tolist()),
        accuracy=float(((every >= 0.5) == right).mean()) if pairs else math.nan,
        calibration_error=calibration_error(every, right),
        first_error_f1=_first_error_f1(found),
    )


def first_error(scores: Sequence[float], *, threshold: float = 0.5) -> int:
    """The index of the first step whose score is below the threshold, -1 where there is none."""
    return next((index for index, score in enumerate(scores) if score < threshold), -1)


def calibration_error(scores: NDArray[np.float64], right: NDArray[np.bool_]) -> float:
    """Expected calibration error (Guo et al., arXiv 1706.04599) over ten bins of equal width."""
    if not len(scores):
        return math.nan
    bins = np.minimum((scores * _BINS).astype(int), _BINS - 1)
    size = np.bincount(bins, minlength=_BINS)
    mean_score = np.bincount(bins, weights=scores, minlength=_BINS)
    mean_right = np.bincount(bins, weights=right, minlength=_BINS)
    return float(np.abs(mean_score - mean_right).sum() / size.sum())


def step_auc(scores: Sequence[float], labels: Sequence[bool]) -> float:
    """The probability that a right step scores above a wrong one (area under the ROC curve), ties half.

    Not a number where the labels are all the same.
    """
    every, right = np.asarray(scores, float), np.asarray(labels, bool)
    positives = int(right.sum())
    negatives = len(right) - positives
    if not positives or not negatives:
        return math.nan
    _, ties, counts = np.unique(every, return_inverse=True, return_counts=True)
    ranks = np.cumsum(counts) - (counts - 1) / 2  # of equal scores, the mean of theirs
    return float((ranks[ties][right].sum() - positives * (positives + 1) / 2) / (positives * negatives))


def _first_labelled_error(labels: Sequence[float | None]) -> int | None:
    """The index of the first wrong step, -1 where all are right; None where that is not known."""
    for index, label in enumerate(labels):
        if label is None:
            return None
        if label < 0.5:
            return index
    return -1


def _first_error_f1(found: Sequence[tuple[int, int]]) -> float:
    wrong = [label == guess for label, guess in found if label >= 0]
    right = [label == guess for label, guess in found if label < 0]
    if not wrong or not right:
        return math.nan
    of_wrong, of_right = sum(wrong) / len(wrong), sum(right) / len(right)
    return 2 * of_wrong * of_right / (of_wrong + of_right) if of_wrong + of_right else 0.0
