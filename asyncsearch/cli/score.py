"""The command ``score``."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Annotated

import rich.progress
import typer
from rich.text import Text

from asyncsearch.cli.console import EXIT_INTERRUPTED, EXIT_SOME_FAILED, err, out, say_error
from asyncsearch.cli.interrupts import run_until_interrupted
from asyncsearch.errors import AsyncSearchError, UserError
from asyncsearch.format import FORMATS, format_named
from asyncsearch.rewards import AGGREGATIONS, REWARD_FORMATS
from asyncsearch.scoring import Scored, partial_file, score_file

__all__ = ["score_command"]

_PLAIN_LINES = 10
"""Lines where there is no terminal."""


def score_command(
    file: Annotated[
        Path,
        typer.Argument(
            help="Solutions: JSON objects, one a line or in a list, with 'problem' and 'solution', 'response', 'steps' "
            "or 'solutions'; or what the REBASE reference wrote."
        ),
    ],
    reward: Annotated[
        str,
        typer.Option(
            help="The process reward model: local:DIRECTORY of a Hugging Face model, sglang:URL, openai:URL, or "
            "reward-function:MODULE:NAME of a function."
        ),
    ],
    reward_format: Annotated[
        str, typer.Option(help=f"The reward model's prompts: {', '.join(['auto', *REWARD_FORMATS])}.")
    ] = "auto",
    format: Annotated[
        str | None,
        typer.Option(
            help=f"How a text falls into steps: {', '.join(FORMATS)}, or a YAML file.",
            show_default="at the step tags that it has, else as 'steps'",
        ),
    ] = None,
    aggregation: Annotated[str, typer.Option(help=f"How step scores become one: {', '.join(AGGREGATIONS)}.")] = "last",
    out: Annotated[
        Path | None, typer.Option(help="File to write.", show_default="beside FILE, as FILE.scored.jsonl")
    ] = None,
    reward_parameters: Annotated[
        float | None,
        typer.Option(
            help="The model's parameters, as 7e9, to count operations by.", min=0, show_default="as it is configured"
        ),
    ] = None,
    in_flight: Annotated[int | None, typer.Option(help="Requests in flight; changes the time only.", min=1)] = None,
) -> None:
    """Score every step of solutions from anywhere, with any reward model.

    The records are written once more, in their order, each solution with [bold]step_scores[/bold] and the
    [bold]score[/bold] that comes of them. When it is interrupted, the same command goes on.
    """
    target = out if out is not None else file.parent / f"{file.stem}.scored{file.suffix}"
    begun = time.monotonic()
    with _progress() as progress:
        try:
            scored = run_until_interrupted(
                partial(
                    score_file,
                    file,
                    target,
                    reward=reward,
                    reward_format=reward_format,
                    format=None if format is None else format_named(format),
                    aggregation=aggregation,
                    reward_parameters=reward_parameters,
                    reward_limit=in_flight,
                    on_begin=progress.begin,
                    on_scored=progress.advance,
                )
            )
        except UserError:
            raise
        except (KeyboardInterrupt, AsyncSearchError) as end:
            progress.stop()
            interrupted = isinstance(end, KeyboardInterrupt)
            if not interrupted:
                say_error(str(end))
            kept = f"{progress.scored} of {progress.solutions} solutions are scored"
            is_kept = partial_file(target).exists()
            where = f", and kept in {partial_file(target)}; the same command goes on" if is_kept else ""
            err.print(Text(f"{'interrupted' if interrupted else 'stopped'}: {kept}{where}"), soft_wrap=True)
            raise typer.Exit(EXIT_INTERRUPTED if interrupted else EXIT_SOME_FAILED) from None
    _tell(scored, target, time.monotonic() - begun, format)
    if scored.failed:
        raise typer.Exit(EXIT_SOME_FAILED)


def _tell(scored: Scored, target: Path, seconds: float, format: str | None) -> None:
    account = scored.account
    flops = f", {account.flops:.2e} FLOPs" if account.flops else ""
    if scored.of_one_step:
        how = f"does the format {format!r} say how they begin?" if format else "say with --format how steps begin"
        note = f"note: {scored.of_one_step:,} of {scored.solutions:,} solutions are of one step: {how}"
        err.print(Text(note), soft_wrap=True)
    tokens = f"{account.computed_tokens:,} tokens computed, {account.cached_tokens:,} cached"
    out.print(Text(f"{scored.solutions - scored.failed:,} solutions scored: {tokens}{flops}; {seconds:,.1f} seconds"))
    out.print(Text(f"written to {target}"), soft_wrap=True)
    if scored.failed:
        kept = f"; the others are kept in {partial_file(target)}, and the same command tries these again"
        some = kept if scored.failed < scored.solutions else ""
        say_error(f"{scored.failed} solutions could not be scored; the first: {scored.first_error}{some}")


class _Progress:
    """How many ``solutions`` there are, and how many are ``scored``."""

    def __init__(self, bars: rich.progress.Progress | None) -> None:
        self.solutions = 0
        self.scored = 0
        self._failed = 0
        self._bars = bars
        self._bar: rich.progress.TaskID | None = None

    def begin(self, solutions: int, there: int) -> None:
        self.solutions, self.scored = solutions, there
        if there:
            err.print(Text(f"{there:,} of {solutions:,} solutions are scored already"))
        if self._bars is not None:
            self._bar = self._bars.add_task("solutions", total=solutions, completed=there, failed="")

    def advance(self, error: str | None) -> None:
        self.scored += error is None
        self._failed += error is not None
        done = self.scored + self._failed
        failed = f"{self._failed:,} failed" if self._failed else ""
        if self._bars is not None and self._bar is not None:
            self._bars.update(self._bar, completed=done, failed=failed)
        elif done * _PLAIN_LINES // self.solutions > (done - 1) * _PLAIN_LINES // self.solutions:
            err.print(Text(f"{done:,}/{self.solutions:,} solutions{', ' if failed else ''}{failed}"))

    def stop(self) -> None:
        """Leave the terminal to what is said in the end."""
        if self._bars is not None:
            self._bars.stop()


@contextmanager
def _progress() -> Iterator[_Progress]:
    if not err.is_terminal:
        yield _Progress(None)
        return
    with rich.progress.Progress(
        rich.progress.TextColumn("{task.description}"),
        rich.progress.BarColumn(),
        rich.progress.MofNCompleteColumn(),
        rich.progress.TextColumn("{task.fields[failed]}"),
        rich.progress.TimeElapsedColumn(),
        rich.progress.TextColumn("elapsed,"),
        rich.progress.TimeRemainingColumn(),
        rich.progress.TextColumn("left"),
        console=err,
    ) as bars:
        yield _Progress(bars)
