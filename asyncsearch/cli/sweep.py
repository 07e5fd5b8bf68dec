"""The command ``sweep``."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer
from rich.text import Text

from asyncsearch.cli.console import out as console
from asyncsearch.cli.searching import search
from asyncsearch.datasets.loading import load_problems
from asyncsearch.errors import ConfigurationError, RunDirectoryError
from asyncsearch.report.scaling import read_scaling
from asyncsearch.report.scaling_table import scaling_table
from asyncsearch.run_directory import Resumption, plan_runs, require_free, unwritable
from asyncsearch.sweep import SWEEP_FILE, Sweep, begun_runs, load_sweep, run_sweep, save_sweep

__all__ = ["sweep_command"]


def sweep_command(
    plan: Annotated[
        Path | None, typer.Argument(help="YAML file: a dataset, models, strategies and widths.", metavar="SWEEP.yaml")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Directory to write the runs to. \\[default: runs/SWEEP]")] = None,
    limit: Annotated[int | None, typer.Option(help="Solve only the first so many problems.", min=1)] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with the sweep in --out; or begin it, if it is not there.")
    ] = False,
    retry_failed: Annotated[bool, typer.Option("--retry-failed", help="Resume, and solve again what failed.")] = False,
    max_failures: Annotated[
        float | None, typer.Option(help="Stop when more problems of a run fail: a count, or below 1 a share.", min=0)
    ] = None,
    in_flight: Annotated[
        int | None, typer.Option(help="Requests in flight per model; changes the time, not the answers.", min=1)
    ] = None,
) -> None:
    """Run models, strategies and widths on one dataset, and say what each budget buys.

    Of each model all runs are under way at once and share its batches. Samples are drawn once, at the greatest width:
    the smaller numbers of them are inside. [bold]asyncsearch report[/bold] draws what came of it; --resume goes
    on with it, also when the plan has got further models, strategies or widths.
    """
    resumption = Resumption(retry_failed=retry_failed) if resume or retry_failed else None
    sweep, directory = _plan(plan, out, limit)
    models = sweep.runs(policy_limit=in_flight, reward_limit=in_flight, max_failures=max_failures)
    problems = load_problems(sweep.dataset, limit=sweep.common.limit, fields=sweep.common.fields or {})
    if resumption is None:
        require_free(directory)  # before the models are loaded, and before anything is solved

    def remember() -> None:
        try:
            save_sweep(directory / SWEEP_FILE, sweep)
        except OSError as error:
            raise unwritable(directory, error) from error
        plan_runs(directory, [f"{model.name}/{entry.name}" for model in models for entry in model.entries])

    done = search(
        lambda progress, ready: run_sweep(
            models, problems, directory=directory, resumption=resumption, spectator=progress, ready=ready
        ),
        searches=len(problems) * sum(len(model.entries) for model in models),
        directory=directory,
        remember=remember,
    )
    for scaling in asyncio.run(read_scaling(begun_runs(directory), fits=False)):
        if scaling.points:
            console.print(scaling_table(scaling.points))
    console.print(Text(f"results in {directory}: asyncsearch report {directory} --out DIR draws them"), soft_wrap=True)
    done.conclude()


def _plan(plan: Path | None, out: Path | None, limit: int | None) -> tuple[Sweep, Path]:
    if plan is None:
        if out is None:
            raise ConfigurationError(
                "name the YAML file of a sweep, or say with --resume and --out which to go on with"
            )
        if not (out / SWEEP_FILE).exists():
            part = (out.absolute().parent / SWEEP_FILE).exists()
            hint = f"it is a part of one: --out {out.parent}" if part else "name the YAML file of one to begin it"
            raise RunDirectoryError(f"{out}: holds no sweep to go on with ({SWEEP_FILE} is not there); {hint}")
        plan = out / SWEEP_FILE
    sweep = load_sweep(plan)
    if limit is not None:
        sweep = replace(sweep, common=replace(sweep.common, limit=limit))
    return sweep, out if out is not None else Path("runs") / plan.stem
