"""Scores of the steps of one tree: each is asked for once, however many nodes have come to the same text."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from asyncsearch.pieces import extended
from asyncsearch.rewards import RewardFormat
from asyncsearch.scheduler import Cost, Pending, Scheduler
from runtimes.base import (
    Prefix,
    RequestAborted,
    RequestRejected,
    RuntimeFailure,
    ScoreRequest,
    ScoreResult,
)

__all__ = ["ScoredSteps", "Scoring", "StepScores"]


_DECIMALS = 7
"""Of a score. Models compute no more, and the journal takes half the room for it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoredSteps:
    """Scores of consecutive steps, each in [0, 1].

    ``prefix`` is the text up to the last of them as the reward model reads it.
    """

    prefix: Prefix
    scores: tuple[float, ...]


Settle: TypeAlias = Callable[[ScoredSteps | RuntimeFailure], None]


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
        self._under_way: dict[Prefix, Scoring] = {}

    def score(self, prefix: Prefix, steps: Sequence[str], *, cost: Cost, settle: Settle) -> Scoring:
        """Score ``steps``, of which the first comes after ``prefix``: the opening, or what was returned for another.

        What is asked for this answer alone is added to ``cost``: nothing where all had been scored before. ``settle``
        is told the scores, at once where all of them are known, or why there are none: the runtime could not, or gave
        something that is no score.

        A failure is that of all who wait for the same answer, and whose text is as long.
        """
        prefixes: list[Prefix] = []
        for step in steps:
            prefix = self._continue(prefix, step)
            prefixes.append(prefix)
        scoring = Scoring(self, prefixes, cost, settle)
        scoring.proceed()
        return scoring

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
        pieces = self._format.step_pieces(step, first=prefix is self.opening)
        key = prefix, pieces[0].text if len(pieces) == 1 else "".join([piece.text for piece in pieces])
        continued = self._continued.get(key)
        if continued is None:
            continued = self._continued[key] = extended(prefix, pieces)
        return continued


class Scoring:
    """A question on its way: some steps, of which all but the ``known`` first are being scored.

    Some of them others may have asked for. Then it waits for these, ``since`` a moment, and asks for what is left.
    """

    __slots__ = ("_asked", "_cost", "_known", "_of", "_pending", "_prefixes", "_settle", "_since", "_waiting")

    def __init__(self, of: StepScores, prefixes: Sequence[Prefix], cost: Cost, settle: Settle) -> None:
        self._of = of
        self._prefixes = prefixes
        self._cost = cost
        self._settle: Settle | None = settle
        self._known = 0
        self._pending: Pending[ScoreRequest, ScoreResult] | None = None
        self._asked: Scoring | None = None
        self._since = 0.0
        self._waiting: list[Scoring] | None = None

    def withdraw(self) -> None:
        """Give the question up, unless it has been settled: it ends as `RequestAborted`.

        Those who wait for it ask for themselves.
        """
        if self._pending is not None:
            self._leave()  # before anybody asks: or they would wait for this
            self._pending.withdraw()
            self._wake(None)
        elif self._asked is not None:
            assert self._asked._waiting is not None
            self._asked._waiting.remove(self)
            self._stop_waiting()
            self._end(RequestAborted("given up"))

    def proceed(self) -> None:
        """Pass over what is known; wait for what others ask, ask for what nobody does, or be done."""
        of, prefixes = self._of, self._prefixes
        while self._known < len(prefixes):
            prefix = prefixes[self._known]
            if prefix in of._scores:
                self._known += 1
            elif (asked := of._under_way.get(prefix)) is not None:
                self._asked = asked
                self._since = asyncio.get_running_loop().time()
                if asked._waiting is None:
                    asked._waiting = []
                asked._waiting.append(self)
                return
            else:
                self._ask()
                return
        self._end(ScoredSteps(prefix=prefixes[-1], scores=tuple([of._scores[prefix] for prefix in prefixes])))

    def _ask(self) -> None:
        of = self._of
        reads = tuple(self._prefixes[self._known :])
        for prefix in reads:
            of._under_way[prefix] = self
        request = ScoreRequest(reads=reads, readout=of._format.readout)
        self._pending = of._scheduler.submit_score(request, order=of._order, cost=self._cost, settle=self._answered)

    def _answered(self, outcome: ScoreResult | RuntimeFailure) -> None:
        self._leave()
        reads = self._prefixes[self._known :]
        if isinstance(outcome, ScoreResult):
            scores = outcome.scores
            if len(scores) == len(reads) and all(0 <= score <= 1 for score in scores):
                for prefix, score in zip(reads, scores, strict=True):
                    self._of._scores[prefix] = round(float(score), _DECIMALS)
                self._pending = None
                self._wake(None)
                self.proceed()
                return
            outcome = RequestRejected(
                f"the reward model gave {scores} for {len(reads)} steps; wanted is one number in [0, 1] for each"
            )
        self._pending = None
        self._wake(None if isinstance(outcome, RequestAborted) else outcome)
        self._end(outcome)

    def _leave(self) -> None:
        under_way = self._of._under_way
        for prefix in self._prefixes[self._known :]:
            if under_way.get(prefix) is self:
                del under_way[prefix]

    def _wake(self, failure: RuntimeFailure | None) -> None:
        waiting, self._waiting = self._waiting or (), None
        for other in waiting:
            other._stop_waiting()
            # A longer text may fail on its own account.
            if failure is not None and self._prefixes[-1] in other._prefixes:
                other._end(failure)
            else:
                other.proceed()

    def _stop_waiting(self) -> None:
        self._asked = None
        self._cost.queue_seconds += asyncio.get_running_loop().time() - self._since

    def _end(self, outcome: ScoredSteps | RuntimeFailure) -> None:
        settle, self._settle = self._settle, None
        if settle is not None:
            settle(outcome)
