"""The command ``export``."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Annotated, BinaryIO

import typer
from rich.text import Text

from asyncsearch.cli.console import err
from asyncsearch.cli.interrupts import run_until_interrupted
from asyncsearch.cli.runs import runs_in
from asyncsearch.errors import ConfigurationError
from asyncsearch.export import EXPORT_FORMATS, Exported, ExportFormat
from asyncsearch.files import whole_file
from asyncsearch.plugins import suggestion
from asyncsearch.run_directory import COMMAND_FILE, CONFIG_FILE, JOURNAL_FILE, RESULTS_FILE, read_config, unwritable

__all__ = ["export_command"]

_STANDARD_OUTPUT = Path("-")
_OF_A_RUN = (COMMAND_FILE, CONFIG_FILE, JOURNAL_FILE, RESULTS_FILE)


def export_command(
    run: Annotated[Path, typer.Argument(help="A run directory, as 'solve' writes it, or one that holds several.")],
    format: Annotated[
        str,
        typer.Option(
            help="rebase: what the REBASE reference's math_evaluate.py reads; jsonl: a JSON object a candidate; "
            "csv: the same as a table, without the texts."
        ),
    ] = "rebase",
    out: Annotated[
        Path | None,
        typer.Option(
            help="File to write, - for standard output; of several runs a directory of files.",
            show_default="answers.json, candidates.jsonl or candidates.csv in the run's directory",
        ),
    ] = None,
) -> None:
    """Write a run's candidates to a file that other programs read.

    [bold]asyncsearch export RUN --format jsonl[/bold] is for pandas: a row has the problem, one candidate's text, its
    answer and whether it is right, its scores and its tokens.
    """
    if format not in EXPORT_FORMATS:
        raise ConfigurationError(f"unknown form {format!r}; {suggestion(format, [*EXPORT_FORMATS])}")
    form = EXPORT_FORMATS[format]
    runs = runs_in(run)
    for one, target in zip(runs, _targets(run, runs, form, out), strict=True):
        try:
            with _opened(target) as file:
                exported = run_until_interrupted(partial(form.write, one, file))
        except OSError as error:
            raise unwritable(target, error) from error
        _tell(one, target, format, exported)


def _targets(run: Path, runs: list[Path], form: ExportFormat, out: Path | None) -> list[Path]:
    """The file for each run.

    Raises:
        ConfigurationError: there cannot be one.
    """
    if out is None:
        return [one / form.file_name for one in runs]
    if runs == [run]:
        target = out / form.file_name if out.is_dir() else out
        if target.name in _OF_A_RUN and (target.parent / CONFIG_FILE).exists():
            raise ConfigurationError(f"{target}: is a file of a run; name another one")
        return [target]
    if out == _STANDARD_OUTPUT or (out.exists() and not out.is_dir()):
        raise ConfigurationError(f"{run}: holds several runs, and {out} is no directory; name one, or one of the runs")
    # Runs of several models have the same names: those of their models are in front.
    return [out / f"{'-'.join(one.relative_to(run).parts)}{form.suffix}" for one in runs]


@contextmanager
def _opened(target: Path) -> Iterator[BinaryIO]:
    """A file that is there whole or not at all, or standard output.

    Raises:
        OSError: it cannot be written.
        ConfigurationError: it is there, and no file.
    """
    if target == _STANDARD_OUTPUT:
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()
        return
    if target.exists() and not target.is_file():
        raise ConfigurationError(f"{target}: is no file; name one, or - for standard output")
    target.parent.mkdir(parents=True, exist_ok=True)
    with whole_file(target) as file:
        yield file


def _tell(run: Path, target: Path, format: str, exported: Exported) -> None:
    err.print(Text(f"{target}: {exported.problems} problems, {exported.candidates} candidates"), soft_wrap=True)
    if format != "rebase":
        return
    notes = []
    if (grader := read_config(run)["grader"]) != "math":
        notes.append(f"was graded by {grader!r}, and the reference's evaluation compares answers as mathematics")
    if exported.unanswered:
        notes.append(f"{exported.unanswered} candidates without an answer are left out, as the reference leaves them")
    if exported.ungraded:
        notes.append(f"{exported.ungraded} problems have no reference answer; the reference counts them as wrong")
    if exported.misread:
        notes.append(f"of {exported.misread} candidates the reference takes another answer than the one they end in")
    for note in notes:
        err.print(Text(f"note: {run}: {note}"), soft_wrap=True)
