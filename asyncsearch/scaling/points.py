"""A run as points of a scaling curve: its error, and the operations that a problem took. And its voting curves."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path

from asyncsearch.accounting import Accounts
from asyncsearch.errors import ConfigurationError, JournalError, RunDirectoryError
from asyncsearch.evaluation import Estimate, Method, evaluate
from asyncsearch.replay import recorded_options, replay_anytime
from asyncsearch.run_directory import read_config, read_results
from asyncsearch.scaling.voting_curve import VotingCurve, voting_curve

__all__ = ["RunScaling", "ScalingPoint", "measure_scaling"]

_MAJORITY = Method("majority", None)
_SAMPLES, _GREEDY = "sampling", "greedy"


@dataclass(frozen=True, slots=True, kw_only=True)
class ScalingPoint:
    """A strategy at a width, with a model, under a vote: the share of problems that it gets wrong, and what one takes.

    ``variant`` says in what it differs from another run that is the same in all of these; it is mostly empty.
    ``policy_flops`` are the policy's operations for a problem and ``flops`` those of both models, each None where a
    model's size is unknown. ``given_up`` is the share of the policy's tokens that were computed for requests that
    were given up.
    """

    model: str
    strategy: str
    method: Method
    width: int
    error: Estimate
    policy_flops: float | None
    flops: float | None
    variant: str = ""
    given_up: float = 0.0

    @property
    def vote(self) -> str:
        """The vote in words, with the aggregation where it is not the usual one."""
        return self.method.vote if self.method.aggregation in (None, "last") else str(self.method)

    @property
    def series(self) -> str:
        """What the points of one curve have in common."""
        return f"{self.model}: {self.named_strategy}, {self.vote}"

    @property
    def named_strategy(self) -> str:
        """The strategy with its variant."""
        return f"{self.strategy} ({self.variant})" if self.variant else self.strategy


@dataclass(frozen=True, slots=True, kw_only=True)
class RunScaling:
    """The points of a run, the narrowest first, and, of samples, the curves of a majority and of a weighted vote."""

    points: tuple[ScalingPoint, ...] = ()
    curves: tuple[VotingCurve, ...] = ()


async def measure_scaling(run: Path, *, model: str, variant: str = "") -> RunScaling:
    """What a run says of scaling.

    A run of samples has each smaller number of them inside, and gives a point for 1, 2, 4 and so on, without and with
    the reward model; a vote of these is right with the probability that `voting_curve` finds, over all orders in which
    they could have been drawn. Any other run is one point, under its own vote.

    Raises:
        RunDirectoryError: there is no run.
        StorageError: it cannot be read, or is damaged.
        GradingError: answers cannot be compared at all.
    """
    config = read_config(run)
    strategy, width = config["strategy"], config["parameters"]["width"]
    own = Method.of(config["vote"], config["aggregation"])
    async with recorded_options(config).make_grader() as grader:
        found = await evaluate(read_results(run), grader)
        if not found.judgements:
            return RunScaling()
        is_greedy = strategy == _SAMPLES and not config["parameters"]["temperature"]
        point = partial(_point, model=model, strategy=_GREEDY if is_greedy else strategy, variant=variant)
        if strategy != _SAMPLES:
            whole = point(own, width, found.estimate(own), found.accounts, found.solved + found.failed)
            return RunScaling(points=(whole,))
        votes = (_MAJORITY, Method("weighted", config["aggregation"]))
        measured = [
            await voting_curve(read_results(run), grader, method) for method in votes if method in found.methods
        ]
    curves = tuple(curve for curve in measured if curve is not None)
    points = [
        point(curve.method, narrow, curve.accuracy(narrow), accounts, problems)
        for narrow, accounts, problems in await _at_widths(run, width)
        for curve in curves
        if narrow in curve.samples and curve.method in (_MAJORITY, own)
    ]
    if own.vote == "best-of-n":
        points.append(point(own, width, found.estimate(own), found.accounts, found.solved + found.failed))
    return RunScaling(points=tuple(points), curves=curves)


async def _at_widths(run: Path, width: int) -> list[tuple[int, Accounts, int]]:
    """What a run and the narrower ones inside of it cost, and for how many problems."""
    try:
        return [(found.strategy.width, found.accounts, len(found.results)) for found in await replay_anytime(run)]
    except (ConfigurationError, RunDirectoryError, JournalError):  # what its journal does not say
        results = [*read_results(run)]
        return [(width, sum((result.accounts for result in results), start=Accounts()), len(results))]


def _point(
    method: Method,
    width: int,
    accuracy: Estimate,
    accounts: Accounts,
    problems: int,
    *,
    model: str,
    strategy: str,
    variant: str,
) -> ScalingPoint:
    policy = accounts.policy.flops
    both = policy if strategy in (_SAMPLES, _GREEDY) and method.vote == "majority" else accounts.flops
    return ScalingPoint(
        model=model,
        strategy=strategy,
        method=method,
        width=width,
        error=Estimate(1 - accuracy.value, 1 - accuracy.high, 1 - accuracy.low, accuracy.total),
        policy_flops=None if policy is None else policy / problems,
        flops=None if both is None else both / problems,
        variant=variant,
        given_up=accounts.policy.aborted_tokens / max(accounts.policy.computed_tokens, 1),
    )
