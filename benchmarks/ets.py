"""ETS's selection: the integer program against the greedy form, in value and in time.

    python -m benchmarks.ets [--sizes N ...] [--rounds N] [--output FILE]

The trees are REBASE's shape: at each depth the candidates of the last are shared out among their best, so that
lineages branch from few nodes. Each size is solved by both in turn.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Hashable
from pathlib import Path
from random import Random
from typing import Annotated

import typer

from asyncsearch.strategies.ets_selection import Selection, retain_exactly, retain_greedily, value_of
from benchmarks.command import run
from benchmarks.measuring import Report, Spread, ratios

__all__ = ["main"]

_DEPTH = 6
_ROUNDING = 1e-9


def main(
    sizes: Annotated[list[int], typer.Option(min=1, help="Candidates of a depth.")] = [16, 64, 128, 256],  # noqa: B006
    rounds: Annotated[int, typer.Option(min=1, help="Selections of each size.")] = 9,
    output: Annotated[Path | None, typer.Option(help="Where the table is written as JSON.")] = None,
) -> None:
    """Print the table."""
    report = Report("ets", output)
    retain_exactly(_selection(min(sizes), Random(0)))  # the first loads the solver
    rows = []
    for size in sizes:
        seconds: tuple[list[float], list[float]] = [], []
        lost = []
        for number in range(rounds):
            selection = _selection(size, Random(number))
            chosen = []
            for solve, taken in zip((retain_exactly, retain_greedily), seconds, strict=True):
                begun = time.perf_counter()
                chosen.append(solve(selection))
                taken.append(time.perf_counter() - begun)
            exact, greedy = (value_of(selection, one) for one in chosen)
            lost.append((exact - greedy) / abs(exact))
        exact_ms, greedy_ms = ([one * 1000 for one in taken] for taken in seconds)
        same = sum(share < _ROUNDING for share in lost)
        rows.append(
            [
                str(size),
                f"{Spread.of(exact_ms):.1f}",
                f"{Spread.of(greedy_ms):.2f}",
                f"{ratios(exact_ms, greedy_ms):.0f}",
                f"{same} of {len(lost)}",
                f"{statistics.median(lost):.2%}",
                f"{max(lost):.2%}",
            ]
        )
    headings = ["candidates", "exact ms", "greedy ms", "exact/greedy", "same selection", "value lost", "at most"]
    report.add(f"{rounds} selections of each size", headings, rows)


def _selection(size: int, random: Random) -> Selection:
    """Candidates of a depth, whose ancestors at each depth above are fewer and fewer."""
    lineages: list[tuple[Hashable, ...]] = [("root",)]
    for depth in range(1, _DEPTH + 1):
        parents = random.sample(lineages, max(len(lineages) // 2, 1))
        lineages = [(*random.choice(parents), (depth, number)) for number in range(size)]
    worth = [random.random() for _ in lineages]
    return Selection(
        weights=[one / sum(worth) for one in worth],
        lineages=list(map(frozenset, lineages)),
        clusters=[random.randrange(max(size // 4, 1)) for _ in lineages],
        cost=1.0,
        diversity=1.5,
    )


if __name__ == "__main__":
    run(main)
