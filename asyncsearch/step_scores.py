"""Scores of the steps of one tree: each is asked for once, however many nodes have come to the same text."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import anyio

from asyncsearch.rewards import RewardFormat
from asyncsearch.scheduler import Cost, Scheduler
from runtimes.base import Prefix, RequestAborted, RequestRejected, RuntimeFailure, ScoreRequest

__all__ = ["ScoredSteps", "StepScores"]


_DECIMALS = 7
"""Of a score. Models compute no more, and the journal takes half the room for it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoredSteps:
    """Scores of consecutive steps, each in [0, 1].

    ``prefix`` is the text up to the last of them as the reward model reads it.
    """

    prefix: Prefix
    scores: tuple[float, ...]


@dataclass(slots=True, eq=False)
class _Asked:
    """A question under way, up to the step that ends with ``last``."""

    last: Prefix
    answered: anyio.Event = field(default_factory=anyio.Event)
    failure: RuntimeFailure | None = None


class StepScores:
    """What a reward model says of the steps in one problem's tree.

    A good policy draws the right step many times over. Equal texts after equal texts are one prefix here, so
    the reward model reads it once; whoever asks while that is under way waits for the same answer.

    ``opening`` is what the reward model reads before the first step.
    """

    def __init__(self, problem: str, format: RewardFormat, *, scheduler: Scheduler, order: int) -> None:
        """``order`` is the problem's place in the scheduler's queues, lowest first."""
        self.opening = format.opening_for(problem)
        self._format = format
        self._scheduler = scheduler
        self._order = order
        self._continued: dict[tuple[Prefix, str], Prefix] = {}
        self._scores: dict[Prefix, float] = {}
        self._under_way: dict[Prefix, _Asked] = {}

    async def score(self, prefix: Prefix, steps: Sequence[str], *, cost: Cost) -> ScoredSteps:
        """Score ``steps``, of which the first comes after ``prefix``: the opening, or what was returned for another.

        What is asked for this answer alone is added to ``cost``: nothing where all had been scored before.

        Raises:
            RuntimeFailure: the runtime could not, or gave something that is no score.

        A failure is that of all who wait for the same answer, and whose text is as long. Cancellation withdraws the
        request; others who wait for it then ask for themselves.
        """
        prefixes: list[Prefix] = []
        for step in steps:
            prefix = self._continue(prefix, step)
            prefixes.append(prefix)
        known = 0
        while known < len(prefixes):
            if prefixes[known] in self._scores:
                known += 1
            elif (asked := self._under_way.get(prefixes[known])) is not None:
                begun = anyio.current_time()
                try:
                    await asked.answered.wait()
                finally:
                    cost.queue_seconds += anyio.current_time() - begun
                if asked.failure is not None and asked.last in prefixes:  # a longer text may fail on its own account
                    raise asked.failure
            else:
                break
        if known < len(prefixes):
            await self._ask(prefixes[known:], cost)
        return ScoredSteps(prefix=prefix, scores=tuple(self._scores[prefix] for prefix in prefixes))

    def restore(self, prefix: Prefix, steps: Sequence[str], scores: Sequence[float]) -> ScoredSteps:
        """Take scores for known that were given before; otherwise as `score`.

        Raises:
            RequestRejected: they are not one a step.
        """
        if len(steps) != len(scores):
            raise RequestRejected(f"{len(scores)} scores are recorded for {len(steps)} steps")
        for step, score in zip(steps, scores, strict=True):
            prefix = self._continue(prefix, step)
            self._scores[prefix] = score
        return ScoredSteps(prefix=prefix, scores=tuple(scores))

    def _continue(self, prefix: Prefix, step: str) -> Prefix:
        first = prefix is self.opening
        key = prefix, self._format.step_text(step, first=first)
        if key not in self._continued:
            self._continued[key] = self._format.extend(prefix, step, first=first)
        return self._continued[key]

    async def _ask(self, prefixes: Sequence[Prefix], cost: Cost) -> None:
        """Have the last steps scored that these prefixes end with."""
        request = ScoreRequest(reads=tuple(prefixes), readout=self._format.readout)
        asked = _Asked(prefixes[-1])
        self._under_way.update(dict.fromkeys(prefixes, asked))
        try:
            result = await self._scheduler.score(request, order=self._order, cost=cost)
            if len(result.scores) != len(prefixes) or not all(0 <= score <= 1 for score in result.scores):
                raise RequestRejected(
                    f"the reward model gave {result.scores} for {len(prefixes)} steps; wanted is one number in [0, 1] "
                    "for each",
                    request=request,
                )
            scores = (round(float(score), _DECIMALS) for score in result.scores)
            self._scores.update(zip(prefixes, scores, strict=True))
        except RuntimeFailure as failure:
            if not isinstance(failure, RequestAborted):
                asked.failure = failure
            raise
        finally:
            for prefix in prefixes:
                del self._under_way[prefix]
            asked.answered.set()
