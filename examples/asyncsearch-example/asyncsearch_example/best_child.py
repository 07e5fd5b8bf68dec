"""A strategy: follow the best child."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar

from asyncsearch import SearchContext, Strategy
from typing_extensions import Doc


@dataclass(frozen=True, slots=True, kw_only=True)
class BestChild(Strategy):
    """Draw a few steps, follow the best, and begin again until ``width`` solutions are there."""

    name: ClassVar[str] = "best-child"
    source: ClassVar[str] = "an example"

    children: Annotated[int, Doc("steps to choose from")] = 3

    async def search(self, tree: SearchContext) -> None:
        """Walk from the root to a leaf, again and again."""
        node, left = tree.root, self.width
        while left:
            children = await tree.expand([node], [min(self.children, left)])
            left -= sum(child.is_leaf for child in children)
            going_on = [child for child in children if not child.is_leaf]
            node = max(going_on, key=lambda child: child.score) if going_on else tree.root
