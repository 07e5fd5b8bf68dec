"""A run on disk, evaluated: one of ours, or what the REBASE reference wrote."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from asyncsearch.answers import make_grader
from asyncsearch.evaluation.evaluation import Evaluation, evaluate
from asyncsearch.evaluation.judgement import Method
from asyncsearch.options import SolveOptions
from asyncsearch.reference import is_reference_file, read_reference_results
from asyncsearch.run_directory import read_config, read_results, verify_config

__all__ = ["EvaluatedRun", "evaluate_run"]


@dataclass(frozen=True, slots=True, kw_only=True)
class EvaluatedRun:
    """A run of ``problems`` problems, and how right it is.

    ``strategy`` and ``width`` are None where that is not known. ``method`` is what its candidates were put to, where
    there are scores for it, or what was asked for.
    """

    path: Path
    strategy: str | None
    width: int | None
    problems: int
    method: Method
    evaluation: Evaluation


async def evaluate_run(
    path: Path,
    *,
    grader: str | None = None,
    grading_seconds: float | None = None,
    vote: str | None = None,
    aggregation: str | None = None,
) -> EvaluatedRun:
    """Evaluate a run directory, or a file or directory of the reference's.

    Args:
        path: of the run.
        grader: another grader than the run's; of the reference's files by default that of mathematics.
        grading_seconds: another limit of time for it.
        vote: what the candidates are put to, where not what the run's were.
        aggregation: of step scores, likewise.

    Raises:
        RunDirectoryError: the path is none of these.
        StorageError: it cannot be read, or is damaged; DatasetError of the reference's.
        ConfigurationError: a name is unknown.
        GradingError: answers cannot be compared at all.
    """
    is_theirs = is_reference_file(path)
    if is_theirs:
        options = SolveOptions()
        config: dict[str, Any] = {name: getattr(options, name) for name in ("aggregation", "grader", "grading_seconds")}
        config |= {"vote": "weighted", "strategy": None, "parameters": {"width": None}}
    else:
        verify_config(path)
        config = read_config(path)
    time_limit = grading_seconds or config["grading_seconds"]
    async with make_grader(grader or config["grader"], time_limit=time_limit) as judge:
        results = read_reference_results(path, extract=judge.extract) if is_theirs else read_results(path)
        found = await evaluate(results, judge)
    method = Method.of(vote or config["vote"], aggregation or config["aggregation"])
    return EvaluatedRun(
        path=path,
        strategy=config["strategy"],
        width=config["parameters"]["width"],
        problems=config.get("problems", found.solved + found.failed),
        method=method if method in found.methods else Method("majority", None),
        evaluation=found,
    )
