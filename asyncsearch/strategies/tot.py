"""Tree of thoughts."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, ClassVar

from typing_extensions import Doc

from asyncsearch.context import SearchContext
from asyncsearch.errors import ConfigurationError
from asyncsearch.strategies.base import Strategy
from asyncsearch.strategies.ranking import best_nodes
from asyncsearch.tree import Node

__all__ = ["TreeOfThoughts", "step_score"]


def step_score(node: Node) -> float:
    """What the reward model gives the last step."""
    return node.score


@dataclass(frozen=True, slots=True, kw_only=True)
class TreeOfThoughts(Strategy):
    """Every state proposes some thoughts, and a value says which states are worth going on from.

    Breadth first the best ``states`` of each depth go on (algorithm 1). Depth first the best child goes on at once,
    children below ``threshold`` are passed over, and the search turns back where none is left (algorithm 2); what was
    passed over is returned to, best first, before anything is begun anew. Either begins anew at the root until
    ``width`` leaves are paid for.
    """

    name: ClassVar[str] = "tot"
    source: ClassVar[str] = "Yao et al. 2023, Tree of Thoughts (arXiv 2305.10601), algorithms 1 and 2"

    order: Annotated[str, Doc("breadth or depth")] = "breadth"
    thoughts: Annotated[int, Doc("children that a state is given")] = 4
    states: Annotated[int, Doc("states of one depth that go on, breadth first")] = 4
    threshold: Annotated[float, Doc("value below which a state is passed over, depth first")] = 0.0
    value: Annotated[Callable[[Node], float], Doc("of a node; from Python, any function")] = step_score

    def __post_init__(self) -> None:
        super(TreeOfThoughts, self).__post_init__()  # the short form does not work in a class with slots
        self._require("thoughts", minimum=1, whole=True)
        self._require("states", minimum=1, whole=True)
        self._require("threshold")
        self._require_one_of("order", ("breadth", "depth"))
        if not self.scored and self.value is step_score:
            raise ConfigurationError(f"{self.name}: scored must be true, or the value another function than the score")

    async def search(self, tree: SearchContext) -> None:
        """Search until the width is spent."""
        await (self._search_breadth(tree) if self.order == "breadth" else self._search_depth(tree))

    async def _search_breadth(self, tree: SearchContext) -> None:
        budget, frontier = self.width, [tree.root]
        while budget:
            kept = best_nodes(frontier, list(map(self.value, frontier)), self.states)
            counts = [max(min(self.thoughts, budget - self.thoughts * index), 0) for index in range(len(kept))]
            children = await tree.expand(kept, counts)
            budget -= sum(child.is_leaf for child in children)
            frontier = [child for child in children if not child.is_leaf] or [tree.root]

    async def _search_depth(self, tree: SearchContext) -> None:
        budget = self.width
        ahead: list[Node] = []  # best last
        passed_over: list[Node] = []
        while budget:
            if not ahead:
                best = best_nodes(passed_over, list(map(self.value, passed_over)), 1)
                passed_over = [node for node in passed_over if node not in best]
                ahead = best or [tree.root]
            children = await tree.expand([ahead.pop()], [min(self.thoughts, budget)])
            budget -= sum(child.is_leaf for child in children)
            open_children = [child for child in children if not child.is_leaf]
            ranked = best_nodes(open_children, list(map(self.value, open_children)), len(open_children))[::-1]
            ahead += [child for child in ranked if self.value(child) >= self.threshold]
            passed_over += [child for child in ranked if self.value(child) < self.threshold]
