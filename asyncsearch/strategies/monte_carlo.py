"""Monte-Carlo labels of steps."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar

from typing_extensions import Doc

from asyncsearch.context import SearchContext
from asyncsearch.strategies.base import ScoredStrategy
from asyncsearch.tree import Node

__all__ = ["MonteCarlo"]


@dataclass(frozen=True, slots=True, kw_only=True)
class MonteCarlo(ScoredStrategy):
    """``width`` solutions, step by step, and ``rollouts`` more from each of their steps: what a step is worth.

    How many of its rollouts come to the right answer is the label of a step, which `asyncsearch.labelling` reads off
    the tree. A solution's next step is the first child of a node, and rollouts are the others; they do not vote.
    """

    name: ClassVar[str] = "monte-carlo"
    source: ClassVar[str] = "Wang et al. 2023, Math-Shepherd (arXiv 2312.08935), section 3.3"

    rollouts: Annotated[int, Doc("whole solutions drawn from each step")] = 8

    def __post_init__(self) -> None:
        super(MonteCarlo, self).__post_init__()  # the short form does not work in a class with slots
        self._require("rollouts", minimum=1, whole=True)

    @property
    def every_leaf_votes(self) -> bool:
        """Rollouts do not."""
        return False

    async def search(self, tree: SearchContext) -> None:
        """Draw the solutions, then the rollouts of all their steps at once."""
        frontier = await tree.expand([tree.root], [self.width])
        steps: list[Node] = []
        while going_on := [node for node in frontier if not node.is_leaf]:
            steps += going_on
            frontier = await tree.expand(going_on, [1] * len(going_on))
        tree.discard(await tree.expand(steps, [self.rollouts] * len(steps), whole_solutions=True))
