"""Strategies side by side on the same problems and models."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from asyncsearch.answers.grading import Grader
from asyncsearch.evaluation import Accuracy, Evaluation, Method, evaluate
from asyncsearch.problem import Problem
from asyncsearch.report.progress import Progress
from asyncsearch.report.table import Row
from asyncsearch.results import require_free
from asyncsearch.solve import Run, SolveOptions, open_runtime, solve_dataset
from asyncsearch.strategies import Rebase, Sampling, Strategy, make_strategy
from runtimes.base import Runtime

__all__ = ["Entry", "compare", "entries_of", "one_entry"]


@dataclass(frozen=True, slots=True)
class Entry:
    """A strategy, the name its directory has, and the rows its candidates give: a title and a vote each."""

    strategy: Strategy
    name: str
    rows: tuple[tuple[str, str], ...]


def one_entry(name: str, parameters: dict[str, Any], options: SolveOptions) -> Entry:
    """The entry of one strategy by name.

    Raises:
        ConfigurationError: the name or a parameter is wrong.
    """
    strategy = make_strategy(name, parameters)
    vote = options.vote_for(strategy)
    return Entry(strategy, name, ((f"{name}, width {strategy.width}, {vote} vote", vote),))


def entries_of(parameters: dict[str, Any], options: SolveOptions) -> list[Entry]:
    """What search is worth: greedy decoding, majority and weighted vote of the same samples, and REBASE.

    Each takes those of ``parameters`` that it has.

    Raises:
        ConfigurationError: a parameter is none of these strategies', or its value is wrong.
    """
    known = {**Sampling.parameters(), **Rebase.parameters()}
    for name, value in parameters.items():
        if name not in known:
            Rebase.from_parameters({name: value})  # names the nearest
    shared = {name: value for name, value in parameters.items() if name in Sampling.parameters()}
    greedy = Sampling.from_parameters({**shared, "width": 1, "temperature": 0.0, "scored": False})
    samples = Sampling.from_parameters(shared)
    rebase = Rebase.from_parameters(parameters)
    return [
        Entry(greedy, "greedy", (("greedy", "majority"),)),
        Entry(
            samples,
            "sampling",
            (
                (f"majority of {samples.width} samples", "majority"),
                (f"weighted vote of {samples.width} samples", "weighted"),
            ),
        ),
        Entry(rebase, "rebase", ((f"REBASE at width {rebase.width}", options.vote_for(rebase)),)),
    ]


async def compare(
    problems: Sequence[Problem],
    entries: Sequence[Entry],
    *,
    policy: str,
    reward: str | None,
    directory: Path,
    options: SolveOptions,
    progress: Progress,
) -> list[Row]:
    """Run the entries one after the other, so that their seconds can be compared, and return their rows.

    One entry alone is written to ``directory`` itself, each of several to a directory of its own in it.

    Raises:
        UserError: as `solve_dataset`.

    Cancellation ends the run at hand; what was solved stays in its directory.
    """
    rows: list[Row] = []
    require_free(directory)  # before the models are loaded, and before anything is solved
    paths = [directory if len(entries) == 1 else directory / entry.name for entry in entries]
    async with AsyncExitStack() as stack:
        progress.note("loading the models")
        policy_runtime = await stack.enter_async_context(open_runtime(policy))
        reward_runtime: Runtime | None = None
        if reward is not None:
            reward_runtime = await stack.enter_async_context(open_runtime(reward))
        grader = await stack.enter_async_context(Grader(time_limit=options.grading_seconds))
        for entry, path in zip(entries, paths, strict=True):
            with progress.track(entry.name, len(problems)) as tracker:
                run = await solve_dataset(
                    problems,
                    entry.strategy,
                    policy=policy_runtime,
                    reward=reward_runtime if entry.strategy.scored else None,
                    run_dir=path,
                    options=options,
                    on_result=tracker,
                )
            rows += _rows_of(entry, run, await evaluate(run.results(), grader), options)
    return rows


def _rows_of(entry: Entry, run: Run, found: Evaluation, options: SolveOptions) -> Iterator[Row]:
    for title, vote in entry.rows:
        accuracy: Accuracy | None = None
        if run.graded:
            method = Method(vote, None if vote == "majority" else options.aggregation)
            # No score at all, because everything failed: then nothing is right.
            accuracy = found.accuracies.get(method, Accuracy(0, run.graded))
        yield Row(
            name=title,
            accuracy=accuracy,
            policy_tokens=run.tokens.generated,
            # A row beside others of the same candidates pays only for what its vote looks at.
            reward_tokens=0 if vote == "majority" and len(entry.rows) > 1 else run.tokens.reward,
            seconds=run.seconds,
            failed=run.failed,
        )
