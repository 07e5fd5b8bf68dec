"""The command ``label``."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Annotated

import typer
from rich.text import Text

from asyncsearch.cli.console import out as console
from asyncsearch.cli.parameters import parse_fields, parse_parameters
from asyncsearch.cli.searching import search
from asyncsearch.comparison import compare
from asyncsearch.datasets.bundled import BUNDLED
from asyncsearch.datasets.loading import is_dataset_name, load_problems
from asyncsearch.entries import entries_for
from asyncsearch.errors import ConfigurationError
from asyncsearch.format import FORMATS
from asyncsearch.labelling import LABELLING_STRATEGIES, AnswerReward, write_labels
from asyncsearch.options import SolveOptions
from asyncsearch.plugins import suggestion
from asyncsearch.run_directory import Resumption, require_free

__all__ = ["label_command"]

LABELS_FILE = "labels.jsonl"


def label_command(
    dataset: Annotated[
        str, typer.Argument(help="Problems with answers, as 'solve' takes them; not those that will be tested on.")
    ],
    policy: Annotated[
        str,
        typer.Option(
            help="The policy whose steps are labelled, and that the rollouts are drawn from: local:DIRECTORY, "
            "sglang:URL and so on, as in 'solve', or bundled:policy."
        ),
    ],
    method: Annotated[
        str,
        typer.Option(
            help="monte-carlo: rollouts from every step (Math-Shepherd); omegaprm: from the steps that a binary search "
            "for the first mistake comes to."
        ),
    ] = "monte-carlo",
    width: Annotated[
        int | None,
        typer.Option(
            help="Solutions of a problem that are labelled; of omegaprm rollouts that are paid for. \\[default: 4; 64]",
            min=1,
        ),
    ] = None,
    rollouts: Annotated[int, typer.Option(help="Rollouts from a step.", min=1)] = 8,
    soft: Annotated[
        bool, typer.Option("--soft/--hard", help="The share of right rollouts, or whether there is any.")
    ] = False,
    out: Annotated[
        Path | None,
        typer.Option(help=f"Directory to write the run and {LABELS_FILE} to. \\[default: runs/DATASET-METHOD]"),
    ] = None,
    temperature: Annotated[float | None, typer.Option(help="Sampling temperature. \\[default: 1.0]")] = None,
    max_tokens: Annotated[int | None, typer.Option(help="Tokens along one solution. \\[default: 1024]")] = None,
    param: Annotated[
        list[str] | None,
        typer.Option("--param", "-p", help="Any parameter of the method, as NAME=VALUE; may be repeated."),
    ] = None,
    format: Annotated[
        str, typer.Option(help=f"The policy's prompts and steps: {', '.join(FORMATS)}, or a YAML file of one.")
    ] = "steps",
    grader: Annotated[
        str | None, typer.Option(help="What compares answers, as in 'solve'. \\[default: the dataset's]")
    ] = None,
    field: Annotated[
        list[str] | None, typer.Option(help="What the dataset calls a field, as answer=target; may be repeated.")
    ] = None,
    limit: Annotated[int | None, typer.Option(help="Only the first so many problems.", min=1)] = None,
    seed: Annotated[int, typer.Option(help="Same seed, same labels.")] = 0,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with what is in --out; or begin it.")] = False,
    retry_failed: Annotated[bool, typer.Option("--retry-failed", help="Resume, and do again what failed.")] = False,
    in_flight: Annotated[
        int | None, typer.Option(help="Requests in flight; changes the time, not the labels.", min=1)
    ] = None,
) -> None:
    """Label reasoning steps by where they lead, for a reward model to learn from.

    A step is worth how many solutions that go on from it come to the right answer. [bold]asyncsearch finetune
    reward[/bold] learns from the file that is written; the run beside it is one like any other, to look at and go on
    with.
    """
    if method not in LABELLING_STRATEGIES:
        raise ConfigurationError(f"unknown method {method!r}; {suggestion(method, [*LABELLING_STRATEGIES])}")
    parameters = {**parse_parameters(param or []), "rollouts": rollouts}
    given = {"width": width, "temperature": temperature, "max_tokens": max_tokens}
    parameters |= {name: value for name, value in given.items() if value is not None}
    if method == "monte-carlo":
        parameters.setdefault("width", 4)
    bundled = BUNDLED.get(dataset)
    options = SolveOptions(
        seed=seed,
        vote="majority",
        format=format,
        grader=grader or (bundled.grader if bundled else SolveOptions().grader),
        policy_limit=in_flight,
        reward_limit=in_flight,
    )
    entries = entries_for([{"strategy": method}], parameters, options)
    problems = load_problems(dataset, limit=limit, fields=parse_fields(field or []))
    directory = out or Path("runs") / f"{dataset if is_dataset_name(dataset) else Path(dataset).stem}-{method}"
    resumption = Resumption(retry_failed=retry_failed) if resume or retry_failed else None
    reward = AnswerReward(problems, options.make_grader(), options.chosen_format())
    if resumption is None:
        require_free(directory)
    done = search(
        lambda progress, ready: compare(
            problems,
            entries,
            policy=policy,
            reward=reward,
            directory=directory,
            options=options,
            resumption=resumption,
            spectator=progress,
            ready=ready,
        ),
        searches=len(problems),
        directory=directory,
        remember=lambda: None,
    )
    labelled = asyncio.run(write_labels(directory, directory / LABELS_FILE, soft=soft))
    mean = "" if labelled.mean is None else f", {labelled.mean:.1%} right on average"
    console.print(
        Text(
            f"{labelled.solutions:,} solutions of {labelled.problems:,} problems with {labelled.steps:,} steps, "
            f"{labelled.labelled:,} labelled{mean}"
        ),
        soft_wrap=True,
    )
    console.print(Text(f"written to {directory / LABELS_FILE}"), soft_wrap=True)
    done.conclude()
