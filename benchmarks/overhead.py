"""What the framework itself costs: time and room of a node where the models answer at once.

    python -m benchmarks.overhead [--in-flight N ...] [--widths N ...] [--repeats N]

Nodes are those of REBASE, whose problems are all in flight at once; each is generated and scored. In this process
nothing but the framework takes time. Over HTTP the client speaks SGLang's protocol to a server that has its answers
at hand, on another core, and what counts is the client's time on its own. Room is what nodes take that wait for their
scores, all of a level at once, and what finished problems leave behind in a run that is kept in a directory.
"""

from __future__ import annotations

import asyncio
import subprocess
import sys
import tempfile
import time
import tracemalloc
from collections.abc import Coroutine, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import anyio
import typer

from asyncsearch import Problem, Rebase, Run, SolveOptions, solve_dataset
from benchmarks.command import run
from benchmarks.instant import InstantRuntime
from benchmarks.measuring import Report, Speed, Spread, alternate, ratios, speed
from runtimes.base import Deliver, GenerateRequest, Runtime, ScoreRequest

__all__ = ["main"]

_FEWEST_NODES = 40_000
"""Of one measurement in this process; problems are added where those in flight have fewer."""

_LEVELS = 2.5
"""Of a tree: its solutions have two or three steps."""

_NODES_OVER_HTTP = 10_000
_TURNS = 20_000


def problems(count: int) -> list[Problem]:
    return [Problem(id=str(number), text=f"problem {number}", answer="1") for number in range(count)]


def solving(
    count: int, width: int, in_flight: int, policy: Runtime | str, reward: Runtime | str, **options: Any
) -> Coroutine[Any, Any, Run]:
    return solve_dataset(
        problems(count),
        Rebase(width=width),
        policy=policy,
        reward=reward,
        options=SolveOptions(problems_in_flight=in_flight, reward_format="lines"),
        **options,
    )


def in_process(width: int, in_flight: int) -> Speed:
    count = max(in_flight, round(_FEWEST_NODES / (_LEVELS * width)))
    return speed(lambda: solving(count, width, in_flight, InstantRuntime(), InstantRuntime()))


