"""Search strategies, one file each, with the arithmetic they rest on beside them."""

from asyncsearch.strategies.base import Strategy
from asyncsearch.strategies.rebase import Rebase
from asyncsearch.strategies.registry import make_strategy, strategy_named, strategy_names
from asyncsearch.strategies.sampling import Sampling

__all__ = ["Rebase", "Sampling", "Strategy", "make_strategy", "strategy_named", "strategy_names"]
