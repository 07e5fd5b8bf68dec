"""Monte Carlo tree search."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import Annotated, ClassVar

from typing_extensions import Doc

from asyncsearch.context import SearchContext
from asyncsearch.strategies.base import ScoredStrategy
from asyncsearch.strategies.rollouts import roll_out
from asyncsearch.strategies.tree_statistics import Visits, puct, uct
from asyncsearch.tree import Node, NodeState

__all__ = ["Mcts"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Mcts(ScoredStrategy):
    """Monte Carlo tree search: the nodes that promise most are expanded, wave by wave.

    A node is given its children at once, each child is evaluated, and its value is the mean of all evaluations below
    it. An evaluation is the child's score (``evaluation`` score), or that of a whole solution drawn from it, which is a
    candidate too (rollout). Before anything comes back, ``wave`` nodes are selected, each knowing of those before it by
    virtual loss: so the tree depends on no order of arrival. Only leaves vote; a tree in which nothing is left to
    expand is widened at its root, until ``width`` leaves are paid for.

    Selection is by UCT, or by PUCT with the children's scores as priors. The defaults are those of the REBASE paper's
    baseline, of which the root has 4, 8 or 16 children.
    """

    name: ClassVar[str] = "mcts"
    source: ClassVar[str] = "Wu et al. 2024 (arXiv 2408.00724), section 3.1 and appendix; Kocsis and Szepesvari 2006"

    selection: Annotated[str, Doc("uct or puct")] = "uct"
    evaluation: Annotated[str, Doc("score or rollout")] = "score"
    exploration: Annotated[float, Doc("C, the weight of what is unknown")] = 1.0
    root_children: Annotated[int, Doc("children of the root")] = 4
    children: Annotated[int, Doc("children of any other node")] = 2
    wave: Annotated[int, Doc("nodes that are expanded side by side")] = 4

    def __post_init__(self) -> None:
        super(Mcts, self).__post_init__()  # the short form does not work in a class with slots
        for name in ("root_children", "children", "wave"):
            self._require(name, minimum=1, whole=True)
        self._require("exploration", minimum=0)
        self._require_one_of("selection", ("uct", "puct"))
        self._require_one_of("evaluation", ("score", "rollout"))

    async def search(self, tree: SearchContext) -> None:
        """Expand waves of nodes until the width is spent."""
        budget, visits = self.width, Visits()
        visits.back_up([tree.root], tree.root.score)
        steps: dict[Node, list[Node]] = {}  # the children of expanded nodes, but for rollouts
        while budget:
            parents, counts = self._select_wave(tree.root, steps, visits, budget)
            children = await tree.expand(parents, counts)
            evaluated = await roll_out(tree, children) if self.evaluation == "rollout" else children
            for parent in parents:
                visits.end([tree.root, *parent.lineage()])
            for child, judged in zip(children, evaluated, strict=True):
                assert child.parent is not None
                steps.setdefault(child.parent, []).append(child)
                if child.state is not NodeState.FAILED:  # a rollout that failed says nothing: the child's score must do
                    value = child.score if judged.state is NodeState.FAILED else judged.score
                    visits.back_up([tree.root, *child.lineage()], value)
            budget -= sum(node.is_leaf for node in {*children, *evaluated})

    def _select_wave(
        self, root: Node, steps: dict[Node, list[Node]], visits: Visits, budget: int
    ) -> tuple[list[Node], list[int]]:
        """The nodes to expand next, and how many children each is given: together no more than the budget."""
        parents: list[Node] = []
        counts: list[int] = []
        while len(parents) < self.wave and budget:
            parent = self._select(root, steps, visits, set(parents))
            if parent is None:
                if parents:
                    break
                parent = root  # nothing is left to expand
            count = min(self.root_children if parent is root else self.children, budget)
            visits.begin([root, *parent.lineage()])
            parents.append(parent)
            counts.append(count)
            budget -= count
        return parents, counts

    def _select(self, root: Node, steps: dict[Node, list[Node]], visits: Visits, taken: set[Node]) -> Node | None:
        """The node that is reached from the root by going to the most promising child; None where nothing is left."""
        grown = itertools.chain([root], *steps.values())
        to_expand = (node for node in grown if not node.is_leaf and node not in taken and node not in steps)
        ways = {node for end in to_expand for node in (root, *end.lineage())}
        if not ways:
            return None
        node = root
        while node in steps:
            left = [child for child in steps[node] if child in ways]
            node = max(left, key=lambda child: self._promise(child, steps, visits))
        return node

    def _promise(self, node: Node, steps: dict[Node, list[Node]], visits: Visits) -> float:
        assert node.parent is not None
        value, count, parent_count = visits.mean(node), visits.count(node), visits.count(node.parent)
        if self.selection == "uct":
            return uct(value, count, parent_count, self.exploration)
        total = sum(sibling.score for sibling in steps[node.parent])
        prior = node.score / total if total else 1 / len(steps[node.parent])
        return puct(value, count, parent_count, self.exploration, prior)
