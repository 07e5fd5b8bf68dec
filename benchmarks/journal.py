"""What the journal costs, in time and in room.

    python -m benchmarks.journal [--problems N] [--searches N] [--server FILE] [--repeats N] [--output FILE]

Runs in a directory against the same in memory, in turn: with the disk never made to take what is written, every tenth
of a second, and after each block. First on models that answer at once, so that nothing but the framework takes time,
and what counts is this process's own; then on a simulated server in real time, whose tokens are what a run waits for
(the roofline of `benchmarks.makespan`, with room for 64 sequences). At last the journal alone, less what the same loop
takes without it.
"""

from __future__ import annotations

import asyncio
import random
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from functools import partial
from itertools import count, product
from pathlib import Path
from typing import Annotated

import typer

from asyncsearch import Problem, Rebase, SolveOptions, load_problems, solve_dataset
from asyncsearch.journal import Journal, SearchJournal
from asyncsearch.scheduler import Cost
from benchmarks.command import run
from benchmarks.instant import InstantRuntime
from benchmarks.makespan import ROOFLINE, read_server, servers
from benchmarks.measuring import Report, Speed, Spread, alternate, ratios, speed
from runtimes.base import FinishReason, Runtime, Usage

__all__ = ["main"]

_WIDTH = 16
_IN_MEMORY = "in memory"
_DURABILITIES = {"never": None, "every 0.1 s": 0.1, "each block": 0.0}
_NODES_PER_SECOND = 10_000
_NODES_PER_BLOCK = (10, 100)
"""Nodes that are settled in one turn of the event loop."""


def searched(
    problems: int, models: Callable[[], Sequence[Runtime]], directory: Path | None, durability: float | None = None
) -> Speed:
    """Solve so many problems, and see how long that takes."""
    policy, reward = models()
    chosen = [
        Problem(id=str(number), text=f"problem {number}".ljust(400, "."), answer="1") for number in range(problems)
    ]
    return speed(
        lambda: solve_dataset(
            chosen,
            Rebase(width=_WIDTH),
            policy=policy,
            reward=reward,
            run_dir=directory,
            options=SolveOptions(reward_format="lines", durability=durability),
        )
    )


def compared(
    problems: int, models: Callable[[], Sequence[Runtime]], folder: Path, repeats: int
) -> dict[str, list[Speed]]:
    """Runs in memory and with each durability, after one of each for nothing."""
    numbers = count()

    def kept(durability: float | None) -> Speed:
        return searched(problems, models, folder / f"run{next(numbers)}", durability)

    arms: dict[str, Callable[[], Speed]] = {
        _IN_MEMORY: partial(searched, problems, models, None),
        **{name: partial(kept, durability) for name, durability in _DURABILITIES.items()},
    }
    alternate(arms, repeats=1)
    return alternate(arms, repeats=repeats)


def add_comparison(
    report: Report, title: str, found: dict[str, list[Speed]], seconds: Callable[[Speed], float]
) -> None:
    """A line for each durability."""
    samples = {name: [seconds(one) for one in speeds] for name, speeds in found.items()}
    rows = [
        [
            name,
            f"{Spread.of(samples[name]):.2f}",
            f"{Spread.of([one.nodes / seconds(one) for one in speeds]):,.0f}",
            f"{ratios(samples[name], samples[_IN_MEMORY]):.3f}",
        ]
        for name, speeds in found.items()
    ]
    report.add(title, ["the disk is made to take it", "s", "nodes/s", "of in memory"], rows, samples=samples)


def long_steps() -> list[str]:
    """Steps as long as in worked solutions of MATH, of words in no order, which compress worse than sentences."""
    words = " ".join(problem.text for problem in load_problems("arithmetic")).split()
    source = random.Random(0)
    return [" ".join(source.choices(words, k=24)) + "\n" for _ in range(5000)]


def short_steps() -> list[str]:
    """Steps of the bundled policy's kind."""
    source = random.Random(0)
    pairs = [(source.randrange(1000), source.randrange(1000)) for _ in range(5000)]
    return [f"Step {first % 9 + 1}: {first} + {second} = {first + second}\n" for first, second in pairs]


