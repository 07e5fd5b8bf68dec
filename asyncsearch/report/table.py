"""Tables for a terminal, and the same as JSON."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.table import Table
from rich.text import TextType

from asyncsearch.comparison import Row
from asyncsearch.evaluation import Accuracy, Evaluation

__all__ = ["comparison_table", "evaluation_json", "evaluation_table"]


def comparison_table(rows: Sequence[Row], *, title: str) -> Table:
    """Rows side by side: accuracy with its 95 % interval, tokens of both models, seconds."""
    table = Table(title=title, title_justify="left", box=SIMPLE_HEAD)  # fits a terminal of 80 columns
    table.add_column("method")
    for heading in ("accuracy", "95 % interval", "policy\ntokens", "reward\ntokens", "seconds"):
        table.add_column(heading, justify="right")
    with_failures = any(row.failed for row in rows)
    if with_failures:
        table.add_column("failed", justify="right")
    for row in rows:
        cells = [row.name, "-", "-"]
        if row.accuracy is not None:
            cells[1:] = _percent(row.accuracy.value), _interval(row.accuracy)
        cells += [f"{row.policy_tokens:,}", f"{row.reward_tokens:,}", f"{row.seconds:.1f}"]
        table.add_row(*cells, *([str(row.failed)] if with_failures else []))
    return table


def evaluation_table(evaluation: Evaluation, *, title: TextType) -> Table:
    """Every vote of one run, best first in each kind."""
    table = Table(title=title, title_justify="left")
    table.add_column("vote")
    table.add_column("step scores")
    table.add_column("accuracy", justify="right")
    table.add_column("95 % interval", justify="right")
    for method, accuracy in evaluation.accuracies.items():
        table.add_row(method.vote, method.aggregation or "-", _percent(accuracy.value), _interval(accuracy))
    return table


def evaluation_json(evaluation: Evaluation) -> dict[str, Any]:
    """The same as a JSON value: counts, tokens, and one record per vote."""
    return {
        "solved": evaluation.solved,
        "failed": evaluation.failed,
        "ungraded": evaluation.ungraded,
        "grading_gave_up": evaluation.grading_gave_up,
        "policy_tokens": evaluation.tokens.generated,
        "policy_prompt_tokens": evaluation.tokens.prompt,
        "policy_cached_tokens": evaluation.tokens.prompt_cached,
        "reward_tokens": evaluation.tokens.reward,
        "accuracies": [
            {
                "vote": method.vote,
                "aggregation": method.aggregation,
                "correct": accuracy.correct,
                "total": accuracy.total,
                "accuracy": accuracy.value,
                "interval": accuracy.interval(),
            }
            for method, accuracy in evaluation.accuracies.items()
        ],
    }


def _percent(share: float) -> str:
    return f"{share:.1%}"


def _interval(accuracy: Accuracy) -> str:
    low, high = accuracy.interval()
    return f"{low:.1%} - {high:.1%}"
