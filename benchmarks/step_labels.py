"""A reward model trained on labels from ``asyncsearch label`` against one on labels that were computed.

    python -m benchmarks.step_labels [--problems N] [--width N] [--rollouts N] [--steps N] [--output FILE]

The bundled policy's solutions of training problems are labelled by rollouts, hard and soft, and by checking the
arithmetic: the same steps with three kinds of labels. A reward model is trained on each from the bundled policy, with
the same rows in the same order, and told from the truth on solutions of other problems.
"""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated

import typer

from asyncsearch import Problem, solve_dataset
from asyncsearch.answers import make_grader
from asyncsearch.datasets.arithmetic import ArithmeticProblem, bundled_model, generate_problems
from asyncsearch.finetune.configuration import RewardFinetuning
from asyncsearch.finetune.finetuning import finetune_reward
from asyncsearch.format import FORMATS
from asyncsearch.labelling import AnswerReward, write_labels
from asyncsearch.options import SolveOptions
from asyncsearch.strategies import MonteCarlo, Sampling
from asyncsearch.training_data import TrainingSolution, read_training_solutions
from benchmarks.command import run
from benchmarks.labelled_arithmetic import checked, write_solutions
from benchmarks.measuring import Report
from runtimes.local import LocalRuntime

__all__ = ["main"]

_GRADING_SECONDS = 5.0


def main(
    problems: Annotated[int, typer.Option(min=2, help="Training problems, and half as many to measure on.")] = 400,
    width: Annotated[int, typer.Option(min=1, help="Solutions of each.")] = 4,
    rollouts: Annotated[int, typer.Option(min=1, help="Rollouts from each step.")] = 8,
    steps: Annotated[int, typer.Option(min=1, help="Steps of each training.")] = 150,
    output: Annotated[Path | None, typer.Option(help="Where the table is written as JSON.")] = None,
) -> None:
    """Print the table."""
    report = Report("step_labels", output)
    training = list(generate_problems(problems, split="train", seed=21))
    others = list(generate_problems(max(problems // 2, 1), split="train", seed=22))
    with tempfile.TemporaryDirectory() as scratch:
        directory = Path(scratch)
        data = asyncio.run(_label(directory, training, width=width, rollouts=rollouts))
        truth = data["computed"]
        held_out = write_solutions(directory / "held-out.jsonl", asyncio.run(_sample(others, width)))
        rows = []
        for name, solutions in data.items():
            finetuning = RewardFinetuning(
                model="bundled:policy",
                data=(write_solutions(directory / f"{name}.jsonl", solutions),),
                evaluation_data=(held_out,),
                reward_format="lines",
                steps=steps,
                batch_size=16,
                micro_batch_size=16,
                max_length=512,
                packing=True,
                learning_rate=1e-3,
                save_every=steps,
            )
            done = finetune_reward(finetuning, directory / f"{name}-model")
            rows.append(
                [
                    name,
                    f"{_agreement(solutions, truth):.1%}",
                    *(f"{done.metrics[metric]:.3f}" for metric in ("step_auc", "step_accuracy", "first_error_f1")),
                ]
            )
    count = sum(len(solution.steps) for solution in truth)
    headings = ["labels", "agree with computed", "step AUC", "accuracy", "first-error F1"]
    report.add(f"{steps} steps on {len(truth):,} solutions with {count:,} steps", headings, rows)


async def _label(
    directory: Path, problems: list[ArithmeticProblem], *, width: int, rollouts: int
) -> Mapping[str, list[TrainingSolution]]:
    """The same solutions with labels by rollouts and by the arithmetic."""
    asked = _asked(problems)
    reward = AnswerReward(asked, make_grader("math", time_limit=_GRADING_SECONDS), FORMATS["steps"])
    run_directory = directory / "run"
    await solve_dataset(
        asked,
        MonteCarlo(width=width, rollouts=rollouts),
        policy=_policy(),
        reward=reward,
        run_dir=run_directory,
        options=SolveOptions(vote="majority"),
    )
    found = {}
    for name, soft in (("rollouts, hard", False), ("rollouts, soft", True)):
        await write_labels(run_directory, directory / "labels.jsonl", soft=soft)
        found[name] = [*read_training_solutions(directory / "labels.jsonl")]
    by_text = {problem.problem: problem for problem in problems}
    found["computed"] = [checked(by_text[one.problem], one.steps) for one in found["rollouts, soft"]]
    return found


async def _sample(problems: list[ArithmeticProblem], width: int) -> list[TrainingSolution]:
    """Solutions by the policy, with the truth about their steps."""
    run = await solve_dataset(_asked(problems), Sampling(width=width, scored=False), policy=_policy())
    return [
        checked(problem, FORMATS["steps"].split_steps(candidate.text))
        for problem, result in zip(problems, run.results(), strict=True)
        for candidate in result.candidates
    ]


def _asked(problems: list[ArithmeticProblem]) -> list[Problem]:
    return [
        Problem(id=str(number), text=problem.problem, answer=problem.answer) for number, problem in enumerate(problems)
    ]


def _policy() -> LocalRuntime:
    return LocalRuntime(bundled_model("policy"), dtype="float32", rows=256)


def _agreement(solutions: Iterable[TrainingSolution], truth: Iterable[TrainingSolution]) -> float:
    """How often a label, of a half or more, is what the arithmetic says of the step."""
    true = {(one.problem, one.steps): one.labels or () for one in truth}
    agreeing = [
        (label >= 0.5) == (known == 1)
        for solution in solutions
        for label, known in zip(solution.labels or (), true[solution.problem, solution.steps], strict=True)
        if label is not None and known is not None
    ]
    return sum(agreeing) / len(agreeing)


if __name__ == "__main__":
    run(main)
