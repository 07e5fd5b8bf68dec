"""Independent samples: the baseline that every search has to beat."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from asyncsearch.context import SearchContext
from asyncsearch.strategies.base import Strategy

__all__ = ["Sampling"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Sampling(Strategy):
    """``width`` whole solutions, each drawn on its own; greedy decoding is width 1 at temperature 0.

    The reference's ``sgl_baseline.py``. ``max_step_tokens`` and ``max_depth`` do not apply: a solution is
    one node.
    """

    name: ClassVar[str] = "sampling"
    anytime: ClassVar[bool] = True
    source: ClassVar[str] = "Wang et al. 2022, self-consistency (arXiv 2203.11171); the reference's sgl_baseline.py"

    async def search(self, tree: SearchContext) -> None:
        """Draw all solutions at once."""
        await tree.expand([tree.root], [self.width], whole_solutions=True)
