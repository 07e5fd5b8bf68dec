"""The commands ``finetune policy`` and ``finetune reward``."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.resources import files
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import rich.progress
import typer
from rich.table import Table
from rich.text import Text

from asyncsearch.cli.console import EXIT_INTERRUPTED, err, out
from asyncsearch.cli.parameters import parse_parameters
from asyncsearch.errors import ConfigurationError
from asyncsearch.finetune.checkpoints import is_finished
from asyncsearch.finetune.configuration import (
    PolicyFinetuning,
    RewardFinetuning,
    load_finetuning,
    shipped_finetunings,
)
from asyncsearch.finetune.processes import is_alone, is_launched, is_main

if TYPE_CHECKING:
    from asyncsearch.finetune.finetuning import Finetuned

__all__ = ["finetune_app"]

finetune_app = typer.Typer(help="Train a policy or a reward model, as a file says.", no_args_is_help=True)

Plan = Annotated[
    Path,
    typer.Argument(
        help=f"YAML file of a training, or one that ships: {', '.join(shipped_finetunings())}.", metavar="CONFIG.yaml"
    ),
]
Out = Annotated[Path | None, typer.Option("--out", help="Directory to write the model to. \\[default: models/CONFIG]")]
Resume = Annotated[bool, typer.Option("--resume", help="Go on from the last checkpoint in --out, if there is one.")]
Param = Annotated[
    list[str] | None, typer.Option("--param", "-p", help="NAME=VALUE, instead of what the file says; may be repeated.")
]
Accelerate = Annotated[
    str | None,
    typer.Option(
        help="Train in several processes: fsdp, deepspeed-zero2, deepspeed-zero3, ddp, or a file of accelerate's."
    ),
]
Processes = Annotated[int | None, typer.Option(help="How many processes; one a GPU.", min=1)]


@finetune_app.command("policy")
def finetune_policy_command(
    plan: Plan,
    out_directory: Out = None,
    resume: Resume = False,
    param: Param = None,
    accelerate: Accelerate = None,
    processes: Processes = None,
) -> None:
    """Train a policy on solutions, with the loss on the solution alone.

    Solutions are made of published data by [bold]asyncsearch prepare[/bold]. The directory that is written opens with
    --policy local:DIRECTORY, and in SGLang.
    """
    _finetune(PolicyFinetuning, plan, out_directory, param or [], accelerate, processes, resume=resume)


@finetune_app.command("reward")
def finetune_reward_command(
    plan: Plan,
    out_directory: Out = None,
    resume: Resume = False,
    param: Param = None,
    accelerate: Accelerate = None,
    processes: Processes = None,
) -> None:
    """Train a process reward model on labelled steps, or an outcome reward model on labelled solutions.

    Labels are read from published data by [bold]asyncsearch prepare[/bold]. The directory that is written opens with
    --reward local:DIRECTORY, and in SGLang; it says itself how it is to be prompted.
    """
    _finetune(RewardFinetuning, plan, out_directory, param or [], accelerate, processes, resume=resume)


def _finetune(
    kind: type[PolicyFinetuning | RewardFinetuning],
    plan: Path,
    out_directory: Path | None,
    param: list[str],
    accelerate: str | None,
    processes: int | None,
    *,
    resume: bool,
) -> None:
    finetuning = load_finetuning(plan, kind, overriding=parse_parameters(param))
    directory = out_directory or Path(finetuning.out or f"models/{plan.stem}")
    if (accelerate or processes) and not is_launched():
        _launch(accelerate or "ddp", processes)
    if resume and is_finished(directory):
        out.print(Text(f"{directory}: the model is finished"), soft_wrap=True)
        return
    _require_libraries()
    from asyncsearch.finetune.finetuning import finetune_policy, finetune_reward  # noqa: PLC0415 - imports torch

    with _progress(is_main=is_main()) as bars:
        if isinstance(finetuning, PolicyFinetuning):
            done = finetune_policy(finetuning, directory, resume=resume, spectator=bars)
        else:
            done = finetune_reward(finetuning, directory, resume=resume, spectator=bars)
    if is_main():
        _tell(done, directory)
    if not done.is_whole:
        raise typer.Exit(EXIT_INTERRUPTED)


def _launch(configuration: str, processes: int | None) -> None:
    """Become accelerate's launcher of this same command."""
    _require_libraries()
    shipped = files("asyncsearch.finetune").joinpath(f"accelerate/{configuration}.yaml")
    if configuration.startswith("deepspeed") and find_spec("deepspeed") is None:
        raise ConfigurationError(f"--accelerate {configuration} needs DeepSpeed: pip install deepspeed")
    file = str(shipped) if shipped.is_file() else configuration
    if not Path(file).is_file():
        known = sorted(
            entry.name.removesuffix(".yaml") for entry in files("asyncsearch.finetune").joinpath("accelerate").iterdir()
        )
        raise ConfigurationError(f"--accelerate {configuration}: is no file, and none of {', '.join(known)}")
    count = [] if processes is None else ["--num_processes", str(processes)]
    launcher = ["-m", "accelerate.commands.launch", "--config_file", file, *count]
    os.execv(sys.executable, [sys.executable, *launcher, "-m", "asyncsearch", *sys.argv[1:]])  # noqa: S606 - no shell


