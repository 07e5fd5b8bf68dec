"""How long a dataset takes, by how the searches wait for each other: a simulated server on a virtual clock.

    python -m benchmarks.makespan [--searches N ...] [--server FILE] [--rows N] [--least N] [--output FILE]

Every arm makes the same draws and grows the same trees, on a policy and a reward model that each have a server of their
own. What differs is who waits for whom:

- 8 threads: eight problems at a time, and within a problem a level is generated, then scored, then shared out (REBASE's
  scripts);
- a thread a problem: the same without the eight, so that what is left is the barrier;
- batches: 25 problems, all of which wait for each other at each level; then the next 25 (search-and-learn);
- semaphore: all problems, of which each waits for itself at each level, 32 requests in flight (its_hub);
- asyncsearch, as it comes;
- the same with speculation, where a strategy can be foreseen.

The flood is what the servers take for all the requests, known beforehand and sent at once, or the slowest search alone
where that takes longer. The policy has all prompts in its cache, as a search has the steps that it goes on from. The
servers take in a prompt as soon as there is room for one, and each such pass holds up all that is being decoded; to
hold prompts back until there is room for some is faster than that. The floor is what no way to wait can fall below: no
more passes than full ones, and each step decoded with the whole batch. Both are of searches that do not speculate.

The servers are those of ``--server``: a roofline of an 8 B model on an H100 (see `ROOFLINE`), or what
`python -m benchmarks.fit` has measured and written to a file.
"""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable, Hashable, Sequence
from contextlib import AsyncExitStack
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Annotated, Any, ClassVar, TypeAlias

import anyio
import orjson
import typer

from asyncsearch import Problem, Rebase, Run, SolveOptions, solve_dataset
from asyncsearch.context import SearchContext
from asyncsearch.scheduler import LaneStatistics
from asyncsearch.solve import OnResult
from asyncsearch.strategies import Beam, Dvts, Mcts, Speculative, Strategy
from benchmarks.command import run
from benchmarks.gates import Barrier, Gated, Semaphore, all_together, by_problem
from benchmarks.measuring import Report
from benchmarks.recorded import Recorded
from runtimes.base import Deliver, Request, Runtime
from runtimes.simulated import ServerModel, SimulatedRuntime, World
from runtimes.virtual_clock import run_virtual

__all__ = ["ROOFLINE", "WORLD", "main", "problems", "read_server", "servers", "solved"]

ROOFLINE = ServerModel(
    step_seconds=0.0075, sequence_seconds=0.00005, pass_seconds=0.0075, prefill_seconds=0.00004, kv_tokens=380_000
)
"""Of 8 B parameters in bf16 on an H100 SXM, whose data sheet says 3.35 TB/s and 989 TFLOP/s.

The weights, 16 GB, are read in each step: 4.8 ms, and 2.7 ms of launches and sampling. A sequence of 300 tokens of
131 kB each is 0.01 ms to read, and 0.04 ms to compute at 40 % of the peak, as is each token of a prompt. What the
weights leave of 80 GB holds 380,000 tokens.
"""

WORLD = World(median_step_tokens=40, spread=0.8, shortest=3, longest=9, padded=True)
_PROMPT_CHARACTERS = 400
_THREADS, _BATCH, _SEMAPHORE = 8, 25, 32
_NO_LIMIT = 1_000_000
_WIDTH = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Mixed(Strategy):
    """A strategy for each problem, in turn."""

    name: ClassVar[str] = "mixed"
    source: ClassVar[str] = "all of them"

    members: tuple[Strategy, ...] = ()

    async def search(self, tree: SearchContext) -> None:
        """Search as the problem's own strategy."""
        await self.members[int(tree.problem.id) % len(self.members)].search(tree)


@dataclass(frozen=True, slots=True)
class Arm:
    """One way to wait: what comes of it is the answers and the virtual seconds."""

    answers: tuple[str | None, ...]
    seconds: float
    tokens: int


Way: TypeAlias = Callable[[range], Awaitable[Sequence[Run]]]


def problems(numbers: range) -> list[Problem]:
    """Problems of no meaning, whose prompts are alike long."""
    return [Problem(id=str(number), text=f"problem {number}".ljust(_PROMPT_CHARACTERS, ".")) for number in numbers]


def servers(model: ServerModel) -> tuple[SimulatedRuntime, SimulatedRuntime]:
    """A policy and a reward model."""
    policy, reward = (SimulatedRuntime(server=model, world=WORLD, seed=seed) for seed in (0, 1))
    return policy, reward


