"""A search that ends when its vote is decided."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, ClassVar

import anyio
from typing_extensions import Doc

from asyncsearch.answers.decision import is_confident, is_decided
from asyncsearch.answers.voting import Ballot
from asyncsearch.context import SearchContext
from asyncsearch.errors import ConfigurationError
from asyncsearch.strategies.wrapper import Wrapper
from asyncsearch.tree import Node, NodeState

__all__ = ["EarlyStop"]


@dataclass(frozen=True, slots=True, kw_only=True)
class EarlyStop(Wrapper):
    """Stops any strategy when its vote is decided, and aborts what is on its way.

    With a ``confidence`` of 1 that is when nothing that may still come can overtake the leader, so that the answer is
    that of the whole search; it never is for best-of-n. Below 1 it is also when the leader's answer is that of most
    solutions, and ahead of the next by so many that it is the likelier of the two with this probability.

    Leaves are counted in the order in which they were asked for, each when all before it are there. So which of them
    vote depends on no timing: the same as if they had come one by one.
    """

    name: ClassVar[str] = "early-stop"
    source: ClassVar[str] = "Aggarwal et al. 2023, Adaptive-Consistency (arXiv 2305.11860), section 3 (Beta criterion)"

    confidence: Annotated[float, Doc("with which the leader is to win; 1 for certainty")] = 1.0

    def __post_init__(self) -> None:
        super(EarlyStop, self).__post_init__()  # the short form does not work in a class with slots
        self._require("confidence", above=0.5, maximum=1)
        if not self.inner.every_leaf_votes:
            raise ConfigurationError(
                f"{self.full_name}: which leaves of {self.inner.full_name} vote, or how many, is known only at its end"
            )

    @property
    def every_leaf_votes(self) -> bool:
        """Those that come when the vote is decided do not."""
        return False

    async def search(self, tree: SearchContext) -> None:
        """Search until the vote is decided."""
        count = _Count(self.width, self.confidence)
        with anyio.CancelScope() as scope:

            async def look(_: Node) -> None:
                if await count.is_over(tree):
                    scope.cancel()

            with tree.watched_by(look):
                await self.inner.search(tree)
        if count.over:
            tree.discard(set(tree.tree.leaves()) - set(count.leaves))


@dataclass(slots=True, eq=False)
class _Count:
    """Ballots of the leaves that are counted by now."""

    width: int
    confidence: float
    leaves: list[Node] = field(default_factory=list)
    ballots: list[Ballot] = field(default_factory=list)
    over: bool = False
    _looked_at: int = 0
    _lock: anyio.Lock = field(default_factory=anyio.Lock)

    async def is_over(self, tree: SearchContext) -> bool:
        """Count what can be counted, and say whether the vote is decided."""
        async with self._lock:
            while not self.over and self._looked_at < len(tree.grown):
                node = tree.grown[self._looked_at]
                if node.state is NodeState.PENDING:
                    break
                ballot = await tree.ballot(node) if node.is_leaf else None
                self._looked_at += 1
                if not node.is_leaf:
                    continue
                self.leaves.append(node)
                self.ballots += [] if ballot is None else [ballot]
                self.over = self._is_decided(tree.vote)
        return self.over

    def _is_decided(self, vote: str) -> bool:
        left = self.width - len(self.leaves)
        if left <= 0 or not self.ballots:
            return False  # then it ends by itself
        return is_decided(self.ballots, left, vote) or (
            self.confidence < 1 and vote != "best-of-n" and is_confident(self.ballots, vote, self.confidence)
        )
