"""What the journal costs, in time and in room.

    python -m benchmarks.journal [--problems N] [--repeats N]

A simulated policy and reward model cost next to nothing, so that what is left is the framework itself: searches with
the journal and without, in turn (A B A B), each in a run directory that keeps its results. Then the journal alone, less
what the same loop takes without it.
"""

from __future__ import annotations

import asyncio
import random
import statistics
import tempfile
import time
from collections.abc import Sequence
from itertools import product
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from asyncsearch import Problem, Rebase, Run, SolveOptions, load_problems, solve_dataset
from asyncsearch.journal import Journal, SearchJournal
from asyncsearch.scheduler import Cost
from runtimes.base import FinishReason, Usage
from runtimes.simulated import ServerModel, SimulatedRuntime
from runtimes.virtual_clock import run_virtual

__all__ = ["main"]

_NODES_PER_SECOND = 10_000
_NODES_PER_BLOCK = (10, 100)
"""Nodes that are settled in one turn of the event loop."""


def _long_steps() -> list[str]:
    """Steps as long as in worked solutions of MATH, of words in no order, which compress worse than sentences."""
    words = " ".join(problem.text for problem in load_problems("arithmetic")).split()
    source = random.Random(0)
    return [" ".join(source.choices(words, k=24)) + "\n" for _ in range(5000)]


def _short_steps() -> list[str]:
    """Steps of the bundled policy's kind."""
    source = random.Random(0)
    pairs = [(source.randrange(1000), source.randrange(1000)) for _ in range(5000)]
    return [f"Step {first % 9 + 1}: {first} + {second} = {first + second}\n" for first, second in pairs]


def search(problems: int, directory: Path | None) -> tuple[float, Run]:
    """Seconds that a run takes, and the run."""
    runtime = SimulatedRuntime(server=ServerModel())
    chosen = [Problem(id=str(number), text=f"problem {number}", answer="1") for number in range(problems)]
    options = SolveOptions(durability=None)  # a tenth of a second of a virtual clock is soon over
    begun = time.perf_counter()
    run = run_virtual(
        lambda: solve_dataset(
            chosen, Rebase(width=16), policy=runtime, reward=runtime, run_dir=directory, options=options
        )
    )
    return time.perf_counter() - begun, run


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


def main(
    problems: Annotated[int, typer.Option(help="Problems of one run.")] = 200,
    repeats: Annotated[int, typer.Option(help="Runs of each, in turn.")] = 5,
    nodes: Annotated[int, typer.Option(help="Nodes whose records are written on their own.")] = 50_000,
) -> None:
    """Print the tables."""
    with tempfile.TemporaryDirectory() as folder:
        without, with_journal = [], []
        grown = 0
        for repeat in range(repeats + 1):
            plain, _ = search(problems, None)
            kept, run = search(problems, Path(folder) / f"run{repeat}")
            grown = run.statistics.generate.settled
            if repeat:  # the first warms up
                without.append(plain)
                with_journal.append(kept)
        table = Table(title=f"{problems} simulated problems, {grown:,} nodes, medians of {repeats}")
        for heading in ("in memory, s", "in a run directory, s", "ratio", "range", "nodes/s"):
            table.add_column(heading, justify="right")
        ratios = [kept / plain for kept, plain in zip(with_journal, without, strict=True)]
        table.add_row(
            f"{statistics.median(without):.2f}",
            f"{statistics.median(with_journal):.2f}",
            f"{statistics.median(ratios):.2f}",
            f"{min(ratios):.2f} - {max(ratios):.2f}",
            f"{grown / statistics.median(with_journal):,.0f}",
        )
        alone = Table(title=f"the journal alone, {nodes:,} nodes")
        for heading in ("steps", "nodes a block", "us a node", f"of {_NODES_PER_SECOND:,} nodes/s", "bytes / text"):
            alone.add_column(heading, justify="left" if heading == "steps" else "right")
        kinds = (("24 words", _long_steps()), ("one sum", _short_steps()))
        for (kind, steps), compress, per_block in product(kinds, (False, True), _NODES_PER_BLOCK):
            path = Path(folder) / "alone.bin"
            seconds = []
            for _ in range(repeats):
                path.unlink(missing_ok=True)
                alone_for = journal_alone(path, nodes, steps, compress=compress, per_block=per_block)
                seconds.append(asyncio.run(alone_for))
            each = statistics.median(seconds) / nodes
            text = sum(len(steps[node % len(steps)].encode()) for node in range(nodes))
            alone.add_row(
                f"{kind}, compressed" if compress else kind,
                str(per_block),
                f"{each * 1e6:.2f}",
                f"{each * _NODES_PER_SECOND:.1%}",
                f"{path.stat().st_size / text:.2f}",
            )
    console = Console()
    console.print(table)
    console.print(alone)


if __name__ == "__main__":
    typer.run(main)
