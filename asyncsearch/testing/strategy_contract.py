"""What every strategy keeps to, whatever its idea of a search."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

import anyio
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from hypothesis.errors import Flaky

from asyncsearch.answers.grader import Grader
from asyncsearch.answers.math_grader import MathGrader
from asyncsearch.context import SearchContext
from asyncsearch.election import Leaves
from asyncsearch.errors import first_cause
from asyncsearch.format import FORMATS
from asyncsearch.journal import SearchJournal
from asyncsearch.journal.reading import collect
from asyncsearch.journal.records import Generated, Row, began_row, pack, unpack
from asyncsearch.options import SolveOptions
from asyncsearch.problem import Problem
from asyncsearch.rewards import REWARD_FORMATS
from asyncsearch.scheduler import Scheduler, open_scheduler
from asyncsearch.strategies.base import Strategy
from asyncsearch.testing.violation import ContractViolation
from asyncsearch.testing.worlds import Model, Timing, models, timings
from asyncsearch.tree import Node, NodeState, Tree
from runtimes.virtual_clock import Deadlock, run_virtual

__all__ = ["check_strategy"]

_MOST_DRAWS = 10
"""A search that ends draws no more than so many times the steps of ``width`` paths of ``max_depth`` steps."""

_LONGEST = 100_000.0
"""Virtual seconds that it may take."""

_PATIENCE = 60.0
"""Virtual seconds that a cancelled search may take to end: whatever is in flight is given up at once."""


def check_strategy(strategy: Strategy, *, examples: int = 25) -> None:
    """Search in simulated worlds that reorder, delay, fail and cancel, and see whether the strategy keeps its contract.

    - A tree depends on seeds and models alone: on no order of arrival, batch size, limit, clock or other search. Of a
      search that gives up what is on its way that is true of what votes.
    - No more than ``width`` candidates vote, and no path goes beyond ``max_tokens`` or ``max_depth``. What has grown
      stays in the tree, and every leaf votes once where `Strategy.every_leaf_votes` says so.
    - Failed nodes raise nothing, and every search ends: ten times the draws of ``width`` paths of ``max_depth`` steps
      are too many.
    - When a search has ended or is cancelled, no task and no request is left; cancellation ends it.
    - Resumed from any part of its journal it grows the same tree, and draws nothing a second time.

    It runs on a virtual clock in an event loop of its own, so not from a coroutine, and takes no model.

    Args:
        strategy: with the parameters to check it with; a ``width`` of 8 or so is enough.
        examples: worlds that each of these is tried in.

    Raises:
        ContractViolation: one is broken; the message says which, and in what world: the smallest that was found.
        RuntimeError: it is called in a running event loop.
    """
    _require_no_loop()
    _grow_in_peace(strategy)
    found = []
    for check in (_depends_on_models_alone, _keeps_within_its_budget, _obeys_cancellation, _can_be_resumed):
        try:
            check(strategy, examples)
        except ContractViolation as violation:
            found.append(str(violation))
    if found:
        raise ContractViolation(_headed(strategy, found))


def _require_no_loop() -> None:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return
    raise RuntimeError("check_strategy has an event loop of its own: call it from a function that is not async")


def _grow_in_peace(strategy: Strategy) -> None:
    """What is not even right in the simplest world, is not tried in others."""
    try:
        with _in_world("it grows no tree", Model(), Timing()):
            _grow(strategy, Model(), Timing())
    except ContractViolation as violation:
        raise ContractViolation(_headed(strategy, [str(violation)])) from None


def _headed(strategy: Strategy, found: Sequence[str]) -> str:
    return "\n".join([f"{strategy} breaks the contract of a strategy:", *found])


def _depends_on_models_alone(strategy: Strategy, examples: int) -> None:
    def check(model: Model, timing: Timing) -> None:
        with _in_world("its tree depends on timing or on other searches", model, timing):
            _require_alike(_grow(strategy, model, timing).tree, _grow(strategy, model, Timing()).tree)

    _try(check, examples, model=models, timing=timings)


def _keeps_within_its_budget(strategy: Strategy, examples: int) -> None:
    def check(model: Model) -> None:
        with _in_world("its tree is out of bounds", model):
            _require_bounds(strategy, _grow(strategy, model, Timing()))

    _try(check, examples, model=models)


def _obeys_cancellation(strategy: Strategy, examples: int) -> None:
    def check(model: Model, timing: Timing, share: float) -> None:
        with _in_world(f"it was cancelled after {share:.0%} of its time", model, timing):
            whole = _grow(strategy, model, timing).seconds
            run_virtual(lambda: _cancel(strategy, model, timing, share * whole))

    _try(check, examples, model=models, timing=timings, share=st.floats(0, 0.99))


def _can_be_resumed(strategy: Strategy, examples: int) -> None:
    def check(model: Model, share: float) -> None:
        with _in_world(f"it was resumed from {share:.0%} of its journal", model):
            rows: list[Row] = []
            whole = _grow(strategy, model, Timing(), rows)
            kept = rows[: int(share * len(rows))]
            more: list[Row] = []
            resumed = _grow(strategy, model, Timing(rows=3, limit=5), more, known=kept)
            _require_alike(resumed.tree, whole.tree)
            if twice := _drawn(kept) & _drawn(more):
                raise ContractViolation(f"it drew again what the journal has: {sorted(twice)[0]}")

    _try(check, examples, model=models, share=st.one_of(st.sampled_from([1.0, 0.5]), st.floats(0, 1)))


@dataclass(frozen=True, slots=True)
class _Grown:
    context: SearchContext
    seconds: float

    @property
    def tree(self) -> Tree:
        return self.context.tree


def _grow(
    strategy: Strategy, model: Model, timing: Timing, rows: list[Row] | None = None, *, known: list[Row] | None = None
) -> _Grown:
    """Search once, in company; nothing may be left behind, and nothing raised."""
    journal = SearchJournal()
    if rows is not None:
        searches = collect(unpack(pack([began_row(0, Problem(id="p0", text="")), *(known or [])])))
        journal = SearchJournal(0, searches[0].nodes, rows.append)

    async def main() -> _Grown:
        server = timing.server(model)
        async with (
            MathGrader() as grader,
            open_scheduler(server, server, policy_limit=timing.limit, reward_limit=timing.limit) as scheduler,
        ):
            contexts = [
                _context(strategy, f"p{number}", scheduler, grader, order=number, journal=None if number else journal)
                for number in range(1 + timing.company)
            ]
            begun = anyio.current_time()
            with _watched_tasks() as tasks:
                async with anyio.create_task_group() as searches:
                    for context in contexts:
                        searches.start_soon(_search, strategy, context)
            seconds = anyio.current_time() - begun
            _require_nothing_left(scheduler, tasks)
            return _Grown(contexts[0], seconds)

    return run_virtual(main)


async def _search(strategy: Strategy, context: SearchContext) -> None:
    """Search, but not without end."""
    most = _MOST_DRAWS * strategy.width * strategy.max_depth

    async def count(_: Node) -> None:
        if len(context.grown) > most:
            raise ContractViolation(f"it had made {len(context.grown)} draws and had not ended")

    with context.watched_by(count), anyio.move_on_after(_LONGEST) as time:
        await strategy.search(context)
    if time.cancelled_caught:
        raise ContractViolation(f"it had not ended after {_LONGEST:.0f} seconds")


async def _cancel(strategy: Strategy, model: Model, timing: Timing, after: float) -> None:
    """Cancel a search as asyncio does, once, and see that it ends."""
    server = timing.server(model)
    async with (
        MathGrader() as grader,
        open_scheduler(server, server, policy_limit=timing.limit, reward_limit=timing.limit) as scheduler,
    ):
        context = _context(strategy, "p0", scheduler, grader, order=0, journal=None)
        with _watched_tasks() as tasks:
            search = asyncio.get_running_loop().create_task(strategy.search(context))
        await asyncio.wait([search], timeout=after)
        was_done = search.done()
        submitted = scheduler.statistics().generate.submitted
        search.cancel()
        await asyncio.wait([search], timeout=_PATIENCE)
        if not search.done():
            search.cancel()
            raise ContractViolation(f"it goes on {_PATIENCE:.0f} seconds later")
        if not search.cancelled() and (error := search.exception()) is not None:
            raise error
        if not was_done and not search.cancelled() and scheduler.statistics().generate.submitted > submitted:
            raise ContractViolation("it went on as if nothing were")
        _require_nothing_left(scheduler, tasks)


_WATCHED: ContextVar[bool] = ContextVar("watched", default=False)


@contextmanager
def _watched_tasks() -> Iterator[list[asyncio.Task[Any]]]:
    """Note the tasks that are started in the block, and by those; not those that others start meanwhile."""
    tasks: list[asyncio.Task[Any]] = []

    def make(loop: asyncio.AbstractEventLoop, coroutine: Any, **options: Any) -> asyncio.Task[Any]:
        task = asyncio.Task(coroutine, loop=loop, **options)
        if _WATCHED.get():
            tasks.append(task)
        return task

    asyncio.get_running_loop().set_task_factory(make)
    token = _WATCHED.set(True)
    try:
        yield tasks
    finally:
        _WATCHED.reset(token)


def _context(
    strategy: Strategy,
    problem: str,
    scheduler: Scheduler,
    grader: Grader,
    *,
    order: int,
    journal: SearchJournal | None,
) -> SearchContext:
    options = SolveOptions()
    return SearchContext(
        Problem(id=problem, text=f"problem {problem}", answer="1"),
        strategy,
        scheduler=scheduler,
        format=FORMATS["steps"],
        reward_format=REWARD_FORMATS["math-shepherd"],
        seed=options.seed,
        order=order,
        journal=journal,
        electorate=Leaves(grader, vote=options.vote_for(strategy), aggregation=options.aggregation),
    )


def _require_nothing_left(scheduler: Scheduler, tasks: Sequence[asyncio.Task[Any]]) -> None:
    lanes = scheduler.statistics()
    waiting = sum(lane.queued + lane.in_flight for lane in (lanes.generate, lanes.score))
    left = [task for task in tasks if not task.done()]
    for task in left:
        task.cancel()
    if left:
        raise ContractViolation(f"it left {len(left)} tasks behind")
    if waiting:
        raise ContractViolation(f"it left {waiting} requests behind")


def _require_bounds(strategy: Strategy, grown: _Grown) -> None:
    tree = grown.tree
    try:
        tree.check()
    except AssertionError as broken:
        raise ContractViolation(f"the tree is not sound: {broken}") from None
    nodes = list(tree.nodes())
    if lost := set(grown.context.grown) - set(nodes):
        raise ContractViolation(f"{len(lost)} nodes have grown and are not in the tree, {min(n.path for n in lost)}")
    for node in nodes:
        if node.depth > strategy.max_depth or node.path_tokens > strategy.max_tokens:
            raise ContractViolation(f"{node.path} is {node.depth} steps and {node.path_tokens} tokens long")
    leaves = list(tree.leaves())
    votes = sum(leaf.multiplicity for leaf in leaves)
    if votes > strategy.width:
        raise ContractViolation(f"{votes} leaves vote, of a width of {strategy.width}")
    if strategy.every_leaf_votes:
        for leaf in leaves:
            if leaf.multiplicity != 1:
                raise ContractViolation(f"the leaf {leaf.path} votes {leaf.multiplicity} times")


def _require_alike(tree: Tree, other: Tree) -> None:
    """Two trees are the same; where something was given up in one, at least in what votes."""
    voting = [
        [_told(node) for leaf in one.leaves() if leaf.multiplicity for node in leaf.lineage()] for one in (tree, other)
    ]
    if voting[0] != voting[1]:
        raise ContractViolation("other candidates vote than with a quiet server")
    trees = [list(one.nodes()) for one in (tree, other)]
    if any(node.state is NodeState.PENDING for node in (*trees[0], *trees[1])):
        return
    if [_told(node) for node in trees[0]] != [_told(node) for node in trees[1]]:
        raise ContractViolation("it grew otherwise than with a quiet server")


def _told(node: Node) -> tuple[object, ...]:
    return (node.path, node.state, node.text, node.step_scores, node.tokens, node.multiplicity)


def _drawn(rows: list[Row]) -> set[tuple[int, ...]]:
    """The paths of the nodes that were generated, by the rows of a journal."""
    return {record.path for record in unpack(pack(rows)) if isinstance(record, Generated)}


@contextmanager
def _in_world(what: str, *world: object) -> Iterator[None]:
    """Say of whatever goes wrong in which world it did."""
    where = "".join(f"\n    in {part}" for part in world)
    try:
        yield
    except ContractViolation as violation:
        raise ContractViolation(f"- {what}: {violation}{where}") from None
    except Deadlock as deadlock:
        raise ContractViolation(f"- it never ends: {deadlock}{where}") from None
    except Exception as error:  # noqa: BLE001 - a strategy is anybody's code
        cause = first_cause(error)
        if isinstance(cause, ContractViolation):
            raise ContractViolation(f"- {what}: {cause}{where}") from None
        raise ContractViolation(f"- it raised {type(cause).__name__}: {cause}{where}") from cause


def _try(check: Callable[..., None], examples: int, **arguments: st.SearchStrategy[Any]) -> None:
    """Try a check in many worlds, and raise what the smallest gives in which it fails."""
    quiet = settings(
        max_examples=examples,
        deadline=None,
        database=None,
        derandomize=True,
        report_multiple_bugs=False,
        phases=(Phase.generate, Phase.shrink),
        suppress_health_check=list(HealthCheck),
    )
    named: Mapping[str, st.SearchStrategy[Any]] = arguments
    try:
        quiet(given(**named)(check))()
    except Flaky:
        raise ContractViolation("- it does something else each time, in one and the same world") from None
