"""What is found by itself: how many requests are in flight, and how many problems are open.

    python -m benchmarks.limits [--rooms N ...] [--kv-tokens N ...] [--searches N] [--plot FILE] [--output FILE]

Searches on a simulated server (that of `benchmarks.makespan`) and a virtual clock. First a server that does not say how
many sequences it has room for: one that says how many requests wait there, as SGLang does, and one that says nothing;
beside them what a limit costs that is set to 64, or to a thousand, and what it takes where the room is known. Then one
with room for 256 sequences whose cache is small: with problems admitted so that their trees fit into it, and with as
many as there are sequences for. ``--plot`` draws both, and needs matplotlib.
"""

from __future__ import annotations

import asyncio
import itertools
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any

import anyio
import typer

from asyncsearch import Rebase, Run
from benchmarks.command import run
from benchmarks.makespan import ROOFLINE, WORLD, problems, solved
from benchmarks.measuring import Report
from runtimes.base import Deliver, GenerateRequest, Load, Request, Result, RuntimeFailure
from runtimes.simulated import ServerModel, SimulatedRuntime
from runtimes.virtual_clock import run_virtual

__all__ = ["main"]

_GUESS = 64
_ROWS = 256
_WIDTH = 16


class Server(SimulatedRuntime):
    """Says about itself what it is told to, and notes the requests that it has, whenever some come or one goes.

    Args:
        model: what it is.
        guess: requests in flight to begin with, where it does not know its room.
        says_load: whether it tells how many requests wait.
        says_cache: whether it tells how many tokens its cache holds.
    """

    def __init__(self, model: ServerModel, *, guess: int | None, says_load: bool, says_cache: bool) -> None:
        super().__init__(server=model, world=WORLD)
        self.capabilities = replace(
            self.capabilities,
            largest_batch=guess or model.rows,
            batch_is_guessed=guess is not None,
            kv_tokens=model.kv_tokens if says_cache else None,
        )
        self.had: list[tuple[float, int]] = []
        self._says_load = says_load

    async def generate(self, requests: Sequence[GenerateRequest], deliver: Deliver) -> None:
        """See `runtimes.base.Runtime.generate`."""

        def noted(request: Request, outcome: Result | RuntimeFailure) -> None:
            self.had.append((asyncio.get_running_loop().time(), self.in_flight))
            deliver(request, outcome)

        self.had.append((anyio.current_time(), self.in_flight + len(requests)))
        await super().generate(requests, noted)

    async def load(self) -> Load | None:  # type: ignore[override]
        """See `runtimes.base.ReportsLoad.load`."""
        return await super().load() if self._says_load else None


@dataclass(frozen=True, slots=True)
class Searched:
    """Virtual seconds of a dataset, until a problem was finished on average, and that one took; and more.

    ``computed`` are tokens of prompts that were not cached; ``had`` the requests at the server, at which seconds.
    """

    seconds: float
    finished: float
    taken: float
    computed: int
    had: tuple[tuple[float, int], ...]

    @property
    def in_flight(self) -> float:
        """Requests at the server, on average over the middle third of the time."""
        first, last = self.seconds / 3, self.seconds * 2 / 3
        middle = [(at, had) for at, had in self.had if first <= at <= last]
        spans = [(later - at, had) for (at, had), (later, _) in itertools.pairwise(middle)]
        return sum(span * had for span, had in spans) / sum(span for span, _ in spans)


def searched(make: Callable[[], Server], searches: int, *, limit: int | None = None) -> Searched:
    """A dataset on such a server, and a reward model that has room for all."""
    finished: list[float] = []
    policy = make()

    async def main() -> Run:
        return await solved(
            problems(range(searches)),
            Rebase(width=_WIDTH),
            policy,
            SimulatedRuntime(server=replace(ROOFLINE, rows=_ROWS, kv_tokens=None), world=WORLD, seed=1),
            on_result=lambda *_: finished.append(anyio.current_time()),
            policy_limit=limit,
        )

    run = run_virtual(main)
    lane = run.statistics.generate
    return Searched(
        max(finished),
        statistics.mean(finished),
        statistics.mean(result.seconds for result in run.kept),
        lane.prompt_tokens - lane.cached_tokens,
        tuple(policy.had),
    )


def add_rooms(report: Report, rooms: Sequence[int], searches: int) -> dict[int, Searched]:
    """A line for each room and way to limit; what was found where the server says how many wait."""
    rows = []
    shown = {}
    for room in rooms:
        model = replace(ROOFLINE, rows=room, kv_tokens=None)

        def make(*, says_load: bool = False, guess: int | None = _GUESS, model: ServerModel = model) -> Server:
            return Server(model, guess=guess, says_load=says_load, says_cache=True)

        known = searched(lambda make=make: make(guess=None), searches)  # type: ignore[misc]
        found = {
            "found, the server says what waits": searched(lambda make=make: make(says_load=True), searches),  # type: ignore[misc]
            "found, it says nothing": searched(make, searches),
            "64": searched(make, searches, limit=64),
            "1,024": searched(make, searches, limit=1024),
            "the room": known,
        }
        shown[room] = found["found, the server says what waits"]
        rows += [
            [
                f"{room:,}",
                name,
                f"{one.in_flight:,.0f}",
                f"{one.seconds:,.1f}",
                f"{one.seconds / known.seconds:.2f}",
                f"{one.taken:,.1f}",
            ]
            for name, one in found.items()
        ]
    headings = ["room", "limit", "in flight", "s", "of the room's", "a problem takes, mean s"]
    report.add(f"{searches} searches of REBASE, width {_WIDTH}: requests in flight", headings, rows)
    return shown


