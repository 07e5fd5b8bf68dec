"""Adaptive branching Monte Carlo tree search."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from random import Random
from typing import Annotated, ClassVar

from typing_extensions import Doc

from asyncsearch.context import SearchContext
from asyncsearch.strategies.base import ScoredStrategy
from asyncsearch.strategies.rollouts import roll_out
from asyncsearch.strategies.thompson import sample_beta_mean, sample_gaussian_mean
from asyncsearch.tree import Node, NodeState

__all__ = ["AbMcts"]

_POSTERIORS = {"gaussian": sample_gaussian_mean, "beta": sample_beta_mean}


@dataclass(slots=True, eq=False)
class _Arms:
    """Scores that were seen at a node.

    ``drawn`` are those of its children, ``below`` of all that was drawn below these, and ``each`` of one child and all
    below it.
    """

    drawn: list[float] = field(default_factory=list)
    below: list[float] = field(default_factory=list)
    each: dict[Node, list[float]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class AbMcts(ScoredStrategy):
    """AB-MCTS-A: at every node, Thompson sampling decides between one more child and going on with one of those there.

    The way from the root ends at a node that is given one child, whose score is an observation for every node on the
    way. Where going on wins, it goes to the child of the greatest sample. ``wave`` such ways are found before anything
    comes back. In the paper a node is a whole answer, and a child refines it. Here a child is a step, judged by the
    whole solution that is drawn from it, and a finished solution cannot be gone on from.
    """

    name: ClassVar[str] = "ab-mcts"
    source: ClassVar[str] = "Inoue et al. 2025, AB-MCTS-A (arXiv 2503.04412), section 3.3; TreeQuest's ab_mcts_a"

    posterior: Annotated[str, Doc("gaussian or beta")] = "gaussian"
    wave: Annotated[int, Doc("children that are drawn side by side")] = 4

    def __post_init__(self) -> None:
        super(AbMcts, self).__post_init__()  # the short form does not work in a class with slots
        self._require("wave", minimum=1, whole=True)
        self._require_one_of("posterior", _POSTERIORS)

    async def search(self, tree: SearchContext) -> None:
        """Draw children, wave by wave, until the width is spent."""
        budget = self.width
        arms: dict[Node, _Arms] = {tree.root: _Arms()}
        while budget:
            parents = Counter(self._select(tree.root, arms, tree.random) for _ in range(min(self.wave, budget)))
            children = await tree.expand(list(parents), list(parents.values()))
            for child, leaf in zip(children, await roll_out(tree, children), strict=True):
                if leaf.state is not NodeState.FAILED:
                    _observe(child, leaf.score, arms)
            budget -= len(children)

    def _select(self, root: Node, arms: dict[Node, _Arms], random: Random) -> Node:
        """The node that is to be given a child."""
        sample = _POSTERIORS[self.posterior]
        node = root
        while True:
            seen = arms[node]
            going_on = [child for child in seen.each if not child.is_leaf]
            if not going_on or sample(seen.drawn, random) >= sample(seen.below, random):
                return node
            samples = {child: sample(seen.each[child], random) for child in going_on}
            node = max(going_on, key=samples.__getitem__)


def _observe(child: Node, score: float, arms: dict[Node, _Arms]) -> None:
    """Take a new child up, and let every node on the way to it know what came of it."""
    assert child.parent is not None
    arms[child] = _Arms()
    arms[child.parent].drawn.append(score)
    arms[child.parent].each[child] = [score]
    for node in child.parent.lineage():
        assert node.parent is not None
        arms[node.parent].below.append(score)
        arms[node.parent].each[node].append(score)