def _require_libraries() -> None:
    absent = [name for name in ("torch", "transformers", "accelerate", "peft") if find_spec(name) is None]
    if absent:
        raise ConfigurationError(
            f"training needs the extra 'finetune': pip install 'asyncsearch[finetune]' ({', '.join(absent)} not found)"
        )


def _tell(done: Finetuned, directory: Path) -> None:
    if not done.is_whole:
        note = f"stopped after step {done.steps:,}; the same command with --resume goes on"
        err.print(Text(note), soft_wrap=True)
        return
    table = Table(box=None, show_header=False)
    table.add_column(justify="right")
    table.add_column()
    left_out = "".join(
        f", {count:,} {why}"
        for count, why in ((done.too_long, "too long"), (done.unlabelled, "without a label"))
        if count
    )
    table.add_row(f"{done.solutions:,}", f"solutions{left_out}")
    table.add_row(f"{done.steps:,}", f"steps, {done.tokens:,} tokens, in {done.seconds:,.0f} s")
    part = "" if done.trained_parameters == done.parameters else f", of which {done.trained_parameters:,} were trained"
    table.add_row(f"{done.parameters:,}", f"parameters{part}")
    for name, value in done.metrics.items():
        table.add_row(f"{value:.4f}", name.replace("_", " "))
    out.print(table)
    out.print(Text(f"written to {directory}"), soft_wrap=True)


class _Progress:
    """Shows how a training goes; hears the first signal to end, and lets the second through."""

    def __init__(self, bars: rich.progress.Progress | None, *, is_main: bool) -> None:
        self._bars = bars
        self._bar: rich.progress.TaskID | None = None
        self._is_main = is_main
        self._steps = 0
        self._last: tuple[float, float] | None = None
        self.interrupted = False

    def begin(self, steps: int, done: int) -> None:
        self._steps = steps
        if done and self._is_main:
            err.print(Text(f"{done:,} of {steps:,} steps are done already"))
        if self._bars is not None:
            self._bar = self._bars.add_task("steps", total=steps, completed=done, said="")

    def step(self, step: int) -> None:
        if self._bars is not None and self._bar is not None:
            self._bars.update(self._bar, completed=step)

    def log(self, step: int, values: Mapping[str, float]) -> None:
        now, tokens = time.monotonic(), values.get("tokens", 0.0)
        if "evaluation_loss" in values:
            said = ", ".join(
                f"{name.replace('_', ' ')} {value:.4f}" for name, value in values.items() if name != "tokens"
            )
        else:
            said = f"loss {values.get('loss', 0.0):.4f}"
            if self._last is not None and now > self._last[0]:
                said += f", {(tokens - self._last[1]) / (now - self._last[0]):,.0f} tokens/s"
            self._last = (now, tokens)
        if self._bars is not None and self._bar is not None and "evaluation_loss" not in values:
            self._bars.update(self._bar, said=said)
        elif self._is_main:
            err.print(Text(f"step {step:,}/{self._steps:,}: {said}"), soft_wrap=True)

    def wants_to_stop(self) -> bool:
        return self.interrupted


@contextmanager
def _progress(*, is_main: bool) -> Iterator[_Progress]:
    columns = (
        rich.progress.TextColumn("{task.description}"),
        rich.progress.BarColumn(),
        rich.progress.MofNCompleteColumn(),
        rich.progress.TextColumn("{task.fields[said]}"),
        rich.progress.TimeRemainingColumn(),
        rich.progress.TextColumn("left"),
    )
    bars = rich.progress.Progress(*columns, console=err) if err.is_terminal and is_main else None
    progress = _Progress(bars, is_main=is_main)
    # Of several processes none may go on alone; their launcher ends them all.
    endings = (signal.SIGINT, signal.SIGTERM) if is_alone() else ()
    before: dict[signal.Signals, Any] = {}

    def end(number: int, frame: Any) -> None:
        progress.interrupted = True
        for each, handler in before.items():
            signal.signal(each, handler)
        err.print(Text("stopping after this step, with a checkpoint; once more stops at once"))

    before.update({each: signal.signal(each, end) for each in endings if signal.getsignal(each) is not signal.SIG_IGN})
    try:
        if bars is None:
            yield progress
        else:
            with bars:
                yield progress
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)
