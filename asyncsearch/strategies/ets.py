"""Efficient tree search: REBASE that prunes what costs more than it is worth."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Annotated, ClassVar

from typing_extensions import Doc

from asyncsearch.context import SearchContext
from asyncsearch.errors import ConfigurationError
from asyncsearch.strategies.base import ScoredStrategy
from asyncsearch.strategies.ets_selection import (
    Selection,
    cluster_texts,
    retain_exactly,
    retain_greedily,
    trigram_counts,
)
from asyncsearch.strategies.foresight import foreseen_shares
from asyncsearch.strategies.rebase_allocation import rebase_shares
from asyncsearch.tree import Node

__all__ = ["Ets"]

_SOLVERS = {"exact": retain_exactly, "greedy": retain_greedily}


@dataclass(frozen=True, slots=True, kw_only=True)
class Ets(ScoredStrategy):
    """Efficient tree search: before REBASE shares the width, nodes are dropped that cost more than they are worth.

    What is kept is worth REBASE's shares of it; it costs its share of the nodes of the tree, which are its keys and
    values in the server's memory; and it is to cover different ways to go on, which are clusters of the last steps'
    texts by ``embed``. The nodes of the greatest value are found by an integer program, or greedily.
    """

    name: ClassVar[str] = "ets"
    level_synchronous: ClassVar[bool] = True
    source: ClassVar[str] = "Hooper et al. 2025, ETS (arXiv 2502.13575), section 4; rebase.py of its repository"

    softmax_temperature: Annotated[float, Doc("of the softmax over scores, as REBASE's")] = 0.2
    cost: Annotated[float, Doc("weight of the share of nodes that are kept (lambda_b)")] = 1.0
    diversity: Annotated[float, Doc("weight of the share of clusters that are covered (lambda_d)")] = 1.5
    solver: Annotated[str, Doc("exact or greedy")] = "exact"
    embed: Annotated[Callable[[Sequence[str]], Sequence[Sequence[float]]], Doc("vectors of texts")] = trigram_counts

    def __post_init__(self) -> None:
        super(Ets, self).__post_init__()  # the short form does not work in a class with slots
        self._require("softmax_temperature", above=0)
        self._require("cost", minimum=0)
        self._require("diversity", minimum=0)
        self._require_one_of("solver", _SOLVERS)
        if importlib.util.find_spec("scipy") is None:
            raise ConfigurationError(f"{self.name} needs scipy; install it with pip install 'asyncsearch[ets]'")

    async def search(self, tree: SearchContext) -> None:
        """Drop nodes and expand what is kept, depth by depth, until the width is spent."""
        frontier, budget = [tree.root], self.width
        while frontier and budget > 0:
            kept = self._retain(tree.root, frontier, budget)
            shares = rebase_shares([node.score for node in kept], budget, self.softmax_temperature)
            children = await tree.expand(kept, shares)
            budget -= sum(child.is_leaf for child in children)
            frontier = [child for child in children if not child.is_leaf]

    def foresee(self, settled: Sequence[Node], growing: Sequence[Node]) -> list[int]:
        """As REBASE: what will be dropped is known when all are there."""
        return foreseen_shares(settled, self.softmax_temperature)

    def _retain(self, root: Node, frontier: Sequence[Node], budget: int) -> list[Node]:
        """The nodes of the frontier that are worth their cost, in its order."""
        if len(frontier) == 1:
            return list(frontier)
        shares = rebase_shares([node.score for node in frontier], budget, self.softmax_temperature)
        numbers: dict[Node, int] = {}
        lineages = [
            frozenset(numbers.setdefault(kept, len(numbers)) for kept in (root, *node.lineage())) for node in frontier
        ]
        selection = Selection(
            weights=[share / budget for share in shares],
            lineages=lineages,
            clusters=cluster_texts([node.text for node in frontier], self.embed),
            cost=self.cost,
            diversity=self.diversity,
        )
        retained = _SOLVERS[self.solver](selection)
        return [node for index, node in enumerate(frontier) if index in retained]
