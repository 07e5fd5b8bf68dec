"""Drawing tokens so that a sequence depends on its own seed and logits and on nothing beside it."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

__all__ = ["draw_tokens", "uniforms"]

_INCREMENT = np.uint64(0x9E3779B97F4A7C15)
_MIX_1 = np.uint64(0xBF58476D1CE4E5B9)
_MIX_2 = np.uint64(0x94D049BB133111EB)


def uniforms(seeds: NDArray[np.uint64], positions: NDArray[np.uint64]) -> NDArray[np.float64]:
    """One number in [0, 1) per pair of seed and position in the sequence: a counter, not a state.

    SplitMix64 (Steele, Lea and Flood 2014), twice, so that neighbouring seeds share no stretch of numbers.
    """
    with np.errstate(over="ignore"):
        return _mix(_mix(seeds) + positions * _INCREMENT).astype(np.float64) * 2.0**-64


def _mix(state: NDArray[np.uint64]) -> NDArray[np.uint64]:
    mixed = state + _INCREMENT
    mixed = (mixed ^ (mixed >> np.uint64(30))) * _MIX_1
    mixed = (mixed ^ (mixed >> np.uint64(27))) * _MIX_2
    mixed = mixed ^ (mixed >> np.uint64(31))
    # 53 bits, so that the largest value stays below 1 in float64.
    return mixed & np.uint64(0xFFFFFFFFFFFFF800)


def draw_tokens(
    logits: torch.Tensor, temperatures: torch.Tensor, top_ps: torch.Tensor, numbers: torch.Tensor
) -> torch.Tensor:
    """Draw one token per row by inverting the cumulative distribution.

    Args:
        logits: [rows, vocabulary].
        temperatures: [rows], float64; 0 takes the likeliest token, the lowest id of equal ones.
        top_ps: [rows], float64, in (0, 1].
        numbers: [rows], float64, uniform in [0, 1).

    Returns:
        Token ids, [rows].
    """
    best = logits.argmax(dim=-1)
    greedy = temperatures == 0
    if bool(greedy.all()):
        return best
    scaled = logits.double() / torch.where(greedy, 1.0, temperatures)[:, None]
    probabilities = scaled.softmax(dim=-1)
    if bool((top_ps < 1).any()):
        probabilities = _keep_top(probabilities, top_ps)
    cumulative = probabilities.cumsum(dim=-1)
    thresholds = numbers[:, None] * cumulative[:, -1:]
    drawn = torch.searchsorted(cumulative, thresholds, right=True)[:, 0]
    return torch.where(greedy, best, drawn.clamp(max=logits.shape[-1] - 1))


def _keep_top(probabilities: torch.Tensor, top_ps: torch.Tensor) -> torch.Tensor:
    """Zero all but the smallest set of likeliest tokens that reaches ``top_p``."""
    ordered, order = probabilities.sort(dim=-1, descending=True, stable=True)
    mass_before = ordered.cumsum(dim=-1) - ordered
    kept = torch.where(mass_before < top_ps[:, None], ordered, 0.0)
    return torch.zeros_like(probabilities).scatter(-1, order, kept)
