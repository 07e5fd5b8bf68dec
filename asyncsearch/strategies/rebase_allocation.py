"""How REBASE shares a width among scored nodes: pure arithmetic, no I/O, no clock."""

from __future__ import annotations

import math
from collections.abc import Sequence

__all__ = ["legacy_rebase_shares", "rebase_shares"]

_ROUNDING = 1e-9
"""A share this little above a whole number is that number: two scores equal but for rounding share evenly."""


def rebase_shares(scores: Sequence[float], width: int, temperature: float, *, truncate_ratio: float = 1.0) -> list[int]:
    """Share ``width`` among nodes in proportion to softmax(score / temperature).

    Nodes are taken from the highest score to the lowest, equal scores by index; each gets
    ceil(width left * its weight / weight left), as in REBASE (Wu et al., arXiv 2408.00724, section 3.2, and
    the published ``rebase.py``). Unlike the published float32 arithmetic, weights are shifted by their
    maximum, the weight left is a suffix sum and not a running difference, and no node gets more than is
    left or more than a better one: see `legacy_rebase_shares`.

    Args:
        scores: finite scores, one per node.
        width: leaves to pay for; the shares sum to exactly this.
        temperature: above 0; towards 0 the best node takes all.
        truncate_ratio: only the best ceil(count * ratio) nodes get a share, in (0, 1].

    Returns:
        The share of each node, in the order of ``scores``. Shares never increase as scores fall, and do not
        change when a constant is added to every score.

    Raises:
        ValueError: a score is not finite, or a parameter is out of its range.
    """
    if width < 0 or temperature <= 0 or not 0 < truncate_ratio <= 1:
        raise ValueError(f"width {width}, temperature {temperature}, truncate_ratio {truncate_ratio}: out of range")
    if not all(map(math.isfinite, scores)):
        raise ValueError("scores must be finite")
    shares = [0] * len(scores)
    if not scores:
        return shares
    order = sorted(range(len(scores)), key=lambda index: -scores[index])
    order = order[: math.ceil(len(scores) * truncate_ratio)]
    best = scores[order[0]]
    weights = [math.exp((scores[index] - best) / temperature) for index in order]
    weights_left = weights[:]  # suffix sums, smallest terms first
    for position in range(len(order) - 2, -1, -1):
        weights_left[position] += weights_left[position + 1]

    left, ceiling = width, width
    for index, weight, weight_left in zip(order, weights, weights_left, strict=True):
        # A weight may underflow to 0, and then so have all those after it.
        wanted = math.ceil(left * (weight / weight_left) - _ROUNDING) if weight_left > 0 else 0
        shares[index] = min(wanted, ceiling)
        left, ceiling = left - shares[index], shares[index]
    for index in order[:left]:  # whatever the ceilings held back
        shares[index] += 1
    return shares


def legacy_rebase_shares(
    scores: Sequence[float], width: int, temperature: float, *, truncate_ratio: float = 1.0
) -> tuple[list[int], list[int]]:
    """The published arithmetic, bit for bit: float32, running remainders, ties in its order.

    ``rebase.py`` of the reference sorts ascending (stable) and reverses, so that of two equal scores the
    later node comes first; it exponentiates unshifted scores, and subtracts weights from a running float32
    sum. The shares may sum to one more than ``width``, and overflow for a small temperature.

    Returns:
        The order in which nodes are expanded (indices into ``scores``), and the share of each in that order.

    Raises:
        ValueError: float32 overflows or the remaining weight vanishes, where the reference would crash too.
    """
    import torch  # noqa: PLC0415 - here alone: its exp and its sum round as no other library's do

    order = sorted(range(len(scores)), key=lambda index: scores[index])[::-1]
    order = order[: math.ceil(len(scores) * truncate_ratio)]
    weights = torch.exp(torch.tensor([scores[index] for index in order], dtype=torch.float32) / temperature)
    weight_left = weights.sum()
    shares: list[int] = []
    left = width
    for weight in weights:
        try:
            share = math.ceil((left * weight / weight_left).item())
        except (OverflowError, ValueError):
            raise ValueError(
                "the published arithmetic overflows here: use legacy=False or a higher temperature"
            ) from None
        shares.append(share)
        left -= share
        weight_left = weight_left - weight
    return order, shares
