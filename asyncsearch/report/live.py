"""How far runs are: tables for a terminal that fit its width and keep their columns, and words for a plain line."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rich.console import Console, ConsoleOptions, RenderResult
from rich.text import Text

from asyncsearch.evaluation import Accuracy
from asyncsearch.journal import OpenSearch
from asyncsearch.report.harmless import harmless
from asyncsearch.report.numbers import count, duration, interval, percent, rate
from asyncsearch.report.throughput import ModelWork, Work

__all__ = ["RunState", "RunsTable", "SearchesTable", "WorkTable", "left", "run_words", "took", "work_words"]

_SHORTEST_BAR, _LONGEST_BAR = 8, 40
"""Columns. Where there is room for less, there is no bar."""

_SHORTEST_NAME = 8

_PERCENT, _INTERVAL, _TIME = len("100.0%"), len("(99-100%)"), len("took 1:23:45")
"""Columns that are kept free for these, so that nothing moves when they grow."""

_WIDTHS = {
    "nodes": len("9,999,999"),
    "nodes/s": len("nodes/s"),
    "tokens": len("999,999,999"),
    "tokens/s": len("tokens/s"),
    "in flight": len("in flight"),
    "queued": len("queued"),
    "cached": len("cached"),
}
_OF_A_SCHEDULER = ("nodes/s", "tokens/s", "in flight", "queued", "cached")
_OF_A_RUN = ("nodes", "nodes/s", "tokens", "tokens/s", "cached")
"""What is said of the models: of what several runs share, and of what one of them has taken."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunState:
    """How far a run is: ``done`` of its ``total`` problems, with this accuracy by now.

    ``time`` says in a few words how long it will still take or has taken, or why neither.
    """

    name: str
    done: int
    total: int
    accuracy: Accuracy
    failed: int
    time: str
    is_under_way: bool = False


@dataclass(frozen=True, slots=True)
class RunsTable:
    """Runs below each other, with a bar each where there is room.

    Where there are more than the terminal has lines for, with ``below`` of them for something else, those under way are
    shown rather than others; None is for all, however many lines they take.
    """

    runs: Sequence[RunState]
    below: int | None = None

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        runs = self.runs
        if self.below is not None and len(runs) > (most := max(options.size.height - self.below, 2)):
            first = sorted(range(len(runs)), key=lambda place: not runs[place].is_under_way)[: most - 1]
            runs = [runs[place] for place in sorted(first)]
        columns = [column for column in zip(*map(_cells, runs), strict=True) if any(column)]
        titles = [Text(harmless(run.name)) for run in runs]
        widths = [max(map(len, column)) for column in columns]
        room = options.max_width - sum(width + 1 for width in widths)
        name = min(max(title.cell_len for title in titles), max(room, _SHORTEST_NAME))
        bar = min(room - name - 1, _LONGEST_BAR)
        lines = []
        for run, title, *cells in zip(runs, titles, *columns, strict=True):
            title.truncate(name, overflow="ellipsis", pad=True)
            drawn = [_bar(run, bar, options)] if bar >= _SHORTEST_BAR else []
            lines.append(_line([title, *drawn, *map(_right, cells, widths)], gap=1))
        if more := len(self.runs) - len(runs):
            complete = sum(run.done >= run.total for run in self.runs) - sum(run.done >= run.total for run in runs)
            lines.append(Text(f"and {more} more, {complete} of them complete", "dim"))
        yield _lines(lines)


@dataclass(frozen=True, slots=True)
class WorkTable:
    """What both models get done. A reward model that has been asked nothing is left out."""

    work: Work

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        work = self.work
        headings = _OF_A_RUN if work.policy.lane is None else _OF_A_SCHEDULER
        rows = {"policy": {"nodes": count(work.nodes), "nodes/s": rate(work.nodes_per_second), **_shown(work.policy)}}
        if work.reward.prompt_tokens or (work.reward.lane is not None and work.reward.lane.is_busy):
            rows["reward"] = _shown(work.reward)
        lines = [_line([Text(" " * len("policy")), *(_right(Text(each, "dim"), _WIDTHS[each]) for each in headings)])]
        for name, shown in rows.items():
            lines.append(_line([Text(name), *(_right(Text(shown.get(each, "")), _WIDTHS[each]) for each in headings)]))
        yield _lines(lines)


