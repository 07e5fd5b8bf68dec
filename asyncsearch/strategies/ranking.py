"""The best of some nodes."""

from __future__ import annotations

from collections.abc import Sequence

from asyncsearch.tree import Node

__all__ = ["best_nodes"]


def best_nodes(nodes: Sequence[Node], values: Sequence[float], count: int) -> list[Node]:
    """The ``count`` nodes of the greatest values, best first; of equal ones the earlier."""
    order = sorted(range(len(nodes)), key=lambda index: -values[index])
    return [nodes[index] for index in order[:count]]
