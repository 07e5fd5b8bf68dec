"""REBASE: reward balanced search."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, ClassVar

from typing_extensions import Doc

from asyncsearch.context import SearchContext
from asyncsearch.strategies.base import ScoredStrategy
from asyncsearch.strategies.foresight import foreseen_shares
from asyncsearch.strategies.rebase_allocation import legacy_rebase_shares, rebase_shares
from asyncsearch.tree import Node

__all__ = ["Rebase"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rebase(ScoredStrategy):
    """REward BAlanced SEarch (Wu et al. 2024, section 3.2).

    At each depth the width not yet spent on leaves is shared among the open nodes in proportion to
    softmax(score / ``softmax_temperature``); ``truncate_ratio`` keeps only the best part of them.
    ``legacy`` uses the published float32 arithmetic and its order of ties, for comparison.
    """

    name: ClassVar[str] = "rebase"
    level_synchronous: ClassVar[bool] = True
    source: ClassVar[str] = "Wu et al. 2024, Inference Scaling Laws (arXiv 2408.00724), section 3.2; rebase.py"

    softmax_temperature: Annotated[float, Doc("of the softmax over scores; lower favours the best nodes more")] = 0.2
    truncate_ratio: Annotated[float, Doc("share of the open nodes, best first, that are expanded, in (0, 1]")] = 1.0
    legacy: Annotated[bool, Doc("use the published arithmetic bit for bit (needs torch)")] = False

    def __post_init__(self) -> None:
        super(Rebase, self).__post_init__()  # the short form does not work in a class with slots
        self._require("softmax_temperature", above=0)
        self._require("truncate_ratio", above=0, maximum=1)

    @property
    def every_leaf_votes(self) -> bool:
        """With the published arithmetic more of them may than the width."""
        return not self.legacy

    async def search(self, tree: SearchContext) -> None:
        """Expand depth by depth until the width is spent."""
        frontier, budget = [tree.root], self.width
        while frontier and budget > 0:
            nodes, shares = self._allocate(frontier, budget)
            children = await tree.expand(nodes, shares)
            budget -= sum(child.is_leaf for child in children)
            frontier = [child for child in children if not child.is_leaf]

    def foresee(self, settled: Sequence[Node], growing: Sequence[Node]) -> list[int]:
        """See `foreseen_shares`."""
        return foreseen_shares(settled, self.softmax_temperature)

    def _allocate(self, frontier: list[Node], budget: int) -> tuple[list[Node], list[int]]:
        scores = [node.score for node in frontier]
        if not self.legacy:
            return frontier, rebase_shares(scores, budget, self.softmax_temperature, truncate_ratio=self.truncate_ratio)
        order, shares = legacy_rebase_shares(
            scores, budget, self.softmax_temperature, truncate_ratio=self.truncate_ratio
        )
        return [frontier[index] for index in order], [max(share, 0) for share in shares]
