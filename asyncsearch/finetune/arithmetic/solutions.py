"""Solutions of arithmetic problems by a policy, with the truth about each step and a reward model's opinion."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from asyncsearch.datasets.arithmetic import ArithmeticProblem, label_steps
from asyncsearch.format import FORMATS
from asyncsearch.problem import Problem
from asyncsearch.solve import solve_dataset
from asyncsearch.strategies import Sampling
from runtimes.local import LocalRuntime

__all__ = ["POLICY_FORMAT", "Solution", "sample_solutions"]

POLICY_FORMAT = FORMATS["steps"]
_LONGEST_SOLUTION = 300


@dataclass(frozen=True, slots=True)
class Solution:
    """A sampled solution: its steps, per step whether all is right up to it, and what a reward model says of that.

    ``scores`` is empty where no reward model was asked.
    """

    problem: ArithmeticProblem
    steps: tuple[str, ...]
    labels: tuple[bool, ...]
    scores: tuple[float, ...]

    @property
    def right(self) -> bool:
        """Whether the whole solution is."""
        return len(self.labels) == len(self.problem.operations) and all(self.labels)


async def sample_solutions(
    policy: Path,
    problems: Sequence[ArithmeticProblem],
    *,
    samples: int,
    temperature: float = 1.0,
    reward: Path | None = None,
) -> list[Solution]:
    """Sample ``samples`` solutions of each problem and label their steps by checking the arithmetic.

    Cancellation abandons all of them.

    Raises:
        RuntimeError: all samples of a problem failed.
    """
    run = await solve_dataset(
        [Problem(id=str(number), text=problem.problem) for number, problem in enumerate(problems)],
        Sampling(width=samples, temperature=temperature, max_tokens=_LONGEST_SOLUTION, scored=reward is not None),
        # Training data need no float64: what is sampled is labelled for what it is.
        policy=LocalRuntime(policy, dtype="float32", rows=512),
        reward=None if reward is None else LocalRuntime(reward, dtype="float32"),
    )
    solutions: list[Solution] = []
    for problem, result in zip(problems, run.results(), strict=True):
        if result.error is not None:
            raise RuntimeError(f"no samples of the problem {problem.problem!r}: {result.error}")
        for candidate in result.candidates:
            steps = POLICY_FORMAT.split_steps(candidate.text)
            labels = tuple(label_steps(problem, steps))
            solutions.append(Solution(problem, steps, labels, candidate.step_scores))
    return solutions