def tasks_alone() -> float:
    """Seconds that Python takes for a task that waits twice and does nothing: what the machine is worth just now."""

    async def main() -> None:
        async def wait_twice() -> None:
            await asyncio.sleep(0)
            await asyncio.sleep(0)

        for _ in range(_TURNS // 20):
            async with anyio.create_task_group() as tasks:
                for _ in range(20):
                    tasks.start_soon(wait_twice)

    begun = time.process_time()
    asyncio.run(main())
    return (time.process_time() - begun) / _TURNS


@contextmanager
def instant_server() -> Iterator[str]:
    command = [sys.executable, "-m", "benchmarks.instant"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        try:
            assert server.stdout is not None
            yield server.stdout.readline().strip()
        finally:
            server.kill()


class _Stuck(InstantRuntime):
    """Generates, but scores nothing; ``all_wait`` once so many nodes have been generated."""

    def __init__(self, nodes: int) -> None:
        super().__init__()
        self.all_wait = anyio.Event()
        self._left = nodes

    async def generate(self, requests: Sequence[GenerateRequest], deliver: Deliver) -> None:
        await super().generate(requests, deliver)
        self._left -= len(requests)
        if not self._left:
            self.all_wait.set()

    async def score(self, requests: Sequence[ScoreRequest], deliver: Deliver) -> None:
        await anyio.sleep_forever()


async def bytes_per_node(width: int, in_flight: int) -> float:
    """Of nodes that wait for their scores, the problem's own room included, text not taken off."""
    nodes = width * in_flight
    stuck = _Stuck(nodes)
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(lambda: solving(in_flight, width, in_flight, stuck, stuck))
            await stuck.all_wait.wait()
            held, _ = tracemalloc.get_traced_memory()
            tasks.cancel_scope.cancel()
        return (held - before) / nodes
    finally:
        tracemalloc.stop()


async def bytes_per_finished_problem(count: int) -> float:
    """Of the second half of so many problems, 100 in flight, results and journal in a directory."""
    held: list[int] = []

    def note(*_: Any) -> None:
        held.append(tracemalloc.get_traced_memory()[0])

    with tempfile.TemporaryDirectory() as folder:
        tracemalloc.start()
        try:
            models = InstantRuntime(), InstantRuntime()
            await solving(count, 16, 100, *models, run_dir=Path(folder) / "run", on_result=note)
        finally:
            tracemalloc.stop()
    # Fewer are in flight at the end.
    first, last = count // 2, count - 100
    return (held[last] - held[first]) / (last - first)


def main(
    in_flight: Annotated[list[int], typer.Option(min=1, help="Problems at a time.")] = [100, 1000, 10_000],  # noqa: B006
    widths: Annotated[list[int], typer.Option(min=1, help="Of REBASE.")] = [16, 64],  # noqa: B006
    repeats: Annotated[int, typer.Option(min=1, help="Measurements of each, in turn.")] = 3,
    finished: Annotated[int, typer.Option(min=202, help="Problems of a run, to see what finished ones leave.")] = 6000,
    output: Annotated[Path | None, typer.Option(help="Where the tables are written as JSON.")] = None,
) -> None:
    """Print the tables."""
    report = Report("overhead", output)
    rows: list[list[str]] = []
    samples: dict[str, Any] = {}
    for width in widths:
        cells = {str(number): partial(in_process, width, number) for number in in_flight}
        found = alternate(cells, repeats=repeats)
        few = [measured.rate for measured in found[str(in_flight[0])]]
        for name, measured in found.items():
            rates = [each.rate for each in measured]
            rows.append(
                [
                    f"{int(name):,}",
                    str(width),
                    f"{measured[0].nodes:,}",
                    f"{Spread.of(rates):,.0f}",
                    f"{ratios(few, rates):.2f}",
                ]
            )
            samples[f"{name} x {width}"] = rates
    alone = Spread.of([tasks_alone() for _ in range(repeats)])
    report.add(
        f"in process; on this core a task that waits twice takes Python {alone.median * 1e6:.1f} us",
        ["problems in flight", "width", "nodes", "nodes/s", f"cost of a node against {in_flight[0]:,} in flight"],
        rows,
        samples=samples,
    )

    rows, samples = [], {}
    with instant_server() as address:
        speed(lambda: solving(2, 4, 2, f"sglang:{address}", f"sglang:{address}"))  # imports are not measured
        for width in widths:
            count = round(_NODES_OVER_HTTP / (_LEVELS * width))
            measured = [
                speed(partial(solving, count, width, in_flight[0], f"sglang:{address}", f"sglang:{address}"))
                for _ in range(repeats)
            ]
            rates = [each.rate for each in measured]
            passed = Spread.of([each.nodes / each.passed for each in measured])
            rows.append(
                [
                    f"{in_flight[0]:,}",
                    str(width),
                    f"{measured[0].nodes:,}",
                    f"{Spread.of(rates):,.0f}",
                    f"{passed:,.0f}",
                ]
            )
            samples[f"{width}"] = rates
    report.add(
        "over HTTP",
        ["problems in flight", "width", "nodes", "nodes/s of the client's core", "nodes/s of time passed"],
        rows,
        samples=samples,
    )

    rows = [
        [f"{number:,}", str(width), f"{asyncio.run(bytes_per_node(width, number)):,.0f}"]
        for width in widths
        for number in in_flight
    ]
    report.add("room", ["problems in flight", "width", "bytes per open node"], rows)
    left = asyncio.run(bytes_per_finished_problem(finished))
    report.add("room of finished problems", ["problems", "bytes that each leaves"], [[f"{finished:,}", f"{left:,.0f}"]])


if __name__ == "__main__":
    run(main)
