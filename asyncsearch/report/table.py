"""Tables for a terminal."""

from __future__ import annotations

from collections.abc import Sequence

from rich.box import SIMPLE_HEAD
from rich.table import Table
from rich.text import TextType

from asyncsearch.accounting import Accounts
from asyncsearch.comparison import Row
from asyncsearch.evaluation import Accuracy
from asyncsearch.replay import Replay
from asyncsearch.report.numbers import count, interval, operations, percent

__all__ = ["accounts_table", "anytime_table", "comparison_table"]

_LONG = 1_000_000
"""From here on numbers are shortened."""


def comparison_table(rows: Sequence[Row], *, title: str) -> Table:
    """Rows side by side: accuracy with its 95 % interval, tokens and operations of both models, seconds."""
    # It fits a terminal of 80 columns.
    table = Table(title=title, title_justify="left", box=SIMPLE_HEAD, collapse_padding=True, pad_edge=False)
    table.add_column("method")
    for heading in ("accuracy", "95 %\ninterval", "policy\ntokens", "reward\ntokens", "FLOPs", "seconds"):
        table.add_column(heading, justify="right")
    with_failures = any(row.failed for row in rows)
    if with_failures:
        table.add_column("failed", justify="right")
    for row in rows:
        cells = [row.name, "-", "-"]
        if row.accuracy is not None:
            cells[1:] = percent(row.accuracy.value), interval(row.accuracy)
        cells += [count(row.policy_tokens), count(row.reward_tokens), operations(row.flops), _seconds(row.seconds)]
        table.add_row(*cells, *([str(row.failed)] if with_failures else []))
    return table


def accounts_table(accounts: Accounts) -> Table:
    """What both models did for a run."""
    table = Table(box=SIMPLE_HEAD, collapse_padding=True, pad_edge=False)
    table.add_column("model")
    for heading in ("prompt\ntokens", "cached", "generated", "wasted", "FLOPs", "queued,\nseconds", "served,\nseconds"):
        table.add_column(heading, justify="right")
    for name, model in (("policy", accounts.policy), ("reward", accounts.reward)):
        tokens = (model.prompt_tokens, model.cached_tokens, model.generated_tokens, model.wasted_tokens)
        seconds = (model.queue_seconds, model.runtime_seconds)
        table.add_row(name, *map(count, tokens), operations(model.flops), *map(_seconds, seconds))
    return table


def anytime_table(replays: Sequence[Replay], *, title: TextType) -> Table:
    """One run at one budget after the other."""
    table = Table(title=title, title_justify="left", box=SIMPLE_HEAD, collapse_padding=True, pad_edge=False)
    for heading in ("width", "accuracy", "95 %\ninterval", "policy\ntokens", "reward\ntokens", "FLOPs"):
        table.add_column(heading, justify="right")
    for found in replays:
        accounts, accuracy = found.accounts, found.accuracy
        tokens = (accounts.policy.generated_tokens, accounts.reward.prompt_tokens)
        cells = ["-", "-"] if not accuracy.total else [percent(accuracy.value), _interval(accuracy)]
        table.add_row(str(found.strategy.width), *cells, *map(count, tokens), operations(accounts.flops))
    return table


def _seconds(seconds: float) -> str:
    return f"{seconds:.1f}" if seconds < _LONG else f"{seconds:.2e}".replace("e+0", "e")


def _interval(accuracy: Accuracy) -> str:
    low, high = accuracy.interval()
    return f"{low:.1%} - {high:.1%}"
