"""Diverse verifier tree search."""

from __future__ import annotations

import bisect
import itertools
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, ClassVar

from typing_extensions import Doc

from asyncsearch.context import SearchContext
from asyncsearch.strategies.base import ScoredStrategy
from asyncsearch.strategies.even_allocation import even_shares
from asyncsearch.tree import Node

__all__ = ["Dvts"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Dvts(ScoredStrategy):
    """Diverse verifier tree search: independent subtrees, in each of which only the best node goes on.

    The root's ``width`` children fall into ``subtrees`` groups, so that a bad early step of one spoils no other. In
    each the best open node gets as many children as its subtree has places left: unlike search-and-learn's, whose
    finished siblings are thrown away, each finished solution takes a place, and ``width`` leaves are paid for. With
    ``lookahead``, where there is a choice, a node is judged by where greedy decoding gets from it in so many steps.
    """

    name: ClassVar[str] = "dvts"
    level_synchronous: ClassVar[bool] = True
    source: ClassVar[str] = (
        "Beeching et al. 2024, search-and-learn's diverse_verifier_tree_search.py; places as in ETS's rebase.py"
    )

    subtrees: Annotated[int, Doc("independent searches, among which the width is shared")] = 4
    lookahead: Annotated[int, Doc("greedy steps from a node to where it is judged")] = 0

    def __post_init__(self) -> None:
        super(Dvts, self).__post_init__()  # the short form does not work in a class with slots
        self._require("subtrees", minimum=1, whole=True)
        self._require("lookahead", minimum=0, whole=True)

    async def search(self, tree: SearchContext) -> None:
        """Expand all subtrees depth by depth, each until its places are taken."""
        places = [share for share in even_shares(self.subtrees, self.width) if share]
        shares, parents = places, [tree.root for _ in places]
        while parents:
            children = iter(await tree.expand(parents, shares))
            groups = [[next(children) for _ in range(share)] for share in shares]
            frontiers = [[child for child in group if not child.is_leaf] for group in groups]
            frontiers = [frontier for frontier in frontiers if frontier]
            rivals = [node for frontier in frontiers if len(frontier) > 1 for node in frontier]
            ends = await tree.look_ahead(rivals, self.lookahead)
            values = {node: end.score for node, end in zip(rivals, ends, strict=True)}
            parents = [max(frontier, key=lambda node: values.get(node, 0.0)) for frontier in frontiers]
            shares = [len(frontier) for frontier in frontiers]  # as many places are left as have not finished

    def foresee(self, settled: Sequence[Node], growing: Sequence[Node]) -> list[int]:
        """The best of each subtree that is settled, by their own scores, gets as many as are open there."""
        frontiers: defaultdict[int, list[Node]] = defaultdict(list)
        for node in settled:
            if not node.is_leaf:
                frontiers[self._subtree_of(node)].append(node)
        for node in growing:
            frontiers.pop(self._subtree_of(node), None)
        wanted = {max(frontier, key=lambda node: node.score): len(frontier) for frontier in frontiers.values()}
        return [wanted.get(node, 0) for node in settled]

    def _subtree_of(self, node: Node) -> int:
        return bisect.bisect(list(itertools.accumulate(even_shares(self.subtrees, self.width))), node.path[0])
