"""Evaluations as tables for a terminal."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

from rich.box import SIMPLE_HEAD
from rich.table import Table
from rich.text import Text, TextType

from asyncsearch.evaluation import Estimate, EvaluatedRun, Evaluation, Method, accuracy_of, paired_test
from asyncsearch.report.harmless import harmless
from asyncsearch.report.numbers import whole_percents

__all__ = ["groups_table", "methods_table", "paired_table", "passes_table"]

_MOST_ALL_PAIRS = 4
"""Runs of which each is compared with each; of more, each is with the first."""


def methods_table(evaluation: Evaluation, own: Method, *, title: TextType) -> Table:
    """Every vote under every aggregation; the run's ``own`` has a star."""
    table = Table(title=title, title_justify="left", box=SIMPLE_HEAD, pad_edge=False)
    table.add_column("vote")
    table.add_column("step scores")
    table.add_column("accuracy", justify="right")
    table.add_column("95 % interval", justify="right")
    for method in evaluation.methods:
        is_own = method == own
        cells = (
            f"{method.vote}{' *' if is_own else ''}",
            method.aggregation or "-",
            *_cells(evaluation.estimate(method)),
        )
        table.add_row(*cells, style="bold" if is_own else None)
    return table


def passes_table(run: EvaluatedRun) -> Table:
    """pass@k."""
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    table.add_column("k")
    passes = run.evaluation.passes
    for k in passes:
        table.add_column(str(k), justify="right")
    table.add_row("pass@k", *(f"{found.value:.1%}" for found in passes.values()))
    table.add_row("95 % interval", *(whole_percents(found.low, found.high) for found in passes.values()))
    return table


def groups_table(runs: Sequence[EvaluatedRun], names: Sequence[str], *, by: str) -> Table | None:
    """The accuracy of each run's own method by level or subject; None where no problem has one."""
    groups = [run.evaluation.groups(by) for run in runs]
    labels = sorted({label for found in groups for label in found})
    if not labels:
        return None
    table = Table(title=f"by {by}", title_justify="left", box=SIMPLE_HEAD, pad_edge=False)
    table.add_column(by)
    table.add_column("problems", justify="right")
    for name in names:
        table.add_column(Text(name), justify="right")
    for label in labels:
        cells = []
        for run, found in zip(runs, groups, strict=True):
            estimate = accuracy_of(found.get(label, ()), run.method)
            interval = whole_percents(estimate.low, estimate.high)
            cells.append(f"{estimate.value:.1%} ({interval})" if estimate.total else "-")
        most = max(len(found.get(label, ())) for found in groups)
        table.add_row(Text(harmless(label)), str(most), *cells)
    return table


def paired_table(runs: Sequence[EvaluatedRun], names: Sequence[str]) -> Table | None:
    """Each run against each, or against the first if there are many; None where no two have a problem in common."""
    table = Table(title="right on the same problems", title_justify="left", box=SIMPLE_HEAD, pad_edge=False)
    table.add_column("first")
    table.add_column("second")
    for heading in ("only\nfirst", "only\nsecond", "of", "difference", "95 %\ninterval", "p"):
        table.add_column(heading, justify="right")
    numbers = range(len(runs))
    pairs = [*combinations(numbers, 2)] if len(runs) <= _MOST_ALL_PAIRS else [(0, second) for second in numbers[1:]]
    for first, second in pairs:
        one, other = runs[first], runs[second]
        found = paired_test(one.evaluation.judgements, other.evaluation.judgements, methods=(one.method, other.method))
        if found.problems:
            difference = found.difference
            counts = map(str, (found.only_first, found.only_second, found.problems))
            interval = f"{100 * difference.low:+.0f} to {100 * difference.high:+.0f}"
            p_value = f"{found.p_value:.3f}" if found.p_value >= 0.001 else f"{found.p_value:.0e}"
            table.add_row(
                Text(names[first]), Text(names[second]), *counts, f"{100 * difference.value:+.1f}", interval, p_value
            )
    if len(runs) > _MOST_ALL_PAIRS:
        table.caption = f"{names[0]} against the others; --json has each against each"
        table.caption_justify = "left"
    return table if table.row_count else None


def _cells(estimate: Estimate) -> tuple[str, str]:
    if not estimate.total:
        return "-", "-"
    return f"{estimate.value:.1%}", f"{estimate.low:.1%} - {estimate.high:.1%}"
