"""Solve a problem, or a dataset of them, by search."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, overload

import anyio

from asyncsearch.accounting import TokenCounts, count_tokens
from asyncsearch.answers.extraction import extract_answer
from asyncsearch.answers.grading import Grader
from asyncsearch.answers.voting import choose
from asyncsearch.context import SearchContext
from asyncsearch.election import elect, gather_voters
from asyncsearch.errors import ConfigurationError, DatasetError, ModelError, first_cause
from asyncsearch.format import Format, format_named
from asyncsearch.plugins import RUNTIMES, load_plugin
from asyncsearch.problem import Problem
from asyncsearch.results import Candidate, ProblemResult, RunDirectory, read_results
from asyncsearch.rewards import AGGREGATIONS, RewardFormat, recognise_reward_format, reward_format_named
from asyncsearch.scheduler import Scheduler, SchedulerStatistics, open_scheduler
from asyncsearch.strategies.base import Strategy
from asyncsearch.tree import NodeState, Tree
from runtimes.base import Runtime, RuntimeGone

__all__ = ["OnResult", "Run", "SolveOptions", "open_runtime", "solve", "solve_dataset"]

_LARGEST_SEED = 2**53
"""What every JSON reader can hold."""

OnResult = Callable[[Strategy, ProblemResult], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class SolveOptions:
    """What a run depends on beside problems, strategy and models.

    Args:
        seed: of the whole run; every draw has its own, derived from it.
        vote: how candidates become an answer; ``"auto"`` is weighted where the strategy scores, else majority.
        aggregation: how a solution's step scores become one.
        format: the policy's convention of prompts and steps, or its name.
        reward_format: the name of the reward model's, ``"auto"`` to recognise it.
        problems_in_flight: trees grown at the same time; None for enough to keep the policy busy.
        policy_limit: generate requests in flight; None for what the runtime finds useful.
        reward_limit: score requests in flight, likewise.
        grading_seconds: time that comparing two answers may take.

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
    grading_seconds: float = 5.0

    def __post_init__(self) -> None:
        if self.aggregation not in AGGREGATIONS:
            raise ConfigurationError(f"unknown aggregation {self.aggregation!r}; known are {', '.join(AGGREGATIONS)}")
        if self.vote != "auto":
            choose((), self.vote)
        if isinstance(self.format, str):
            format_named(self.format)
        if self.reward_format != "auto":
            reward_format_named(self.reward_format)
        if not 0 <= self.seed <= _LARGEST_SEED:
            raise ConfigurationError(f"seed must be at least 0 and at most {_LARGEST_SEED}, not {self.seed}")
        for name in ("problems_in_flight", "policy_limit", "reward_limit"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise ConfigurationError(f"{name} must be at least 1, not {value}")

    def vote_for(self, strategy: Strategy) -> str:
        """The vote that a strategy's candidates are put to; without scores there is only the majority."""
        if not strategy.scored:
            return "majority"
        return "weighted" if self.vote == "auto" else self.vote


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One strategy over one dataset, done.

    ``solved`` problems have a result, ``failed`` ones an error; ``correct`` of ``graded`` were right.
    ``seconds`` is wall time. ``grading_gave_up`` pairs of answers, of all runs that share this call, took too
    long to compare and count as different. ``results`` iterates over the run directory where there is one, so
    that it can be larger than memory.
    """

    strategy: Strategy
    path: Path | None
    solved: int
    failed: int
    graded: int
    correct: int
    tokens: TokenCounts
    seconds: float
    grading_gave_up: int
    statistics: SchedulerStatistics
    kept: tuple[ProblemResult, ...] = field(default=(), repr=False)

    @property
    def accuracy(self) -> float | None:
        """Share of the problems with a reference that were answered right; failed ones count as wrong."""
        return self.correct / self.graded if self.graded else None

    def results(self) -> Iterator[ProblemResult]:
        """Every problem's result, in the order of the dataset."""
        return iter(self.kept) if self.path is None else read_results(self.path)


@dataclass(slots=True)
class _Tally:
    """A run in the making."""

    strategy: Strategy
    directory: RunDirectory | None
    solved: int = 0
    failed: int = 0
    graded: int = 0
    correct: int = 0
    tokens: TokenCounts = field(default_factory=TokenCounts)
    kept: dict[int, ProblemResult] = field(default_factory=dict)
    seconds: float = 0.0

    def add(self, position: int, result: ProblemResult) -> None:
        self.solved += result.error is None
        self.failed += result.error is not None
        self.graded += result.correct is not None
        self.correct += bool(result.correct)
        self.tokens += result.tokens
        if self.directory is not None:
            self.directory.append(position, result)
        else:
            self.kept[position] = result

    def finish(self, statistics: SchedulerStatistics, grading_gave_up: int) -> Run:
        return Run(
            strategy=self.strategy,
            path=None if self.directory is None else self.directory.path,
            solved=self.solved,
            failed=self.failed,
            graded=self.graded,
            correct=self.correct,
            tokens=self.tokens,
            seconds=self.seconds,
            grading_gave_up=grading_gave_up,
            statistics=statistics,
            kept=tuple(self.kept[position] for position in sorted(self.kept)),
        )


@overload
async def solve_dataset(
    problems: Iterable[Problem],
    strategy: Strategy,
    *,
    policy: Runtime | str,
    reward: Runtime | str | None = None,
    run_dir: Path | str | None = None,
    options: SolveOptions = ...,
    on_result: OnResult | None = None,
) -> Run: ...


@overload
async def solve_dataset(
    problems: Iterable[Problem],
    strategy: Sequence[Strategy],
    *,
    policy: Runtime | str,
    reward: Runtime | str | None = None,
    run_dir: Path | str | None = None,
    options: SolveOptions = ...,
    on_result: OnResult | None = None,
) -> list[Run]: ...


async def solve_dataset(
    problems: Iterable[Problem],
    strategy: Strategy | Sequence[Strategy],
    *,
    policy: Runtime | str,
    reward: Runtime | str | None = None,
    run_dir: Path | str | None = None,
    options: SolveOptions = SolveOptions(),
    on_result: OnResult | None = None,
) -> Run | list[Run]:
    """Solve every problem with one strategy, or with several that share the models and their batches.

    Args:
        problems: with ids that are unique.
        strategy: one, or a sequence of them.
        policy: a runtime that generates, or ``NAME:ADDRESS`` of one (``local:DIRECTORY``).
        reward: a runtime that scores, likewise; None if no strategy scores.
        run_dir: where to write results as they come, see `RunDirectory`; with several strategies each gets
            a directory of its own in it. None keeps the results in memory.
        options: seed, vote and the like.
        on_result: called with each result as soon as it is there.

    Returns:
        The run, or a list of runs in the order of the strategies.

    Raises:
        UserError: an argument, a model or the run directory is wrong. A problem that cannot be solved raises
            nothing: it has a result with an error.

    Cancellation ends all searches and closes the run directory: what was solved stays.
    """
    strategies = [strategy] if isinstance(strategy, Strategy) else list(strategy)
    chosen = _check_problems(problems)
    try:
        runs = await _solve_all(chosen, strategies, policy, reward, run_dir, options, on_result)
    except BaseExceptionGroup as group:
        raise first_cause(group) from None
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
    run_dir: Path | str | None,
    options: SolveOptions,
    on_result: OnResult | None,
) -> list[Run]:
    if reward is None and (scored := [one.name for one in strategies if one.scored]):
        raise ConfigurationError(f"{scored[0]} scores its steps and needs a reward model; give one, or scored=False")
    async with AsyncExitStack() as stack:
        policy_runtime = await stack.enter_async_context(open_runtime(policy))
        reward_runtime = None if reward is None else await stack.enter_async_context(open_runtime(reward))
        search = _Search(
            options=options,
            format=options.format if isinstance(options.format, Format) else format_named(options.format),
            reward_format=None
            if reward_runtime is None
            else recognise_reward_format(options.reward_format, reward_runtime.capabilities),
            grader=await stack.enter_async_context(Grader(time_limit=options.grading_seconds)),
            scheduler=await stack.enter_async_context(
                open_scheduler(
                    policy_runtime,
                    reward_runtime,
                    policy_limit=options.policy_limit,
                    reward_limit=options.reward_limit,
                )
            ),
        )
        # Last in, first out: the results are closed before anything else is.
        tallies = [
            _Tally(one, None if path is None else stack.enter_context(RunDirectory(path, config)))
            for one, path, config in _plan_directories(
                strategies, run_dir, options, policy_runtime, reward_runtime, len(problems)
            )
        ]
        jobs = (
            (position, problem, tally) for position, problem in enumerate(problems) for tally in tallies
        )  # problem by problem, so that strategies interleave
        orders = iter(range(len(problems) * len(tallies)))
        started = anyio.current_time()

        async def work() -> None:
            for position, problem, tally in jobs:
                result = await search.solve(problem, tally.strategy, order=next(orders))
                tally.add(position, result)
                tally.seconds = anyio.current_time() - started
                if on_result is not None:
                    on_result(tally.strategy, result)

        limit = options.policy_limit or policy_runtime.capabilities.largest_batch
        narrowest = min((one.width for one in strategies), default=1)
        in_flight = options.problems_in_flight or max(16, 2 * limit // narrowest)
        async with anyio.create_task_group() as workers:
            for _ in range(min(in_flight, len(problems) * len(tallies))):
                workers.start_soon(work)
        statistics = search.scheduler.statistics()
    return [tally.finish(statistics, search.grader.gave_up) for tally in tallies]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Search:
    """Everything that solving one problem takes, beside the problem and the strategy."""

    options: SolveOptions
    format: Format
    reward_format: RewardFormat | None
    grader: Grader
    scheduler: Scheduler

    async def solve(self, problem: Problem, strategy: Strategy, *, order: int) -> ProblemResult:
        """Search, collect the candidates, vote and grade."""
        started = anyio.current_time()
        context = SearchContext(
            problem,
            strategy,
            scheduler=self.scheduler,
            format=self.format,
            reward_format=self.reward_format,
            seed=self.options.seed,
            order=order,
        )
        error: str | None = None
        if problem.text.strip():
            try:
                await strategy.search(context)
            except Exception as raised:  # noqa: BLE001 - a strategy may be anybody's code; its error is this problem's
                cause = first_cause(raised)
                error = f"{type(cause).__name__}: {cause}"
        else:
            error = "the problem is empty"
        candidates = _candidates(context.tree)
        if error is None and not candidates:
            failures = (node.error for node in context.tree.leaves() if node.error)
            error = next(failures, "the search ended without a candidate")
        answer = None if error is not None else await self._elect(candidates, strategy)
        correct: bool | None = None
        if problem.answer is not None:
            correct = answer is not None and await self.grader.equal(problem.answer, answer)
        return ProblemResult(
            id=problem.id,
            problem=problem.text,
            answer=answer,
            reference=problem.answer,
            correct=correct,
            candidates=candidates,
            tokens=count_tokens(context.tree),
            error=error,
            seconds=round(anyio.current_time() - started, 3),
        )

    async def _elect(self, candidates: Sequence[Candidate], strategy: Strategy) -> str | None:
        voters = await gather_voters(candidates, self.grader)
        return elect(voters, self.options.vote_for(strategy), self.options.aggregation)


def _candidates(tree: Tree) -> tuple[Candidate, ...]:
    candidates: list[Candidate] = []
    for leaf in tree.leaves():
        if leaf.state is NodeState.FAILED:
            continue
        text = leaf.solution()
        truncated = leaf.state is NodeState.TRUNCATED
        candidates.append(
            Candidate(
                text=text,
                answer=None if truncated else extract_answer(text),
                truncated=truncated,
                tokens=leaf.path_tokens,
                step_scores=leaf.solution_scores(),
            )
        )
    return tuple(candidates)


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


def _plan_directories(
    strategies: Sequence[Strategy],
    run_dir: Path | str | None,
    options: SolveOptions,
    policy: Runtime,
    reward: Runtime | None,
    problems: int,
) -> Iterator[tuple[Strategy, Path | None, dict[str, Any]]]:
    """Pair each strategy with the directory it writes to and the configuration recorded there."""
    names: dict[str, int] = {}
    for strategy in strategies:
        names[strategy.name] = names.get(strategy.name, 0) + 1
        path: Path | None = None
        if run_dir is not None:
            number = "" if names[strategy.name] == 1 else f"-{names[strategy.name]}"
            path = Path(run_dir) if len(strategies) == 1 else Path(run_dir) / f"{strategy.name}{number}"
        format = options.format
        yield (
            strategy,
            path,
            {
                "strategy": strategy.name,
                "parameters": asdict(strategy),
                "seed": options.seed,
                "vote": options.vote_for(strategy),
                "aggregation": options.aggregation,
                "format": format.name if isinstance(format, Format) else format,
                "problems": problems,
                "policy": policy.capabilities.model,
                "reward": None if reward is None else reward.capabilities.model,
            },
        )


@asynccontextmanager
async def open_runtime(runtime: Runtime | str) -> AsyncIterator[Runtime]:
    """Open a runtime, or the one that ``NAME:ADDRESS`` says; a directory alone is a local model.

    Raises:
        ConfigurationError: the name is unknown.
        ModelError: what it names cannot be opened.
    """
    async with AsyncExitStack() as stack:
        try:
            opened = await stack.enter_async_context(_runtime_named(runtime) if isinstance(runtime, str) else runtime)
        except RuntimeGone as error:
            raise ModelError(str(error)) from error
        yield opened


def _runtime_named(text: str) -> Runtime:
    name, colon, address = text.partition(":")
    if not colon and Path(text).is_dir():
        name, address = "local", text
    elif not (name and address):
        raise ConfigurationError(f"{text!r} names no model; write NAME:ADDRESS, as in local:DIRECTORY")
    made: Runtime = load_plugin(RUNTIMES, name, "runtime")(address)
    return made