def add_caches(report: Report, caches: Sequence[int], searches: int) -> dict[int, tuple[Searched, Searched]]:
    """A line for each size of the cache, with its trees admitted as they fit, and as there are sequences for."""
    rows = []
    shown = {}
    for tokens in caches:
        model = replace(ROOFLINE, rows=_ROWS, kv_tokens=tokens)
        admitted, crowded = (
            searched(
                lambda says=says, model=model: Server(model, guess=None, says_load=True, says_cache=says),  # type: ignore[misc]
                searches,
            )
            for says in (True, False)
        )
        shown[tokens] = admitted, crowded
        rows += [
            [
                f"{tokens:,}",
                name,
                f"{one.seconds:,.1f}",
                f"{one.seconds / crowded.seconds:.2f}",
                f"{one.taken:,.1f}",
                f"{one.taken / crowded.taken:.2f}",
                f"{one.finished:,.1f}",
                f"{one.computed:,}",
            ]
            for name, one in (("as trees fit", admitted), ("as sequences fit", crowded))
        ]
    headings = [
        *("tokens cached", "problems begin", "s", "ratio", "one takes, mean s", "ratio"),
        *("finished, mean s", "prompt tokens computed"),
    ]
    report.add(f"{searches} searches of REBASE, width {_WIDTH}: open problems", headings, rows)
    return shown


def draw(path: Path, rooms: dict[int, Searched], caches: dict[int, tuple[Searched, Searched]]) -> None:
    """Both tables as one picture."""
    import matplotlib as mpl  # noqa: PLC0415 - an extra
    from matplotlib.figure import Figure  # noqa: PLC0415

    with mpl.rc_context({"svg.hashsalt": "asyncsearch", "font.size": 9}):
        figure: Any = Figure(figsize=(10, 3.6), layout="constrained")
        flight, cost, time = figure.subplots(1, 3)
        for number, (room, one) in enumerate(rooms.items()):
            flight.plot(
                *zip(*_thinned(one.had), strict=True), color=f"C{number}", linewidth=1, label=f"room for {room:,}"
            )
            flight.axhline(room, color=f"C{number}", linewidth=0.7, linestyle=":")
        flight.set(xlabel="s", ylabel="requests at the server", title="In flight")
        flight.legend(frameon=False)
        for number, name in enumerate(("as trees fit", "as sequences fit")):
            sizes = [tokens / 1000 for tokens in caches]
            arms = [pair[number] for pair in caches.values()]
            style = {"color": f"C{number}", "marker": "o", "markersize": 3, "label": name}
            cost.plot(sizes, [one.seconds for one in arms], **style)
            time.plot(sizes, [one.taken for one in arms], **style)
        cost.set(title="All problems", ylabel="s")
        time.set(title="One problem, mean", ylabel="s")
        for axes in (cost, time):
            axes.set(xlabel="thousand tokens cached", xscale="log", ylim=(0, None))
            axes.set_xticks(sizes, [f"{size:g}" for size in sizes])
            axes.minorticks_off()
            axes.legend(title="problems begin", frameon=False)
        for axes in (flight, cost, time):
            axes.spines[["top", "right"]].set_visible(False)
        figure.savefig(path, metadata={"Date": None})


def _thinned(had: Sequence[tuple[float, int]], points: int = 300) -> list[tuple[float, int]]:
    """Of each span of time the most that there were: between two batches it is less."""
    last = had[-1][0] or 1.0
    spans: dict[int, tuple[float, int]] = {}
    for at, count in had:
        span = int(at / last * points)
        if span not in spans or count > spans[span][1]:
            spans[span] = at, count
    return [*spans.values()]


def main(
    rooms: Annotated[list[int], typer.Option(min=1, help="Sequences that there is room for.")] = [40, 100, 250, 600],  # noqa: B006
    kv_tokens: Annotated[list[int], typer.Option(min=1, help="Tokens that a cache holds.")] = [  # noqa: B006
        *(15_000, 20_000, 30_000, 45_000, 70_000, 100_000, 200_000)
    ],
    searches: Annotated[int, typer.Option(min=1, help="Problems.")] = 300,
    plot: Annotated[Path | None, typer.Option(help="Where a picture is drawn, as SVG.")] = None,
    output: Annotated[Path | None, typer.Option(help="Where the tables are written as JSON.")] = None,
) -> None:
    """Print the tables."""
    report = Report("limits", output)
    found = add_rooms(report, rooms, searches)
    admitted = add_caches(report, kv_tokens, searches)
    if plot is not None:
        draw(plot, found, admitted)


if __name__ == "__main__":
    run(main)
