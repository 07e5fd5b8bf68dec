"""Beam search guided by a process reward model."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, ClassVar

from typing_extensions import Doc

from asyncsearch.context import SearchContext
from asyncsearch.strategies.base import ScoredStrategy
from asyncsearch.strategies.even_allocation import even_shares
from asyncsearch.strategies.ranking import best_nodes
from asyncsearch.tree import Node

__all__ = ["Beam"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Beam(ScoredStrategy):
    """Beam search: of each depth the best ``beams`` nodes are kept, and the width not yet spent is shared among them.

    Every kept node has as many children as the next, and ``width`` leaves are paid for, as by REBASE with equal shares
    (the fixed-width form of ETS's ``rebase.py``).
    With ``refill`` every depth is filled up to ``width`` candidates although some have finished before, as
    search-and-learn's ``beam_search.py`` does: it ends when ``width`` have finished, and the best ``width`` of them
    vote. With ``lookahead``, where there are more nodes than are kept, each is judged by where greedy decoding gets
    from it in so many steps.
    """

    name: ClassVar[str] = "beam"
    level_synchronous: ClassVar[bool] = True
    source: ClassVar[str] = (
        "Snell et al. 2024, Scaling LLM Test-Time Compute (arXiv 2408.03314); search-and-learn's beam_search.py"
    )

    beams: Annotated[int, Doc("nodes that are kept at each depth")] = 4
    lookahead: Annotated[int, Doc("greedy steps from a node to where it is judged")] = 0
    refill: Annotated[bool, Doc("fill every depth up to the width, whatever has finished")] = False

    def __post_init__(self) -> None:
        super(Beam, self).__post_init__()  # the short form does not work in a class with slots
        self._require("beams", minimum=1, whole=True)
        self._require("lookahead", minimum=0, whole=True)

    @property
    def every_leaf_votes(self) -> bool:
        """Not with ``refill``, which may find more than vote."""
        return not self.refill

    async def search(self, tree: SearchContext) -> None:
        """Expand depth by depth until the width is spent."""
        frontier, finished = [tree.root], 0
        while frontier and finished < self.width:
            ends = await tree.look_ahead(frontier, self.lookahead if len(frontier) > self.beams else 0)
            kept = best_nodes(frontier, [end.score for end in ends], self.beams)
            children = await tree.expand(kept, even_shares(len(kept), self.width - (0 if self.refill else finished)))
            finished += sum(child.is_leaf for child in children)
            frontier = [child for child in children if not child.is_leaf]
        if finished > self.width:
            leaves = list(tree.tree.leaves())
            chosen = best_nodes(leaves, [leaf.score for leaf in leaves], self.width)
            tree.discard(set(leaves) - set(chosen))

    def foresee(self, settled: Sequence[Node], growing: Sequence[Node]) -> list[int]:
        """As many as will be kept in proportion, the best by their own scores, and an even share for each."""
        frontier = [node for node in settled if not node.is_leaf]
        kept = math.ceil(self.beams * len(settled) / self.width)
        shares = dict(
            zip(
                best_nodes(frontier, [node.score for node in frontier], kept),
                even_shares(self.beams, self.width),
                strict=False,
            )
        )
        return [shares.get(node, 0) for node in settled]
