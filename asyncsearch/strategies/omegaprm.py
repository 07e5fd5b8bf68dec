"""OmegaPRM: the first wrong step of solutions, by binary search."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Annotated, ClassVar

from typing_extensions import Doc

from asyncsearch.context import SearchContext
from asyncsearch.strategies.base import ScoredStrategy
from asyncsearch.tree import Node

__all__ = ["OmegaPrm"]

_RIGHT = 0.5
"""The score of a solution from which on it counts as right."""


@dataclass(slots=True)
class _State:
    """A solution so far, the share of its rollouts that were right, and how often it was selected."""

    node: Node
    value: float
    wrong: list[Node]
    visits: int = 0


@dataclass(slots=True)
class _Selection:
    """The states seen so far, and which of their wrong rollouts is looked into next."""

    alpha: float
    beta: float
    length: int
    exploration: float
    states: list[_State] = field(default_factory=list)

    def add(self, node: Node, rollouts: Sequence[Node]) -> float:
        """Take up a node with the ends of its rollouts, and say what share of them is right."""
        wrong = [leaf for leaf in rollouts if leaf.score < _RIGHT]
        value = 1 - len(wrong) / len(rollouts)
        self.states.append(_State(node, value, wrong if 0 < value < 1 else []))
        return value

    def take(self) -> tuple[Node, Node] | None:
        """The state and the wrong rollout that promise most, which is not taken again; None where none is left."""
        open_ones = [(state, leaf) for state in self.states for leaf in state.wrong]
        if not open_ones:
            return None
        total = sum(state.visits for state in self.states)
        state, leaf = max(open_ones, key=lambda one: self._promise(one[0], one[1], total))  # of equal ones the first
        state.visits += 1
        state.wrong.remove(leaf)
        return state.node, leaf

    def _promise(self, state: _State, leaf: Node, total: int) -> float:
        tokens = leaf.path_tokens - state.node.path_tokens
        quality = math.pow(self.alpha, 1 - state.value) * math.pow(self.beta, tokens / self.length)
        return quality + self.exploration * math.sqrt(total) / (1 + state.visits)


@dataclass(frozen=True, slots=True, kw_only=True)
class OmegaPrm(ScoredStrategy):
    """Rollouts, and for the likeliest looking wrong ones among them the first wrong step, by binary search.

    A step from which one of ``rollouts`` new ones comes to the right answer is not wrong yet; one from which none does
    is. So of n steps only log n are rolled out from. Each step with both right and wrong rollouts is a state to search
    from; next is the wrong rollout with the greatest Q + U (equations 2 and 3 of the paper), ``alpha``, ``beta``,
    ``length`` and ``exploration`` being its parameters, with its values. ``width`` are the rollouts paid for; a problem
    that is never or always answered right takes no more than the first. Rollouts go step by step, so that each of
    their steps can be searched from.
    """

    name: ClassVar[str] = "omegaprm"
    source: ClassVar[str] = "Luo et al. 2024, OmegaPRM (arXiv 2406.06592), sections 3.2 and 3.3"

    width: Annotated[int, Doc("rollouts that the search pays for")] = 64
    rollouts: Annotated[int, Doc("rollouts from each step that is looked at")] = 8
    alpha: Annotated[float, Doc("the less, the more a state with right rollouts is preferred, in (0, 1]")] = 0.5
    beta: Annotated[float, Doc("the less, the more short rollouts are preferred, in (0, 1]")] = 0.9
    length: Annotated[int, Doc("tokens of a rollout by which beta counts once")] = 500
    exploration: Annotated[float, Doc("weight of states that were seldom selected")] = 0.125

    def __post_init__(self) -> None:
        super(OmegaPrm, self).__post_init__()  # the short form does not work in a class with slots
        for name in ("rollouts", "length"):
            self._require(name, minimum=1, whole=True)
        for name in ("alpha", "beta"):
            self._require(name, above=0, maximum=1)
        self._require("exploration", minimum=0)

    async def search(self, tree: SearchContext) -> None:
        """Search until the rollouts are spent, or no wrong one is left that has a right one beside it."""
        selection = _Selection(self.alpha, self.beta, self.length, self.exploration)
        budget = self.width
        ends = await self._roll_out(tree, tree.root, min(self.rollouts, budget))
        budget -= len(ends)
        selection.add(tree.root, ends)
        while budget and (taken := selection.take()) is not None:
            state, leaf = taken
            steps = leaf.lineage()[state.depth :]
            right, wrong = (
                0,
                len(steps),
            )  # how many steps behind the state are known to be right, and to be not all right
            while budget and wrong - right > 1:
                middle = (right + wrong) // 2
                ends = await self._roll_out(tree, steps[middle - 1], min(self.rollouts, budget))
                budget -= len(ends)
                if selection.add(steps[middle - 1], ends):
                    right = middle
                else:
                    wrong = middle

    @staticmethod
    async def _roll_out(tree: SearchContext, node: Node, count: int) -> list[Node]:
        """Draw solutions from a node, step by step: the leaves that they come to."""
        ends = await tree.expand([node], [count])
        while going_on := [index for index, end in enumerate(ends) if not end.is_leaf]:
            further = await tree.expand([ends[index] for index in going_on], [1] * len(going_on))
            for index, end in zip(going_on, further, strict=True):
                ends[index] = end
        return ends
