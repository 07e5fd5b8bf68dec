"""Search strategies, one file each, with the arithmetic they rest on beside them."""

from asyncsearch.strategies.ab_mcts import AbMcts
from asyncsearch.strategies.base import ScoredStrategy, Strategy
from asyncsearch.strategies.beam import Beam
from asyncsearch.strategies.dvts import Dvts
from asyncsearch.strategies.early_stop import EarlyStop
from asyncsearch.strategies.ets import Ets
from asyncsearch.strategies.mcts import Mcts
from asyncsearch.strategies.monte_carlo import MonteCarlo
from asyncsearch.strategies.omegaprm import OmegaPrm
from asyncsearch.strategies.particle_filter import ParticleFilter
from asyncsearch.strategies.rebase import Rebase
from asyncsearch.strategies.registry import make_strategy, parameter_names, strategy_named, strategy_names
from asyncsearch.strategies.sampling import Sampling
from asyncsearch.strategies.speculative import Speculative
from asyncsearch.strategies.tot import TreeOfThoughts
from asyncsearch.strategies.wrapper import Wrapper

__all__ = [
    "AbMcts",
    "Beam",
    "Dvts",
    "EarlyStop",
    "Ets",
    "Mcts",
    "MonteCarlo",
    "OmegaPrm",
    "ParticleFilter",
    "Rebase",
    "Sampling",
    "ScoredStrategy",
    "Speculative",
    "Strategy",
    "TreeOfThoughts",
    "Wrapper",
    "make_strategy",
    "parameter_names",
    "strategy_named",
    "strategy_names",
]
