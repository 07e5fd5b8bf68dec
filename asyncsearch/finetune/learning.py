"""What policies and reward models learn, and how well they have."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch.nn import functional

from asyncsearch.finetune.heads import RewardHead, logits_of
from asyncsearch.finetune.metrics import reward_metrics
from asyncsearch.finetune.sequences import IGNORED, UNLABELLED
from asyncsearch.finetune.trainer import Learning

__all__ = ["policy_learning", "reward_learning"]


def policy_learning() -> Learning:
    """To predict the next token; measured by the mean loss of a token, and how many of them come first."""
    return Learning(loss=None, reduce=_token_losses, measure=_measure_policy)


def _token_losses(logits: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """Of each token's prediction the loss and whether it is right, [rows, tokens, 2]; the last predicts nothing."""
    following = torch.full_like(targets, IGNORED)
    following[:, :-1] = targets[:, 1:]
    losses = functional.cross_entropy(logits.float().transpose(1, 2), following, ignore_index=IGNORED, reduction="none")
    found = torch.stack([losses, (logits.argmax(dim=-1) == following).float()], dim=-1)
    return found.masked_fill((following == IGNORED)[..., None], IGNORED)


def _measure_policy(found: np.ndarray[Any, Any], targets: np.ndarray[Any, Any]) -> dict[str, float]:
    losses, right = found[found[..., 1] != IGNORED].T
    return {"evaluation_loss": float(losses.mean()), "token_accuracy": float(right.mean())}


def reward_learning(head: RewardHead, *, loss: str) -> Learning:
    """To give each labelled step its label as score, by cross-entropy or by the squared error.

    The reference's two losses, ``model_forward_with_loss`` and ``model_forward_with_regression_loss`` of its
    ``finetune_rm.py``: the mean over the labelled steps of a batch.
    """

    def compute(outputs: Any, targets: torch.Tensor, num_items_in_batch: torch.Tensor | None = None) -> torch.Tensor:
        known = targets >= 0
        logits, labels = logits_of(outputs.logits[known], head), targets[known]
        if loss == "squared":
            total = (logits.sigmoid() - labels).square().sum()
        else:
            total = functional.binary_cross_entropy_with_logits(logits, labels, reduction="sum")
        return total / (known.sum() if num_items_in_batch is None else num_items_in_batch)

    def reduce(logits: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        return logits_of(logits, head).sigmoid()

    def measure(scores: np.ndarray[Any, Any], targets: np.ndarray[Any, Any]) -> dict[str, float]:
        steps = targets != IGNORED
        metrics = reward_metrics(
            [row[of_row].tolist() for row, of_row in zip(scores, steps, strict=True)],
            [_labels(row[of_row]) for row, of_row in zip(targets, steps, strict=True)],
        )
        known = targets >= 0
        found, wanted = scores[known].astype(float), targets[known].astype(float)
        if loss == "squared":
            mean = np.square(found - wanted).mean()
        else:
            found = found.clip(1e-7, 1 - 1e-7)
            mean = -(wanted * np.log(found) + (1 - wanted) * np.log(1 - found)).mean()
        return {
            "evaluation_loss": float(mean),
            "step_auc": metrics.auc,
            "step_accuracy": metrics.accuracy,
            "calibration_error": metrics.calibration_error,
            "first_error_f1": metrics.first_error_f1,
        }

    return Learning(loss=compute, reduce=reduce, measure=measure)


def _labels(targets: np.ndarray[Any, Any]) -> list[float | None]:
    return [None if target == UNLABELLED else float(target) for target in targets]
