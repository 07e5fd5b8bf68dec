"""What a run depends on beside problems, strategy and models."""

from __future__ import annotations

import math
from dataclasses import dataclass

from asyncsearch.answers import Grader, make_grader
from asyncsearch.answers.voting import VOTES
from asyncsearch.errors import ConfigurationError
from asyncsearch.format import Format, format_named
from asyncsearch.rewards import AGGREGATIONS, reward_format_named
from asyncsearch.strategies.base import Strategy

__all__ = ["SolveOptions"]

_LARGEST_SEED = 2**53
"""What every JSON reader can hold."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SolveOptions:
    """What a run depends on beside problems, strategy and models.

    Args:
        seed: of the whole run; every draw has its own, derived from it.
        vote: how candidates become an answer; ``"auto"`` is weighted where the strategy scores, else majority.
        aggregation: how a solution's step scores become one.
        format: the policy's convention of prompts and steps, its name, or a YAML file of it.
        reward_format: the name of the reward model's, ``"auto"`` to recognise it.
        problems_in_flight: trees grown at the same time; None for enough to keep the policy busy.
        policy_limit: generate requests in flight; None for what the runtime finds useful.
        reward_limit: score requests in flight, likewise.
        grader: the name of what says which answers are the same, and which are right, or ``MODULE:NAME`` of a function
            that does, see `FunctionGrader`.
        grading_seconds: time that comparing two answers may take.
        durability: seconds between two times that the disk is made to take the journal, None for never: what a power
            cut may cost. A process that is killed loses nothing either way.
        policy_parameters: of the policy, for its floating-point operations; None for what its configuration says.
        reward_parameters: of the reward model, likewise.
        compress: compress the journal of a new run, with Zstandard.
        max_failures: more problems that fail end the run: a count, or below 1 a share of the problems.

    The limits change the time a run takes, never what comes of it. ``grading_seconds`` can: two answers that take
    longer to compare count as different.
    """

    seed: int = 0
    vote: str = "auto"
    aggregation: str = "last"
    format: Format | str = "steps"
    reward_format: str = "auto"
    problems_in_flight: int | None = None
    policy_limit: int | None = None
    reward_limit: int | None = None
    grader: str = "math"
    grading_seconds: float = 5.0
    durability: float | None = 0.1
    compress: bool = True
    max_failures: float | None = None
    policy_parameters: float | None = None
    reward_parameters: float | None = None

    def __post_init__(self) -> None:
        if self.aggregation not in AGGREGATIONS:
            raise ConfigurationError(f"unknown aggregation {self.aggregation!r}; known are {', '.join(AGGREGATIONS)}")
        if self.vote not in ("auto", *VOTES):
            raise ConfigurationError(f"unknown vote {self.vote!r}; known are auto, {', '.join(VOTES)}")
        self.chosen_format()
        if self.reward_format != "auto":
            reward_format_named(self.reward_format)
        if not 0 <= self.seed <= _LARGEST_SEED:
            raise ConfigurationError(f"seed must be at least 0 and at most {_LARGEST_SEED}, not {self.seed}")
        for name in ("problems_in_flight", "policy_limit", "reward_limit"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise ConfigurationError(f"{name} must be at least 1, not {value}")
        if not 0 < self.grading_seconds < math.inf:
            raise ConfigurationError(f"grading_seconds must be above 0, not {self.grading_seconds}")
        self.make_grader()
        for name in ("durability", "max_failures", "policy_parameters", "reward_parameters"):
            value = getattr(self, name)
            if value is not None and not 0 <= value < math.inf:
                raise ConfigurationError(f"{name} must be at least 0, not {value}")

    def chosen_format(self) -> Format:
        """The policy's format itself.

        Raises:
            ConfigurationError: it is a file that cannot be read any more.
        """
        return self.format if isinstance(self.format, Format) else format_named(self.format)

    def make_grader(self) -> Grader:
        """The grader of such a run, still to be opened.

        Raises:
            ConfigurationError: there is none of that name.
        """
        return make_grader(self.grader, time_limit=self.grading_seconds)

    def vote_for(self, strategy: Strategy) -> str:
        """The vote that a strategy's candidates are put to; without scores there is only the majority.

        Raises:
            ConfigurationError: the vote asked for takes scores, and the strategy has none.
        """
        if not strategy.scored:
            if self.vote not in ("auto", "majority"):
                raise ConfigurationError(f"the vote {self.vote!r} takes scores, and {strategy.name} has scored=false")
            return "majority"
        return "weighted" if self.vote == "auto" else self.vote
