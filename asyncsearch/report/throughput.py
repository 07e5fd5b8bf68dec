"""How much the models get done."""

from __future__ import annotations

from dataclasses import dataclass, replace

from asyncsearch.journal import JournalTally, TokenTally
from asyncsearch.report.pace import SlidingRate
from asyncsearch.scheduler import LaneStatistics, SchedulerStatistics

__all__ = ["Lane", "Meter", "ModelWork", "Work", "work_of_journal", "work_of_scheduler"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Lane:
    """Requests that a model is working on, and that wait for it."""

    in_flight: int
    queued: int

    @property
    def is_busy(self) -> bool:
        """Whether there are any."""
        return bool(self.in_flight or self.queued)


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelWork:
    """What one model has done: ``tokens`` that a policy has generated, or that a reward model has read and computed.

    ``tokens_per_second`` are those of late, None where that is not known; of ``prompt_tokens`` some were cached.
    """

    tokens: int
    prompt_tokens: int
    cached_tokens: int
    tokens_per_second: float | None = None
    lane: Lane | None = None

    @property
    def cached(self) -> float | None:
        """The share of the prompts' tokens that were cached, None where there were no prompts."""
        return self.cached_tokens / self.prompt_tokens if self.prompt_tokens else None

    def __add__(self, other: ModelWork) -> ModelWork:
        return ModelWork(
            tokens=self.tokens + other.tokens,
            prompt_tokens=self.prompt_tokens + other.prompt_tokens,
            cached_tokens=self.cached_tokens + other.cached_tokens,
            tokens_per_second=_sum(self.tokens_per_second, other.tokens_per_second),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """What both models have done: ``nodes`` that were generated, and what each model did for them."""

    nodes: int
    policy: ModelWork
    reward: ModelWork
    nodes_per_second: float | None = None

    def __add__(self, other: Work) -> Work:
        return Work(
            nodes=self.nodes + other.nodes,
            policy=self.policy + other.policy,
            reward=self.reward + other.reward,
            nodes_per_second=_sum(self.nodes_per_second, other.nodes_per_second),
        )


def work_of_scheduler(statistics: SchedulerStatistics) -> Work:
    """What the models have done for a scheduler."""
    generate, score = statistics.generate, statistics.score
    return Work(
        nodes=generate.settled,
        policy=_work_of_lane(generate, generate.generated_tokens),
        reward=_work_of_lane(score, score.prompt_tokens - score.cached_tokens),
    )


def work_of_journal(tally: JournalTally) -> Work:
    """What the models have done for a run."""
    policy, reward = tally.policy, tally.reward
    return Work(
        nodes=tally.nodes,
        policy=_work_of_tokens(policy, policy.generated),
        reward=_work_of_tokens(reward, reward.prompt - reward.cached),
    )


class Meter:
    """Says how fast work is done, by what has been done at one time and another."""

    def __init__(self) -> None:
        self._nodes = SlidingRate()
        self._policy = SlidingRate()
        self._reward = SlidingRate()

    def measure(self, now: float, work: Work) -> Work:
        """The same work with how fast it was done of late; ``now`` is as in `SlidingRate`."""
        self._nodes.note(now, work.nodes)
        self._policy.note(now, work.policy.tokens)
        self._reward.note(now, work.reward.tokens)
        return replace(
            work,
            nodes_per_second=self._nodes.per_second,
            policy=replace(work.policy, tokens_per_second=self._policy.per_second),
            reward=replace(work.reward, tokens_per_second=self._reward.per_second),
        )


def _work_of_lane(lane: LaneStatistics, tokens: int) -> ModelWork:
    return ModelWork(
        tokens=tokens,
        prompt_tokens=lane.prompt_tokens,
        cached_tokens=lane.cached_tokens,
        lane=Lane(in_flight=lane.in_flight, queued=lane.queued),
    )


def _work_of_tokens(counted: TokenTally, tokens: int) -> ModelWork:
    return ModelWork(tokens=tokens, prompt_tokens=counted.prompt, cached_tokens=counted.cached)


def _sum(one: float | None, other: float | None) -> float | None:
    return None if one is None and other is None else (one or 0.0) + (other or 0.0)
