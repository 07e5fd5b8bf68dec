"""Two lanes, generate and score, so that policy and reward model work at the same time."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager

import anyio

from asyncsearch.scheduler.answer import answer_to
from asyncsearch.scheduler.cost import Cost
from asyncsearch.scheduler.lane import Lane, Pending, Settle
from asyncsearch.scheduler.limit import Limit
from asyncsearch.scheduler.statistics import SchedulerStatistics
from runtimes.base import (
    Capabilities,
    Deliver,
    GenerateRequest,
    GenerateResult,
    ReportsLoad,
    Request,
    Runtime,
    ScoreRequest,
    ScoreResult,
)

__all__ = ["Scheduler", "open_scheduler"]

_MISGUESSED = 16
"""Times what is guessed that a runtime is given at most."""


class Scheduler:
    """Takes the requests of any number of searches to the policy and the reward model. See `open_scheduler`.

    Without a lane whatever would go there fails with `RuntimeGone`.
    """

    def __init__(
        self,
        generate_lane: Lane[GenerateRequest, GenerateResult] | None = None,
        score_lane: Lane[ScoreRequest, ScoreResult] | None = None,
    ) -> None:
        # A lane that is not running refuses whatever it is given.
        self._generate_lane = generate_lane or Lane(_send_nowhere, _abort_nothing, limit=Limit(1))
        self._score_lane = score_lane or Lane(_send_nowhere, _abort_nothing, limit=Limit(1))

    def submit_generate(
        self, request: GenerateRequest, *, order: int, cost: Cost, settle: Settle[GenerateResult], wanted: bool = True
    ) -> Pending[GenerateRequest, GenerateResult]:
        """Have something generated, see `Lane.submit`: what `generate` does, without a task that waits."""
        return self._generate_lane.submit(request, order=order, cost=cost, settle=settle, wanted=wanted)

    def submit_score(
        self, request: ScoreRequest, *, order: int, cost: Cost, settle: Settle[ScoreResult]
    ) -> Pending[ScoreRequest, ScoreResult]:
        """Have some steps scored, likewise."""
        return self._score_lane.submit(request, order=order, cost=cost, settle=settle)

    @property
    def has_room(self) -> bool:
        """Whether the models could do with more requests than they are given."""
        return self._generate_lane.has_room and self._score_lane.keeps_up

    def when_room(self, tell: Callable[[], None]) -> None:
        """Have ``tell`` called when that may have changed, and nobody else."""
        self._generate_lane.when_room = self._score_lane.when_room = tell

    async def generate(self, request: GenerateRequest, *, order: int, cost: Cost | None = None) -> GenerateResult:
        """Wait for a generation; requests of a lower ``order`` go first. What it takes is added to ``cost``.

        Raises:
            RuntimeFailure: it failed for good.

        Cancellation withdraws the request. If it is in flight it is aborted on the runtime, and the call returns
        when that has told what it has cost, or after five seconds.
        """
        known = cost or Cost()
        return await answer_to(lambda settle: self.submit_generate(request, order=order, cost=known, settle=settle))

    async def score(self, request: ScoreRequest, *, order: int, cost: Cost | None = None) -> ScoreResult:
        """Wait for the scores of some steps; otherwise as `generate`."""
        known = cost or Cost()
        return await answer_to(lambda settle: self.submit_score(request, order=order, cost=known, settle=settle))

    def statistics(self) -> SchedulerStatistics:
        """What both lanes have done so far."""
        return SchedulerStatistics(generate=self._generate_lane.statistics(), score=self._score_lane.statistics())


@asynccontextmanager
async def open_scheduler(
    policy: Runtime | None,
    reward: Runtime | None = None,
    *,
    policy_limit: int | None = None,
    reward_limit: int | None = None,
) -> AsyncIterator[Scheduler]:
    """Run a scheduler over open runtimes.

    Args:
        policy: generates; None where nothing is generated.
        reward: scores; None where nothing is scored.
        policy_limit: generate requests in flight at most; by default as many as the runtime can use, found by itself.
        reward_limit: score requests in flight at most; by default the runtime's largest useful batch.

    Leaving the block cancels both lanes; requests still waiting fail with `RuntimeGone`.
    """
    generate_lane: Lane[GenerateRequest, GenerateResult] | None = None
    if policy is not None:
        generate_lane = Lane(
            policy.generate,
            policy.abort,
            limit=_limit_of(policy.capabilities, policy_limit),
            aborts=policy.capabilities.aborts,
            load=policy.load if isinstance(policy, ReportsLoad) else None,
        )
    score_lane: Lane[ScoreRequest, ScoreResult] | None = None
    if reward is not None:
        score_lane = Lane(
            reward.score,
            reward.abort,
            limit=Limit(reward_limit or reward.capabilities.largest_batch),
            aborts=reward.capabilities.aborts,
        )
    async with anyio.create_task_group() as lanes:
        for lane in (generate_lane, score_lane):
            if lane is not None:
                await lanes.start(lane.run)
        yield Scheduler(generate_lane, score_lane)
        lanes.cancel_scope.cancel()


def _limit_of(capabilities: Capabilities, chosen: int | None) -> Limit:
    """Fixed where somebody has chosen it, and not raised above what the runtime is known to work on."""
    if chosen is not None:
        return Limit(chosen)
    start = capabilities.largest_batch
    return Limit(start, most=start * _MISGUESSED if capabilities.batch_is_guessed else start)


async def _send_nowhere(requests: Sequence[Request], deliver: Deliver) -> None:
    raise AssertionError("there is no runtime")


async def _abort_nothing(requests: Sequence[Request]) -> None:
    raise AssertionError("there is no runtime")
