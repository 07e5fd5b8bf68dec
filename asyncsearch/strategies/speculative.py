"""A search that goes on from what is there, while the rest is not."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar

from typing_extensions import Doc

from asyncsearch.context import SearchContext
from asyncsearch.errors import ConfigurationError
from asyncsearch.strategies.base import Strategy
from asyncsearch.strategies.rebase import Rebase
from asyncsearch.strategies.wrapper import Wrapper

__all__ = ["Speculative"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Speculative(Wrapper):
    """Expands the nodes of a level that have settled, while its stragglers have not.

    The draws are those that the strategy inside would make next, so that trees and answers are the same and only the
    time differs. What it does not ask for was drawn in vain: the accounts call it speculated.
    """

    name: ClassVar[str] = "speculative"
    source: ClassVar[str] = "as branch prediction; of tree search see Wu et al. 2024 (arXiv 2408.00724), section 3.2"

    inner: Annotated[Strategy, Doc("the strategy inside, by name, with parameters of its own")] = Rebase()  # noqa: RUF009
    levels: Annotated[int, Doc("levels that are begun before the one that is under way is settled")] = 2

    def __post_init__(self) -> None:
        super(Speculative, self).__post_init__()  # the short form does not work in a class with slots
        self._require("levels", minimum=1, whole=True)
        if not self.inner.level_synchronous:
            raise ConfigurationError(
                f"{self.full_name}: {self.inner.full_name} does not grow level by level; there is nothing to foresee"
            )

    async def search(self, tree: SearchContext) -> None:
        """Search as the strategy inside, with draws made ahead."""
        async with tree.speculating(self.inner.foresee, ahead=self.levels):
            await self.inner.search(tree)
