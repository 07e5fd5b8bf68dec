"""Two lanes, generate and score, so that policy and reward model work at the same time."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio

from asyncsearch.scheduler.cost import Cost
from asyncsearch.scheduler.lane import Lane
from asyncsearch.scheduler.statistics import LaneStatistics, SchedulerStatistics
from runtimes.base import GenerateRequest, GenerateResult, Runtime, RuntimeGone, ScoreRequest, ScoreResult

__all__ = ["Scheduler", "open_scheduler"]


class Scheduler:
    """Takes the requests of any number of searches to the policy and the reward model. See `open_scheduler`.

    Without a lane whatever would go there fails with `RuntimeGone`.
    """

    def __init__(
        self,
        generate_lane: Lane[GenerateRequest, GenerateResult] | None = None,
        score_lane: Lane[ScoreRequest, ScoreResult] | None = None,
    ) -> None:
        self._generate_lane = generate_lane
        self._score_lane = score_lane

    async def generate(self, request: GenerateRequest, *, order: int, cost: Cost | None = None) -> GenerateResult:
        """Wait for a generation; requests of a lower ``order`` go first. What it takes is added to ``cost``.

        Raises:
            RuntimeFailure: it failed for good.

        Cancellation withdraws the request. If it is in flight it is aborted on the runtime, and the call returns
        when that has told what it has cost, or after five seconds.
        """
        if self._generate_lane is None:
            raise RuntimeGone("there is no policy", request=request)
        return await self._generate_lane.submit(request, order=order, cost=cost or Cost())

    async def score(self, request: ScoreRequest, *, order: int, cost: Cost | None = None) -> ScoreResult:
        """Wait for the scores of some steps; otherwise as `generate`."""
        if self._score_lane is None:
            raise RuntimeGone("there is no reward model", request=request)
        return await self._score_lane.submit(request, order=order, cost=cost or Cost())

    def statistics(self) -> SchedulerStatistics:
        """What both lanes have done so far."""
        lanes = (self._generate_lane, self._score_lane)
        generate, score = (LaneStatistics() if lane is None else lane.statistics() for lane in lanes)
        return SchedulerStatistics(generate=generate, score=score)


@asynccontextmanager
async def open_scheduler(
    policy: Runtime,
    reward: Runtime | None = None,
    *,
    policy_limit: int | None = None,
    reward_limit: int | None = None,
) -> AsyncIterator[Scheduler]:
    """Run a scheduler over open runtimes.

    Args:
        policy: generates.
        reward: scores; None where nothing is scored.
        policy_limit: generate requests in flight at most; by default the runtime's largest useful batch.
        reward_limit: the same for score requests.

    Leaving the block cancels both lanes; requests still waiting fail with `RuntimeGone`.
    """
    generate_lane: Lane[GenerateRequest, GenerateResult] = Lane(
        policy.generate,
        policy.abort,
        limit=policy_limit or policy.capabilities.largest_batch,
        aborts=policy.capabilities.aborts,
    )
    score_lane: Lane[ScoreRequest, ScoreResult] | None = None
    if reward is not None:
        score_lane = Lane(
            reward.score,
            reward.abort,
            limit=reward_limit or reward.capabilities.largest_batch,
            aborts=reward.capabilities.aborts,
        )
    async with anyio.create_task_group() as lanes:
        await lanes.start(generate_lane.run)
        if score_lane is not None:
            await lanes.start(score_lane.run)
        yield Scheduler(generate_lane, score_lane)
        lanes.cancel_scope.cancel()