@dataclass(frozen=True, slots=True)
class SearchesTable:
    """Some of ``under_way`` problems, each under a name."""

    under_way: int
    searches: Sequence[tuple[str, OpenSearch]]

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        which = "; those that took most by now:" if self.under_way > len(self.searches) else ":"
        problems = "problem" if self.under_way == 1 else "problems"
        rows = [
            (f"{count(search.nodes)} nodes", f"depth {search.depth}", f"{count(search.tokens)} tokens")
            for _, search in self.searches
        ]
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        names = [Text(harmless(name)) for name, _ in self.searches]
        room = options.max_width - sum(width + 2 for width in widths) - 2
        longest = min(max(name.cell_len for name in names), max(room, _SHORTEST_NAME))
        lines = [Text(f"{count(self.under_way)} {problems} under way{which}", "dim")]
        for name, cells in zip(names, rows, strict=True):
            name.truncate(longest, overflow="ellipsis", pad=True)
            lines.append(Text("  ") + _line([name, *map(_right, map(Text, cells), widths)]))
        yield _lines(lines)


def run_words(run: RunState) -> str:
    """How far a run is, in a plain line."""
    words = [f"{run.done}/{run.total} problems", "not graded"]
    if run.accuracy.total:
        words[1] = f"{percent(run.accuracy.value)} right ({interval(run.accuracy)})"
    words += [f"{run.failed} failed"] if run.failed else []
    words += [run.time] if run.time else []
    return f"{harmless(run.name)}: {', '.join(words)}"


def work_words(work: Work) -> str:
    """How fast both models work, in a plain line; nothing where that is not known yet."""
    rates = [
        (work.nodes_per_second, "nodes/s"),
        (work.policy.tokens_per_second, "policy tokens/s"),
        (work.reward.tokens_per_second if work.reward.prompt_tokens else None, "reward tokens/s"),
    ]
    return ", ".join(f"{rate(per_second)} {what}" for per_second, what in rates if per_second is not None)


def left(seconds: float | None) -> str:
    """How long a run will still take, in a few words; nothing where that is not known."""
    return "" if seconds is None else f"{duration(seconds)} left"


def took(seconds: float) -> str:
    """How long a run has taken, in a few words."""
    return f"took {duration(seconds)}"


def _cells(run: RunState) -> list[Text]:
    """What stands behind a run's name and bar."""
    accuracy, between = "", ""
    if run.accuracy.total:
        accuracy, between = percent(run.accuracy.value), f"({interval(run.accuracy)})"
    return [
        Text(f"{run.done}/{run.total}".rjust(2 * len(str(run.total)) + 1), "progress.download"),
        Text(accuracy.rjust(_PERCENT), "bold"),
        Text(between.ljust(_INTERVAL)),
        Text(f"{run.failed} failed" if run.failed else "", "red"),
        Text(run.time.rjust(_TIME), "progress.remaining"),
    ]


def _bar(run: RunState, width: int, options: ConsoleOptions) -> Text:
    """How much is done, to be told apart without colours too."""
    done = width * run.done // max(run.total, 1)
    heavy, light = "#-" if options.ascii_only else "━─"
    colour = "bar.finished" if run.done >= run.total else "bar.complete"
    return Text.assemble((heavy * done, colour), (light * (width - done), "bar.back"))


def _shown(model: ModelWork) -> dict[str, str]:
    """What stands in the columns of a model."""
    shown = {"tokens": count(model.tokens), "tokens/s": rate(model.tokens_per_second)}
    shown["cached"] = "-" if model.cached is None else f"{model.cached:.0%}"
    if model.lane is not None:
        shown |= {"in flight": count(model.lane.in_flight), "queued": count(model.lane.queued)}
    return shown


def _right(cell: Text, width: int) -> Text:
    cell.pad_left(max(width - len(cell), 0))
    return cell


def _line(cells: Sequence[Text], *, gap: int = 2) -> Text:
    return Text(" " * gap).join(cells)


def _lines(lines: Sequence[Text]) -> Text:
    """Put below each other by hand: the tables that there are for it take five times as long to be drawn."""
    text = Text("\n").join(lines)
    text.no_wrap, text.overflow = True, "ellipsis"
    return text
