"""What REBASE's allocation will probably be, before all scores are there."""

from __future__ import annotations

from collections.abc import Sequence

from asyncsearch.strategies.rebase_allocation import rebase_shares
from asyncsearch.tree import Node

__all__ = ["foreseen_shares"]


def foreseen_shares(settled: Sequence[Node], temperature: float) -> list[int]:
    """The share of each node of a level, as if those that are settled were all.

    Each child of a level has one of the budget to spend, and a leaf takes its own with it.
    """
    frontier = [node for node in settled if not node.is_leaf]
    shares = rebase_shares([node.score for node in frontier], len(frontier), temperature)
    wanted = dict(zip(frontier, shares, strict=True))
    return [wanted.get(node, 0) for node in settled]
