"""Problems that ship with the package, and what they are solved with where nothing else is said."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from asyncsearch.datasets.arithmetic import bundled_model, bundled_problems_file
from asyncsearch.datasets.countdown import bundled_countdown_file

__all__ = ["BUNDLED", "BundledTask"]


@dataclass(frozen=True, slots=True, kw_only=True)
class BundledTask:
    """A file of problems, addresses of a policy and a reward model that were made for each other, and a grader."""

    problems: Callable[[], Path]
    policy: str
    reward: str
    grader: str


BUNDLED = {
    "arithmetic": BundledTask(
        problems=bundled_problems_file,
        policy=f"local:{bundled_model('policy')}",
        reward=f"local:{bundled_model('reward')}",
        grader="math",
    ),
    "countdown": BundledTask(
        problems=bundled_countdown_file,
        policy="policy-function:asyncsearch.datasets.countdown:propose",
        reward="reward-function:asyncsearch.datasets.countdown:judge",
        grader="countdown",
    ),
}
"""Bundled tasks by name."""
