"""Particle filtering, and particle Gibbs on top of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, ClassVar

from typing_extensions import Doc

from asyncsearch.context import SearchContext
from asyncsearch.errors import ConfigurationError
from asyncsearch.strategies.base import ScoredStrategy
from asyncsearch.strategies.even_allocation import even_shares
from asyncsearch.strategies.resampling import (
    effective_sample_size,
    multinomial_resample,
    particle_weights,
    systematic_resample,
)
from asyncsearch.tree import Node, NodeState

__all__ = ["ParticleFilter"]

_RESAMPLING = {"systematic": systematic_resample, "multinomial": multinomial_resample}

_ROUNDING = 1e-9
"""By so much an effective number may fall short of its threshold: it is a rounded sum."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ParticleFilter(ScoredStrategy):
    """Particles that take a step each, and are drawn anew in proportion to softmax(logit(score) / temperature).

    A promising solution goes on several times, a poor one not at all, and chance is left its part, because the reward
    model may err. Finished particles take part in it, and vote as often as there are copies of them. Particles are
    drawn anew only when their effective number falls below ``ess_threshold`` of them. A weight is always that of the
    last step's score, which is taken for a judgement of all steps up to it: what was not drawn anew does not add up.

    With several ``iterations`` this is particle Gibbs: the width is shared among them, and each but the first keeps one
    solution of the one before, drawn by its weight, which its particles may be copied from at any depth. The particles
    of all iterations vote.
    """

    name: ClassVar[str] = "particle-filter"
    level_synchronous: ClassVar[bool] = True
    source: ClassVar[str] = "Puri et al. 2025 (arXiv 2502.01618), algorithms 1 and 2; particle_gibbs.py"

    resampling: Annotated[str, Doc("systematic or multinomial")] = "systematic"
    ess_threshold: Annotated[float, Doc("share of the particles, in [0, 1]; 1 draws anew at every step")] = 1.0
    softmax_temperature: Annotated[float, Doc("of the softmax over logits of scores; lower is greedier")] = 1.0
    iterations: Annotated[int, Doc("of particle Gibbs; 1 is a particle filter")] = 1

    def __post_init__(self) -> None:
        super(ParticleFilter, self).__post_init__()  # the short form does not work in a class with slots
        self._require("ess_threshold", minimum=0, maximum=1)
        self._require("softmax_temperature", above=0)
        self._require("iterations", minimum=1, whole=True)
        self._require_one_of("resampling", _RESAMPLING)
        if self.iterations > 1 and self.width < 2 * self.iterations:
            raise ConfigurationError(
                f"{self.name}: each iteration takes two particles; width must be at least {2 * self.iterations}"
            )

    @property
    def every_leaf_votes(self) -> bool:
        """Particles that are not drawn again do not."""
        return False

    async def search(self, tree: SearchContext) -> None:
        """Run the filter once, or once an iteration with a solution kept from the one before."""
        votes: Counter[Node] = Counter()
        kept: Node | None = None
        for particles in even_shares(self.iterations, self.width):
            population = await self._filter(tree, particles, kept)
            votes.update(population)
            kept = population[self._draw(tree, population, 1)[0]]
        for leaf in tree.tree.leaves():
            leaf.multiplicity = votes[leaf]

    async def _filter(self, tree: SearchContext, particles: int, kept: Node | None) -> list[Node]:
        """Let so many particles take steps until all have finished; ``kept`` is the last of them, and goes its way."""
        way = [] if kept is None else kept.lineage()
        moving = [tree.root] * (particles - bool(way))
        for depth in range(1, self.max_depth + 1):
            moving = await self._step(tree, moving)
            standing = way[min(depth, len(way)) - 1 :][:1]
            if all(particle.is_leaf for particle in moving):
                break
            population = moving + standing
            if self._are_too_alike(population):
                moving = [population[index] for index in self._draw(tree, population, len(moving))]
        return moving + way[-1:]

    async def _step(self, tree: SearchContext, particles: Sequence[Node]) -> list[Node]:
        """Every particle a step further, those that have finished where they are."""
        walking = Counter(particle for particle in particles if not particle.is_leaf)
        children = await tree.expand(list(walking), list(walking.values()))
        return [particle for particle in particles if particle.is_leaf] + children

    def _are_too_alike(self, population: Sequence[Node]) -> bool:
        if self.ess_threshold == 1:
            return True  # however equal the weights are
        enough = self.ess_threshold * len(population) - _ROUNDING
        return effective_sample_size(self._weights(population)) < enough

    def _draw(self, tree: SearchContext, population: Sequence[Node], count: int) -> list[int]:
        return _RESAMPLING[self.resampling](self._weights(population), count, tree.random)

    def _weights(self, population: Sequence[Node]) -> list[float]:
        """Of a particle that was lost, none, as long as there are others."""
        living = [particle for particle in population if particle.state is not NodeState.FAILED] or population
        weights = iter(particle_weights([particle.score for particle in living], self.softmax_temperature))
        return [next(weights) if particle in living else 0.0 for particle in population]