async def journal_alone(path: Path, nodes: int, steps: Sequence[str], *, compress: bool, per_block: int) -> float:
    """Seconds that the event loop spends on the records of so many nodes."""
    without = await _add_nodes(None, nodes, steps, per_block=per_block)
    with Journal(path, config={}, compress=compress, durability=None) as journal:
        part = journal.search(Problem(id="1", text="problem"))
        return await _add_nodes(part, nodes, steps, per_block=per_block) - without


async def _add_nodes(part: SearchJournal | None, nodes: int, steps: Sequence[str], *, per_block: int) -> float:
    usage = Usage(prompt_tokens=200, cached_tokens=180, generated_tokens=40)
    generated = Cost(usage=usage, queue_seconds=0.021, runtime_seconds=1.234)
    scored = Cost(usage=Usage(prompt_tokens=245, cached_tokens=200), queue_seconds=0.021, runtime_seconds=0.234)
    begun = time.perf_counter()
    for node in range(nodes):
        place = (node // 100, node % 100, 3)
        step, score = steps[node % len(steps)], round(1 / (1.001 + node * 0.618 % 1), 7)
        if part is not None:
            part.add_generated(place, step, None, FinishReason.STOP, generated, whole_solution=False)
            part.add_scored(place, (score,), scored)
        if node % per_block == per_block - 1:
            await asyncio.sleep(0)
    return time.perf_counter() - begun


def add_journal_alone(report: Report, nodes: int, folder: Path, repeats: int) -> None:
    """A line for each kind of steps, and how many of them come at once."""
    rows = []
    kinds = (("24 words", long_steps()), ("one sum", short_steps()))
    for (kind, steps), compress, per_block in product(kinds, (False, True), _NODES_PER_BLOCK):
        path = folder / "alone.bin"
        seconds = []
        for _ in range(repeats):
            path.unlink(missing_ok=True)
            alone_for = journal_alone(path, nodes, steps, compress=compress, per_block=per_block)
            seconds.append(asyncio.run(alone_for))
        each = statistics.median(seconds) / nodes
        text = sum(len(steps[node % len(steps)].encode()) for node in range(nodes))
        rows.append(
            [
                f"{kind}, compressed" if compress else kind,
                str(per_block),
                f"{each * 1e6:.2f}",
                f"{each * _NODES_PER_SECOND:.1%}",
                f"{path.stat().st_size / text:.2f}",
            ]
        )
    headings = ["steps", "nodes a block", "us a node", f"of {_NODES_PER_SECOND:,} nodes/s", "bytes / text"]
    report.add(f"the journal alone, {nodes:,} nodes", headings, rows)


def main(
    problems: Annotated[int, typer.Option(min=1, help="Problems of a run on models that answer at once.")] = 1000,
    searches: Annotated[int, typer.Option(min=1, help="Problems of a run on the simulated server.")] = 48,
    server: Annotated[
        Path | None, typer.Option(exists=True, dir_okay=False, help="A fit's tables; by default a roofline.")
    ] = None,
    repeats: Annotated[int, typer.Option(min=1, help="Runs of each, in turn.")] = 5,
    nodes: Annotated[int, typer.Option(min=1, help="Nodes whose records are written on their own.")] = 50_000,
    output: Annotated[Path | None, typer.Option(help="Where the tables are written as JSON.")] = None,
) -> None:
    """Print the tables."""
    model = ROOFLINE if server is None else read_server(server)
    report = Report("journal", output)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        found = compared(problems, lambda: (InstantRuntime(), InstantRuntime()), folder / "instant", repeats)
        title = f"{problems:,} problems, width {_WIDTH}, models that answer at once; seconds of this process"
        add_comparison(report, title, found, lambda speed: speed.busy)
        found = compared(searches, lambda: servers(model), folder / "server", repeats)
        title = f"{searches:,} problems, width {_WIDTH}, a server that takes its time; seconds that passed"
        add_comparison(report, title, found, lambda speed: speed.passed)
        add_journal_alone(report, nodes, folder, repeats)


if __name__ == "__main__":
    run(main)
