"""Solve a problem, or a dataset of them, by search."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path
from typing import overload

import anyio

from asyncsearch.admission import Admission, Place
from asyncsearch.collector import collector_spared
from asyncsearch.errors import ConfigurationError, DatasetError, ModelGone, StorageError, first_cause
from asyncsearch.format import in_chat
from asyncsearch.models import open_runtime, size_of
from asyncsearch.options import SolveOptions
from asyncsearch.problem import Problem
from asyncsearch.results import ProblemResult
from asyncsearch.rewards import RewardFormat, recognise_reward_format
from asyncsearch.run import Run, RunTally, model_config, run_paths, search_config
from asyncsearch.run_directory import Resumption, RunDirectory, open_run_directory, require_fit
from asyncsearch.scheduler import Scheduler, SchedulerStatistics, open_scheduler
from asyncsearch.search import ProblemSearch
from asyncsearch.strategies.base import Strategy
from runtimes.base import Runtime

__all__ = ["OnResult", "OnStart", "OnStatistics", "solve", "solve_dataset"]

OnResult = Callable[[Strategy, ProblemResult], None]
OnStart = Callable[[Strategy, RunDirectory], None]
OnStatistics = Callable[[SchedulerStatistics], None]

_STATISTICS_SECONDS = 0.5
"""Between two times that they are told."""


@overload
async def solve_dataset(
    problems: Iterable[Problem],
    strategy: Strategy,
    *,
    policy: Runtime | str,
    reward: Runtime | str | None = None,
    run_dir: Path | str | None = None,
    resume: bool | Resumption = False,
    options: SolveOptions = ...,
    on_result: OnResult | None = None,
    on_start: OnStart | None = None,
    on_statistics: OnStatistics | None = None,
) -> Run: ...


@overload
async def solve_dataset(
    problems: Iterable[Problem],
    strategy: Sequence[Strategy],
    *,
    policy: Runtime | str,
    reward: Runtime | str | None = None,
    run_dir: Path | str | Sequence[Path | str] | None = None,
    resume: bool | Resumption = False,
    options: SolveOptions = ...,
    on_result: OnResult | None = None,
    on_start: OnStart | None = None,
    on_statistics: OnStatistics | None = None,
) -> list[Run]: ...


async def solve_dataset(
    problems: Iterable[Problem],
    strategy: Strategy | Sequence[Strategy],
    *,
    policy: Runtime | str,
    reward: Runtime | str | None = None,
    run_dir: Path | str | Sequence[Path | str] | None = None,
    resume: bool | Resumption = False,
    options: SolveOptions = SolveOptions(),
    on_result: OnResult | None = None,
    on_start: OnStart | None = None,
    on_statistics: OnStatistics | None = None,
) -> Run | list[Run]:
    """Solve every problem with one strategy, or with several that share the models and their batches.

    Args:
        problems: with ids that are unique.
        strategy: one, or a sequence of them.
        policy: a runtime that generates, or ``NAME:ADDRESS`` of one (``local:DIRECTORY``).
        reward: a runtime that scores, likewise; None if no strategy scores.
        run_dir: where to write results as they come, and a journal of what was generated and scored; with several
            strategies each gets a directory of its own in it, or that one of a sequence of as many. None keeps the
            results in memory.
        resume: go on with what is in ``run_dir``, if anything is; a `Resumption` says how. Finished problems are not
            solved again, and of the others nothing is generated or scored a second time.
        options: seed, vote and the like.
        on_result: called with each result as soon as it is there.
        on_start: called when a strategy's run directory has been opened, before anything is solved.
        on_statistics: called twice a second while problems are being solved, with what has been done for them by then.

    Returns:
        The run, or a list of runs in the order of the strategies.

    Raises:
        UserError: an argument, a model or the run directory is wrong. A problem that cannot be solved raises
            nothing: it has a result with an error.
        ModelGone: a model stopped answering for good. What was solved until then is in the run directory.
        TooManyFailures: more problems failed than the options allow, likewise.
        StorageError: the run directory cannot be written any more, likewise; or what is in it is damaged.
        GradingError: the process that compares answers cannot be started.

    Cancellation ends all searches and closes the run directory: what was solved stays.
    """
    strategies = [strategy] if isinstance(strategy, Strategy) else list(strategy)
    chosen = _check_problems(problems)
    resumption = resume if isinstance(resume, Resumption) else Resumption() if resume else None
    paths = run_paths(strategies, run_dir)
    for one, path in zip(strategies, paths, strict=True):
        if path is not None:  # before the models, which take their time
            require_fit(path, search_config(one, options), chosen, resumption=resumption)
    try:
        runs = await _solve_all(
            chosen, strategies, policy, reward, paths, resumption, options, on_result, on_start, on_statistics
        )
    except BaseExceptionGroup as group:
        # A model is gone for all when anything else has ended the scheduler, which is then what went wrong.
        _, others = group.split(ModelGone)
        raise first_cause(others or group, KeyboardInterrupt, StorageError) from None
    return runs[0] if isinstance(strategy, Strategy) else runs


async def solve(
    problem: Problem,
    strategy: Strategy,
    *,
    policy: Runtime | str,
    reward: Runtime | str | None = None,
    options: SolveOptions = SolveOptions(),
) -> ProblemResult:
    """Solve one problem; arguments, errors and cancellation as in `solve_dataset`."""
    run = await solve_dataset([problem], strategy, policy=policy, reward=reward, options=options)
    return run.kept[0]


async def _solve_all(
    problems: Sequence[Problem],
    strategies: Sequence[Strategy],
    policy: Runtime | str,
    reward: Runtime | str | None,
    paths: Sequence[Path | None],
    resumption: Resumption | None,
    options: SolveOptions,
    on_result: OnResult | None,
    on_start: OnStart | None,
    on_statistics: OnStatistics | None,
) -> list[Run]:
    if reward is None and (scored := [one.name for one in strategies if one.scored]):
        raise ConfigurationError(f"{scored[0]} scores its steps and needs a reward model; give one, or scored=False")
    async with AsyncExitStack() as stack:
        policy_runtime = await stack.enter_async_context(open_runtime(policy))
        reward_runtime = None if reward is None else await stack.enter_async_context(open_runtime(reward))
        if policy_runtime.capabilities.reward_format is not None:
            raise ConfigurationError(f"{policy_runtime.capabilities.model} is a reward model, and no policy")
        said_format = options.chosen_format()
        format = in_chat(said_format, policy_runtime, model=policy_runtime.capabilities.model)
        reward_format: RewardFormat | None = None
        if reward_runtime is not None:
            reward_format = recognise_reward_format(options.reward_format, reward_runtime.capabilities)
        grader = await stack.enter_async_context(options.make_grader())
        scheduler = await stack.enter_async_context(
            open_scheduler(
                policy_runtime, reward_runtime, policy_limit=options.policy_limit, reward_limit=options.reward_limit
            )
        )
        stack.enter_context(collector_spared())
        models = {
            "policy": policy_runtime.capabilities,
            "reward": None if reward_runtime is None else reward_runtime.capabilities,
        }
        sizes = {
            "policy": size_of(models["policy"], parameters=options.policy_parameters),
            "reward": size_of(models["reward"], parameters=options.reward_parameters),
        }
        search = ProblemSearch(
            options=options,
            format=format,
            reward_format=reward_format,
            grader=grader,
            scheduler=scheduler,
            policy_size=sizes["policy"],
            reward_size=sizes["reward"],
        )
        tallies: list[RunTally] = []
        for one, path in zip(strategies, paths, strict=True):
            config = search_config(one, options) | model_config(
                models if one.scored else {**models, "reward": None},
                sizes,
                chat_prompt=format.prompt if said_format.chat else None,
                reward_format=reward_format if one.scored else None,
            )
            directory: RunDirectory | None = None
            if path is not None:
                # Last in, first out: the directory is closed before anything else is.
                directory = stack.enter_context(
                    open_run_directory(
                        path,
                        config,
                        problems,
                        resumption=resumption,
                        compress=options.compress,
                        durability=options.durability,
                    )
                )
                if on_start is not None:
                    on_start(one, directory)
            tallies.append(RunTally(one, directory))
        for tally in tallies:
            for _, result in tally.directory.results() if tally.directory is not None else ():
                tally.count(result)
                if on_result is not None:
                    on_result(tally.strategy, result)
        before = [tally.results.seconds for tally in tallies]
        jobs = [
            (position, problem, tally, earlier)
            for position, problem in enumerate(problems)  # problem by problem, so that strategies interleave
            for tally, earlier in zip(tallies, before, strict=True)
            if tally.directory is None or problem.id not in tally.directory
        ]
        started = anyio.current_time()
        admission = Admission(
            scheduler,
            most=options.problems_in_flight,
            kv_tokens=min((found.kv_tokens for found in models.values() if found and found.kv_tokens), default=None),
        )

        async def work(
            place: Place, order: int, position: int, problem: Problem, tally: RunTally, earlier: float
        ) -> None:
            journal = None if tally.directory is None else tally.directory.search(problem)
            result = await search.solve(problem, tally.strategy, order=order, journal=journal, on_tree=place.hold)
            result = replace(result, run_seconds=round(earlier + anyio.current_time() - started, 3))
            tally.add(position, result)
            if on_result is not None:
                on_result(tally.strategy, result)
            tally.require_few_failures(options.max_failures, len(problems))
            admission.leave(place)

        async with anyio.create_task_group() as meanwhile:
            for tally in tallies:
                if tally.directory is not None:
                    meanwhile.start_soon(tally.directory.keep_synced)
            meanwhile.start_soon(_keep_telling, scheduler, on_statistics)
            async with anyio.create_task_group() as searches:
                for order, job in enumerate(jobs):
                    searches.start_soon(work, await admission.enter(), order, *job)
            meanwhile.cancel_scope.cancel()
        statistics = scheduler.statistics()
    return [tally.finish(statistics, grader.gave_up) for tally in tallies]


async def _keep_telling(scheduler: Scheduler, tell: OnStatistics | None) -> None:
    while tell is not None:
        tell(scheduler.statistics())
        await anyio.sleep(_STATISTICS_SECONDS)


def _check_problems(problems: Iterable[Problem]) -> tuple[Problem, ...]:
    chosen = tuple(problems)
    seen: set[str] = set()
    for problem in chosen:
        if problem.id in seen:
            raise DatasetError(f"the id {problem.id!r} stands for two problems; ids must be unique")
        seen.add(problem.id)
        try:
            f"{problem.id}{problem.text}{problem.answer}".encode()
        except UnicodeEncodeError as error:
            raise DatasetError(f"the problem {problem.id!r} is not valid Unicode: {error.reason}") from None
    return chosen
