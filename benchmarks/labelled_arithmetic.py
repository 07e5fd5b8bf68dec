"""Solutions of arithmetic problems whose steps are labelled by checking the arithmetic."""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import orjson

from asyncsearch.datasets.arithmetic import ArithmeticProblem, generate_problems, label_steps
from asyncsearch.finetune.arithmetic.mistakes import with_mistakes
from asyncsearch.training_data import TrainingSolution

__all__ = ["checked", "solutions_with_mistakes", "write_solutions"]


def checked(problem: ArithmeticProblem, steps: Sequence[str]) -> TrainingSolution:
    """A solution with the truth about its steps."""
    labels = tuple(float(label) for label in label_steps(problem, steps))
    return TrainingSolution(problem=problem.problem, steps=tuple(map(str.strip, steps)), labels=labels)


def solutions_with_mistakes(count: int, *, seed: int) -> Iterator[TrainingSolution]:
    """Worked solutions of training problems, half of their lines with a mistake put in."""
    source = random.Random(seed)
    for problem in generate_problems(count, split="train", seed=seed, minimum_operations=1):
        yield checked(problem, with_mistakes(source.choice(problem.solutions), source, solutions=problem.solutions))


def write_solutions(path: Path, solutions: Iterable[TrainingSolution]) -> str:
    """Write a file to train on, and give its name."""
    path.write_bytes(b"".join(orjson.dumps(solution.to_record()) + b"\n" for solution in solutions))
    return str(path)
