"""Whole solutions drawn to see what a node is worth."""

from __future__ import annotations

from collections.abc import Sequence

from asyncsearch.context import SearchContext
from asyncsearch.tree import Node

__all__ = ["roll_out"]


async def roll_out(tree: SearchContext, nodes: Sequence[Node]) -> list[Node]:
    """Draw the rest of a solution from every node that has not finished.

    ``max_tokens`` limits it, and ``max_depth`` does not.

    Returns:
        For each node the leaf that it came to: a candidate like any other. For a leaf that is itself.

    Raises:
        RuntimeGone: as `SearchContext.expand`; cancellation likewise.
    """
    unfinished = [node for node in nodes if not node.is_leaf]
    leaves = await tree.expand(unfinished, [1] * len(unfinished), whole_solutions=True)
    rollouts = dict(zip(unfinished, leaves, strict=True))
    return [rollouts.get(node, node) for node in nodes]
