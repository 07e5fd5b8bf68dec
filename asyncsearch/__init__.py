"""Inference-time search over language models, as coroutines.

import asyncio
from asyncsearch import Rebase, load_problems, solve_dataset

run = asyncio.run(
    solve_dataset(load_problems("arithmetic"), Rebase(width=16), policy="local:DIR", reward="local:DIR")
)
print(run.accuracy)
"""

from asyncsearch.answers import Grader, extract_answer
from asyncsearch.context import SearchContext
from asyncsearch.datasets import bundled_model, load_problems
from asyncsearch.errors import (
    AsyncSearchError,
    ConfigurationError,
    DatasetError,
    GradingError,
    JournalError,
    ModelError,
    ModelGone,
    RunDirectoryError,
    StorageError,
    TooManyFailures,
    UserError,
)
from asyncsearch.evaluation import (
    Accuracy,
    Estimate,
    EvaluatedRun,
    Evaluation,
    Judgement,
    Method,
    PairedTest,
    evaluate,
    evaluate_run,
    paired_test,
)
from asyncsearch.format import Format
from asyncsearch.options import SolveOptions
from asyncsearch.problem import Problem
from asyncsearch.results import Candidate, ProblemResult
from asyncsearch.run import Run
from asyncsearch.run_directory import Resumption, read_results
from asyncsearch.scheduler import SchedulerStatistics
from asyncsearch.solve import solve, solve_dataset
from asyncsearch.strategies import Rebase, Sampling, Strategy, make_strategy, strategy_names
from asyncsearch.tree import Node, NodeState, Tree

__all__ = [
    "Accuracy",
    "AsyncSearchError",
    "Candidate",
    "ConfigurationError",
    "DatasetError",
    "Estimate",
    "EvaluatedRun",
    "Evaluation",
    "Format",
    "Grader",
    "GradingError",
    "JournalError",
    "Judgement",
    "Method",
    "ModelError",
    "ModelGone",
    "Node",
    "NodeState",
    "PairedTest",
    "Problem",
    "ProblemResult",
    "Rebase",
    "Resumption",
    "Run",
    "RunDirectoryError",
    "Sampling",
    "SchedulerStatistics",
    "SearchContext",
    "SolveOptions",
    "StorageError",
    "Strategy",
    "TooManyFailures",
    "Tree",
    "UserError",
    "bundled_model",
    "evaluate",
    "evaluate_run",
    "extract_answer",
    "load_problems",
    "make_strategy",
    "paired_test",
    "read_results",
    "solve",
    "solve_dataset",
    "strategy_names",
]
