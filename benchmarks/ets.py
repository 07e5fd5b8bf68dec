"""ETS's selection: the integer program against the greedy form, in value and in time.

The trees are REBASE's shape: at each depth the candidates of the last are shared out among their best, so that
lineages branch from few nodes. Each size is solved by both in turn.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Hashable
from random import Random

from asyncsearch.strategies.ets_selection import Selection, retain_exactly, retain_greedily, value_of

__all__ = ["main"]

_DEPTH = 6


def main() -> None:
    """Print a table, a line for each number of candidates."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", type=int, nargs="+", default=[16, 64, 128, 256])
    parser.add_argument("--rounds", type=int, default=9)
    arguments = parser.parse_args()
    print("| candidates | exact ms | greedy ms | exact/greedy | same selection | value lost, median | at most |")
    print("| ---: | ---: | ---: | ---: | ---: | ---: | ---: |")
    for size in arguments.sizes:
        seconds: tuple[list[float], list[float]] = [], []
        lost = []
        for number in range(arguments.rounds):
            selection = _selection(size, Random(number))
            chosen = []
            for solve, taken in zip((retain_exactly, retain_greedily), seconds, strict=True):
                begun = time.perf_counter()
                chosen.append(solve(selection))
                taken.append(time.perf_counter() - begun)
            exact, greedy = (value_of(selection, one) for one in chosen)
            lost.append((exact - greedy) / abs(exact))
        ratio = statistics.median(one / other for one, other in zip(*seconds, strict=True))
        exact_ms, greedy_ms = (statistics.median(taken) * 1000 for taken in seconds)
        same = sum(share < 1e-9 for share in lost)
        print(
            f"| {size} | {exact_ms:.1f} | {greedy_ms:.2f} | {ratio:.0f} | {same} of {len(lost)} "
            f"| {statistics.median(lost):.2%} | {max(lost):.2%} |"
        )


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
    main()
