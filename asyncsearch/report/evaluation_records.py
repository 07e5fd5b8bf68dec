"""Evaluations as JSON values, and as rows for a spreadsheet."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from itertools import combinations
from typing import Any

from asyncsearch.evaluation import (
    GROUPINGS,
    Estimate,
    EvaluatedRun,
    Evaluation,
    Judgement,
    Method,
    accuracy_of,
    paired_test,
)

__all__ = ["COLUMNS", "evaluation_record", "evaluation_rows", "figures_record", "paired_records"]

COLUMNS = (
    "run",
    "strategy",
    "width",
    "by",
    "group",
    "measure",
    "vote",
    "aggregation",
    "k",
    "problems",
    "value",
    "low",
    "high",
)
"""Of `evaluation_rows`."""


def figures_record(found: Evaluation) -> dict[str, Any]:
    """Counts, accounts, and an estimate for each method and each k."""
    return {
        "solved": found.solved,
        "failed": found.failed,
        "ungraded": found.ungraded,
        "grading_gave_up": found.grading_gave_up,
        "grading_failed": found.grading_failed,
        "grading_error": found.grading_error,
        "seconds": found.seconds,
        "found": found.found.value,
        "different_answers": found.different_answers,
        "accounts": asdict(found.accounts),
        "flops": found.accounts.flops,
        "accuracies": _accuracies(found.judgements, found.methods),
        "passes": [{"k": k, **_estimate("value", passed)} for k, passed in found.passes.items()],
    }


def evaluation_record(run: EvaluatedRun) -> dict[str, Any]:
    """The same, with what run it is, and each method by level and subject."""
    found = run.evaluation
    return {
        "run": str(run.path),
        "strategy": run.strategy,
        "width": run.width,
        "problems": run.problems,
        "method": asdict(run.method),
        **figures_record(found),
        "groups": [
            {"by": by, "group": group, "accuracies": _accuracies(judgements, found.methods)}
            for by in GROUPINGS
            for group, judgements in found.groups(by).items()
        ],
    }


def paired_records(runs: Sequence[EvaluatedRun]) -> Iterator[dict[str, Any]]:
    """Each run against each of those behind it, where they have problems in common."""
    for first, second in combinations(runs, 2):
        methods = (first.method, second.method)
        found = paired_test(first.evaluation.judgements, second.evaluation.judgements, methods=methods)
        if found.problems:
            yield {
                "first": str(first.path),
                "second": str(second.path),
                "methods": [asdict(method) for method in methods],
                "only_first": found.only_first,
                "only_second": found.only_second,
                "left_out": found.left_out,
                "p_value": found.p_value,
                "difference": _estimate("value", found.difference),
            }


def evaluation_rows(run: EvaluatedRun) -> Iterator[dict[str, Any]]:
    """A row for each estimate, with `COLUMNS`; what a row has no use for is left out.

    Before a text that a spreadsheet would take for a formula there is an apostrophe.
    """
    found = run.evaluation
    head = {"run": str(run.path), "strategy": run.strategy, "width": run.width}
    groups = [(by, group, judged) for by in GROUPINGS for group, judged in found.groups(by).items()]
    for by, group, judgements in [(None, None, found.judgements), *groups]:
        for method in found.methods:
            row = _estimate("value", accuracy_of(judgements, method))
            yield _flat({**head, "by": by, "group": group, "measure": "accuracy", **asdict(method), **row})
    for k, passed in found.passes.items():
        yield _flat({**head, "measure": "pass@k", "k": k, **_estimate("value", passed)})


def _accuracies(judgements: Sequence[Judgement], methods: Sequence[Method]) -> list[dict[str, Any]]:
    return [{**asdict(method), **_estimate("accuracy", accuracy_of(judgements, method))} for method in methods]


def _estimate(name: str, estimate: Estimate) -> dict[str, Any]:
    return {name: estimate.value, "interval": (estimate.low, estimate.high), "problems": estimate.total}


def _flat(row: dict[str, Any]) -> dict[str, Any]:
    low, high = row.pop("interval")
    return {name: _inert(value) for name, value in {**row, "low": low, "high": high}.items()}


def _inert(value: Any) -> Any:
    return f"'{value}" if isinstance(value, str) and value.startswith(("=", "+", "-", "@", "\t", "\r")) else value