async def solved(
    chosen: Sequence[Problem],
    strategy: Strategy,
    policy: Runtime,
    reward: Runtime,
    *,
    on_result: OnResult | None = None,
    **options: Any,
) -> Run:
    """A dataset, searched by two models."""
    return await solve_dataset(
        chosen,
        strategy,
        policy=policy,
        reward=reward,
        options=SolveOptions(reward_format="lines", **options),
        on_result=on_result,
    )


def timed(work: Callable[[], Awaitable[Sequence[Run]]]) -> Arm:
    """What comes of it and when, by a clock on which waiting takes no time."""

    async def main() -> Arm:
        begun = anyio.current_time()
        runs = await work()
        seconds = anyio.current_time() - begun
        tokens = sum(run.statistics.generate.generated_tokens for run in runs)
        return Arm(tuple([result.answer for run in runs for result in run.kept]), seconds, tokens)

    return run_virtual(main)


async def free(numbers: range, strategy: Strategy, model: ServerModel, **options: Any) -> Sequence[Run]:
    """As asyncsearch does it."""
    return [await solved(problems(numbers), strategy, *servers(model), **options)]


async def held_back(
    numbers: range,
    strategy: Strategy,
    model: ServerModel,
    *,
    group: Callable[[Request], Hashable],
    at_a_time: int,
    in_flight: int,
    limit: int = _NO_LIMIT,
) -> Sequence[Run]:
    """So many problems to a run, of which so many are in flight, with a barrier at each level.

    What is past the barrier has ``limit`` places at each of the servers.
    """
    models = servers(model)
    chosen = problems(numbers)
    runs = []
    for first in range(0, len(chosen), at_a_time):
        async with AsyncExitStack() as stack:
            limited = [Gated(one, await stack.enter_async_context(Semaphore(limit))) for one in models]
            barrier = await stack.enter_async_context(Barrier(group))
            policy, reward = (Gated(one, barrier) for one in limited)
            runs.append(
                await solved(
                    chosen[first : first + at_a_time],
                    strategy,
                    policy,
                    reward,
                    problems_in_flight=in_flight,
                    policy_limit=_NO_LIMIT,
                    reward_limit=_NO_LIMIT,
                )
            )
    return runs


@dataclass(frozen=True, slots=True)
class Limits:
    """Seconds of a run that could not be faster, by what is in its way.

    The ``policy`` and the ``reward`` model, given all their requests at once; the same two, if they made no more
    ``passes`` over prompts than they need and always decoded as many sequences as they have room for; and the slowest
    search, ``alone`` on servers that have nothing else to do.
    """

    policy: float
    reward: float
    passes: float
    alone: float

    @property
    def flood(self) -> float:
        """Of servers that take in requests as soon as there is room."""
        return max(self.policy, self.reward, self.alone)

    @property
    def floor(self) -> float:
        """Of any server with these times, as long as nobody speculates."""
        return max(self.passes, self.alone)


def limits(numbers: range, strategy: Strategy, model: ServerModel) -> Limits:
    """What the requests of a run take, all known, with room for all that they have in common."""
    roomy = replace(model, kv_tokens=None)
    policy, reward = map(Recorded, servers(roomy))
    statistics = run_virtual(lambda: solved(problems(numbers), strategy, policy, reward)).statistics
    # A server without end: each sequence is decoded as fast as one is on its own, and prompts take no time.
    endless = ServerModel(
        step_seconds=model.step_seconds + model.sequence_seconds,
        sequence_seconds=0.0,
        pass_seconds=0.0,
        prefill_seconds=0.0,
        rows=_NO_LIMIT,
    )
    alone = timed(partial(free, numbers, strategy, endless, problems_in_flight=len(numbers)))
    asked = [request for request, _ in policy.generated]
    writing, judging = servers(roomy)
    writing.remember(asked)
    return Limits(
        flood(asked, writing.generate),
        flood(reward.scored, judging.score),
        max(least_work(lane, model) for lane in (statistics.generate, statistics.score)),
        alone.seconds,
    )


def least_work(lane: LaneStatistics, model: ServerModel) -> float:
    """Seconds of a server for what a lane has sent, if its batch were always full."""
    decoding = lane.generated_tokens * (model.step_seconds / model.rows + model.sequence_seconds)
    passes = math.ceil(lane.settled / model.rows) * model.pass_seconds
    return decoding + passes + (lane.prompt_tokens - lane.cached_tokens) * model.prefill_seconds


def flood(requests: Sequence[Request], ask: Callable[[Any, Deliver], Awaitable[None]]) -> float:
    """Seconds that a server takes for requests that are all there."""
    by_depth = sorted(requests, key=lambda request: sum(1 for _ in request.prefix.segments()))

    async def main() -> float:
        begun = anyio.current_time()
        await ask(by_depth, lambda request, outcome: None)
        return anyio.current_time() - begun

    return run_virtual(main)


