"""In which order requests should wait for a place: a simulated server on a virtual clock.

    python -m benchmarks.ordering [--searches N] [--kv-tokens N ...] [--output FILE]

The same searches, so many of them open at a time, ask a server that has room for a part of what they ask for. What it
is sent first is what has come first; what belongs to the problem that came first; to the tree that is deepest; to the
problem that has the fewest requests left at its level; or what continues the prefix that was continued last. What
counts is the time until a problem is finished, for all and on average, and how many tokens of prompts are computed
because the server had them no more.
"""

from __future__ import annotations

import itertools
import statistics
from collections.abc import Callable, Hashable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

import anyio
import typer

from asyncsearch import Rebase, Run
from benchmarks.command import run
from benchmarks.gates import Gated, Queue, by_problem
from benchmarks.makespan import ROOFLINE, problems, servers, solved
from benchmarks.measuring import Report
from runtimes.base import Prefix, Request
from runtimes.simulated import ServerModel
from runtimes.virtual_clock import run_virtual

__all__ = ["main"]

Key = Callable[[Request, int], float]


def first_come() -> Key:
    return lambda request, of_problem: 0


def oldest_problem() -> Key:
    seen: dict[Hashable, int] = {}
    return lambda request, of_problem: seen.setdefault(by_problem(request), len(seen))


def deepest_tree() -> Key:
    return lambda request, of_problem: -sum(1 for _ in request.prefix.segments())


def shortest_remaining() -> Key:
    return lambda request, of_problem: of_problem


def same_prefix() -> Key:
    """Siblings together, and after them their cousins: the last prefix that was asked for goes first."""
    numbers = itertools.count(1)
    seen: dict[Prefix, int] = {}
    return lambda request, of_problem: -seen.setdefault(request.prefix, next(numbers))


ORDERS: dict[str, Callable[[], Key]] = {
    "first come": first_come,
    "oldest problem": oldest_problem,
    "deepest tree": deepest_tree,
    "shortest remaining": shortest_remaining,
    "newest prefix": same_prefix,
}


@dataclass(frozen=True, slots=True)
class Times:
    """Seconds of all problems, until one was finished on average, and that one took; and prompt tokens computed."""

    last: float
    finished: float
    taken: float
    computed: int


def times(key: Key, model: ServerModel, searches: int, width: int, in_flight: int) -> Times:
    finished: list[float] = []

    async def main() -> Run:
        policy, reward = servers(model)
        async with Queue(key, limit=model.rows) as queue:
            return await solved(
                problems(range(searches)),
                Rebase(width=width),
                Gated(policy, queue),
                reward,
                on_result=lambda *_: finished.append(anyio.current_time()),
                problems_in_flight=in_flight,
                policy_limit=1_000_000,
            )

    run = run_virtual(main)
    lane = run.statistics.generate
    return Times(
        max(finished),
        statistics.mean(finished),
        statistics.mean(result.seconds for result in run.kept),
        lane.prompt_tokens - lane.cached_tokens,
    )


def main(
    searches: Annotated[int, typer.Option(min=1, help="Problems.")] = 300,
    width: Annotated[int, typer.Option(min=1, help="Of REBASE.")] = 16,
    in_flight: Annotated[list[int], typer.Option(min=1, help="Problems at a time.")] = [64, 300],  # noqa: B006
    rows: Annotated[int, typer.Option(min=1, help="Sequences that the server has room for.")] = 256,
    kv_tokens: Annotated[list[int], typer.Option(min=1, help="Tokens that it has room for.")] = [40_000, 380_000],  # noqa: B006
    output: Annotated[Path | None, typer.Option(help="Where the tables are written as JSON.")] = None,
) -> None:
    """Print a table for each size of the cache and number of problems at a time."""
    report = Report("ordering", output)
    for room, at_a_time in itertools.product(kv_tokens, in_flight):
        model = replace(ROOFLINE, rows=rows, kv_tokens=room)
        found = {name: times(order(), model, searches, width, at_a_time) for name, order in ORDERS.items()}
        report.add(
            f"{searches} searches of width {width}, {at_a_time} at a time, room for {rows} sequences, {room:,} tokens",
            ["first goes", "all finished, s", "one finished, mean s", "one took, mean s", "prompt tokens computed"],
            [
                [name, f"{one.last:,.1f}", f"{one.finished:,.1f}", f"{one.taken:,.1f}", f"{one.computed:,}"]
                for name, one in found.items()
            ],
        )


if __name__ == "__main__":
    run(main)
