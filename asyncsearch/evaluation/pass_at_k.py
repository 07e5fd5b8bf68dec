"""How likely one of k candidates is right."""

from __future__ import annotations

import math

__all__ = ["pass_at_k"]


def pass_at_k(right: int, candidates: int, k: int) -> float:
    """The share of all choices of ``k`` among so many candidates in which one of the ``right`` ones is.

    For candidates that were sampled independently this is the unbiased estimate of pass@k (Chen et al. 2021, arXiv
    2107.03374, equation 1). Those of a tree search are not; there it says what is among them. A problem with fewer than
    ``k`` candidates is taken to have wrong ones for the rest.

    Raises:
        ValueError: ``k`` is below 1, or there are more right candidates than candidates.
    """
    if k < 1 or not 0 <= right <= candidates:
        raise ValueError(f"no pass@{k} of {right} among {candidates}")
    of = max(candidates, k)
    return 1.0 - math.comb(of - right, k) / math.comb(of, k)