def ways(count: int, strategy: Strategy, foresighted: Strategy, model: ServerModel) -> dict[str, Way]:
    """All ways to wait."""
    by_level = partial(held_back, strategy=strategy, model=model, group=by_problem, at_a_time=count)
    return {
        "8 threads": partial(by_level, in_flight=_THREADS),
        "a thread a problem": partial(by_level, in_flight=count),
        "batches": partial(
            held_back, strategy=strategy, model=model, group=all_together, at_a_time=_BATCH, in_flight=_BATCH
        ),
        "semaphore": partial(by_level, in_flight=count, limit=_SEMAPHORE),
        "asyncsearch": partial(free, strategy=strategy, model=model),
        "asyncsearch, speculative": partial(free, strategy=foresighted, model=model),
    }


def over_all(sets: Sequence[range], way: Way) -> Arm:
    """One set after the other, each on servers of its own."""
    arms = [timed(partial(way, numbers)) for numbers in sets]
    return Arm(
        tuple([answer for arm in arms for answer in arm.answers]),
        sum(arm.seconds for arm in arms),
        sum(arm.tokens for arm in arms),
    )


def read_server(path: Path) -> ServerModel:
    """The parameters that a fit has written to a file.

    Raises:
        BadParameter: it holds none.
    """
    try:
        return ServerModel(**orjson.loads(path.read_bytes())["tables"][0]["samples"])
    except (orjson.JSONDecodeError, LookupError, TypeError) as error:
        raise typer.BadParameter(f"{path} is not what 'python -m benchmarks.fit' writes") from error


def main(
    searches: Annotated[list[int], typer.Option(min=1, help="Problems at a time.")] = [1, 8, 100, 2000],  # noqa: B006
    server: Annotated[
        Path | None, typer.Option(exists=True, dir_okay=False, help="A fit's tables; by default a roofline.")
    ] = None,
    rows: Annotated[int, typer.Option(min=1, help="Sequences that a server has room for.")] = 256,
    least: Annotated[
        int, typer.Option(min=1, help="Problems of an arm: small sets differ, and are taken one after the other.")
    ] = 80,
    output: Annotated[Path | None, typer.Option(help="Where the tables are written as JSON.")] = None,
) -> None:
    """Print the tables."""
    model = replace(ROOFLINE if server is None else read_server(server), rows=rows)
    rebase = Rebase(width=_WIDTH)
    levels = [rebase, Beam(width=_WIDTH), Dvts(width=_WIDTH)]
    mcts = Mcts(width=_WIDTH)
    kinds: dict[str, tuple[Strategy, Strategy]] = {
        "REBASE": (rebase, Speculative(inner=rebase)),
        "REBASE, beam, DVTS and MCTS in turn": (
            Mixed(width=_WIDTH, members=(*levels, mcts)),
            Mixed(width=_WIDTH, members=(*(Speculative(inner=one) for one in levels), mcts)),
        ),
    }
    report = Report("makespan", output)
    for kind, (strategy, foresighted) in kinds.items():
        lines: list[list[str]] = []
        samples = {}
        for count in searches:
            sets = [range(first, first + count) for first in range(0, max(least, count), count)]
            each = [limits(numbers, strategy, model) for numbers in sets]
            flooded, floor = sum(one.flood for one in each), sum(one.floor for one in each)
            found = {name: over_all(sets, way) for name, way in ways(count, strategy, foresighted, model).items()}
            for name, arm in found.items():
                lines.append(
                    [
                        f"{count:,}",
                        name,
                        f"{arm.seconds / len(sets):,.1f}",
                        f"{arm.seconds / flooded:.2f}",
                        f"{arm.seconds / floor:.2f}",
                        f"{arm.seconds / found['asyncsearch'].seconds:.2f}",
                        f"{arm.tokens / len(sets):,.0f}",
                        "yes" if arm.answers == found["asyncsearch"].answers else "no",
                    ]
                )
            lines.append(
                [f"{count:,}", "flood", f"{flooded / len(sets):,.1f}", "1.00", f"{flooded / floor:.2f}", *[""] * 3]
            )
            samples[str(count)] = {
                "sets": len(sets),
                "limits": [asdict(one) for one in each],
                **{name: arm.seconds for name, arm in found.items()},
            }
        headings = [
            "searches",
            "who waits",
            "s",
            "of the flood",
            "of the floor",
            "of asyncsearch",
            "tokens",
            "same answers",
        ]
        report.add(f"{kind}, width {_WIDTH}, room for {rows} sequences", headings, lines, samples=samples)


if __name__ == "__main__":
    run(main)
