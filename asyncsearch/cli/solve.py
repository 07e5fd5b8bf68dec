"""The command ``solve``."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.text import Text

from asyncsearch.answers.voting import VOTES
from asyncsearch.cli.command_file import recall_command, remember_command
from asyncsearch.cli.console import err
from asyncsearch.cli.console import out as console
from asyncsearch.cli.parameters import parse_fields, parse_parameters
from asyncsearch.cli.searching import search
from asyncsearch.comparison import compare
from asyncsearch.configuration import Configuration, default_configuration, load_configuration
from asyncsearch.datasets.bundled import BUNDLED
from asyncsearch.datasets.hub import HUB_DATASETS
from asyncsearch.datasets.loading import is_dataset_name, load_problems
from asyncsearch.entries import entries_for
from asyncsearch.errors import ConfigurationError, RunDirectoryError
from asyncsearch.format import FORMATS
from asyncsearch.options import SolveOptions
from asyncsearch.report.table import comparison_table
from asyncsearch.rewards import AGGREGATIONS, REWARD_FORMATS
from asyncsearch.run_directory import COMMAND_FILE, CONFIG_FILE, Resumption, plan_runs, require_free
from asyncsearch.sweep import SWEEP_FILE

__all__ = ["solve_command"]

_TRIPLE_DEFAULT = "greedy, majority and weighted vote of samples, and REBASE, side by side"


def solve_command(
    dataset: Annotated[
        str | None,
        typer.Argument(
            help="A file with one JSON problem a line, a directory of such, or a name: "
            f"{', '.join([*BUNDLED, *HUB_DATASETS])}, hf:OWNER/NAME."
        ),
    ] = None,
    strategy: Annotated[
        list[str] | None,
        typer.Option(
            help="One of those that 'asyncsearch strategies' lists; may be repeated, and all then share the models' "
            f"batches. Without it: {_TRIPLE_DEFAULT}."
        ),
    ] = None,
    width: Annotated[
        int | None,
        typer.Option(help="Leaves that a strategy pays for; of sampling, the number of samples. \\[default: 16]"),
    ] = None,
    policy: Annotated[
        str | None,
        typer.Option(
            help="The policy: local:DIRECTORY of a Hugging Face model, sglang:URL, openai:URL, or "
            "policy-function:MODULE:NAME of a function. \\[default: the bundled one]"
        ),
    ] = None,
    reward: Annotated[
        str | None,
        typer.Option(
            help="The process reward model, likewise, or reward-function:MODULE:NAME. \\[default: the bundled one]"
        ),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="Directory to write the run to. \\[default: a new one under runs/]")
    ] = None,
    seed: Annotated[int | None, typer.Option(help="Same seed, same results. \\[default: 0]")] = None,
    field: Annotated[
        list[str] | None,
        typer.Option(
            help="What the dataset calls its problem, answer, id, level or subject, as answer=target; may be repeated."
        ),
    ] = None,
    limit: Annotated[int | None, typer.Option(help="Solve only the first so many problems.", min=1)] = None,
    config: Annotated[
        Path | None, typer.Option(help="YAML file of these options and the strategy's parameters; options win over it.")
    ] = None,
    temperature: Annotated[
        float | None, typer.Option(help="Sampling temperature of the policy. \\[default: 1.0]")
    ] = None,
    top_p: Annotated[
        float | None, typer.Option(help="Probability mass that tokens are drawn from. \\[default: 1.0]")
    ] = None,
    max_tokens: Annotated[
        int | None, typer.Option(help="Tokens generated along one solution. \\[default: 1024]")
    ] = None,
    max_step_tokens: Annotated[int | None, typer.Option(help="Tokens generated for one step. \\[default: 256]")] = None,
    max_depth: Annotated[int | None, typer.Option(help="Steps of one solution. \\[default: 25]")] = None,
    param: Annotated[
        list[str] | None,
        typer.Option("--param", "-p", help="Any parameter of the strategy, as NAME=VALUE; may be repeated."),
    ] = None,
    vote: Annotated[
        str | None, typer.Option(help=f"How candidates become an answer: {', '.join(VOTES)}. \\[default: weighted]")
    ] = None,
    aggregation: Annotated[
        str | None, typer.Option(help=f"How step scores become one: {', '.join(AGGREGATIONS)}. \\[default: last]")
    ] = None,
    format: Annotated[
        str | None,
        typer.Option(
            help=f"The policy's prompts and steps: {', '.join(FORMATS)}, or a YAML file of one. \\[default: steps]"
        ),
    ] = None,
    reward_format: Annotated[
        str | None, typer.Option(help=f"The reward model's: {', '.join(['auto', *REWARD_FORMATS])}. \\[default: auto]")
    ] = None,
    grader: Annotated[
        str | None,
        typer.Option(
            help="What compares answers: math, countdown, a plug-in's, or MODULE:FUNCTION. \\[default: the dataset's]"
        ),
    ] = None,
    resume: Annotated[
        bool,
        typer.Option("--resume", help="Go on with the run in --out, as it was begun; or begin it, if it is not there."),
    ] = False,
    extend: Annotated[bool, typer.Option("--extend", help="Resume with a dataset that has grown at its end.")] = False,
    retry_failed: Annotated[bool, typer.Option("--retry-failed", help="Resume, and solve again what failed.")] = False,
    max_failures: Annotated[
        float | None, typer.Option(help="Stop when more problems fail: a count, or below 1 a share.", min=0)
    ] = None,
    durability: Annotated[
        float, typer.Option(help="Seconds of the journal that a power cut may cost; a crash costs none.", min=0)
    ] = 0.1,
    compress: Annotated[bool, typer.Option(help="Compress the journal of a new run.")] = True,
    policy_parameters: Annotated[
        float | None,
        typer.Option(help="The policy's parameters, as 7e9, to count operations by. \\[default: as configured]", min=0),
    ] = None,
    reward_parameters: Annotated[float | None, typer.Option(help="The reward model's, likewise.", min=0)] = None,
    in_flight: Annotated[
        int | None, typer.Option(help="Requests in flight per model; changes the time, not the answers.", min=1)
    ] = None,
) -> None:
    """Solve problems by search, and say how many were right and what it cost.

    [bold]asyncsearch solve arithmetic[/bold] compares the strategies on bundled problems with bundled models.

    [bold]asyncsearch solve FILE.jsonl --strategy rebase --policy local:DIR --reward local:DIR --out RUN[/bold]
    does your own.
    """
    resumption = Resumption(extend=extend, retry_failed=retry_failed) if resume or extend or retry_failed else None
    given = Configuration() if config is None else load_configuration(config)
    for note in given.notes:
        err.print(Text(f"note: {config}: {note}"))
    if out is None and given.out is not None:
        out = Path(given.out)
    if config is None and resumption is not None and out is not None:
        given = recall_command(out) or given
    flags = Configuration(
        dataset=dataset,
        fields=parse_fields(field) if field else None,
        strategy=strategy[0] if strategy and len(strategy) == 1 else None,
        strategies=tuple({"strategy": name} for name in strategy) if strategy and len(strategy) > 1 else None,
        parameters=_parameters(
            param or [],
            width=width,
            temperature=temperature,
            top_p=top_p,
            max_tokens=max_tokens,
            max_step_tokens=max_step_tokens,
            max_depth=max_depth,
        ),
        policy=policy,
        reward=reward,
        format=format,
        reward_format=reward_format,
        vote=vote,
        aggregation=aggregation,
        grader=grader,
        out=None if out is None else str(out),
        seed=seed,
        limit=limit,
        policy_parameters=policy_parameters,
        reward_parameters=reward_parameters,
    )
    chosen = flags.over(given)
    if chosen.dataset in BUNDLED:
        chosen = chosen.over(Configuration(grader=BUNDLED[chosen.dataset].grader))
    chosen = chosen.over(default_configuration())
    options = SolveOptions(
        **chosen.options(),
        policy_limit=in_flight,
        reward_limit=in_flight,
        durability=durability,
        max_failures=max_failures,
        compress=compress,
    )
    if resumption is not None and chosen.out is None:
        raise ConfigurationError("say with --out which run to go on with")
    named = chosen.named_strategies
    if not named and options.vote != "auto":
        raise ConfigurationError(
            f"the vote {options.vote!r} is that of one strategy: name it with --strategy; a comparison shows its own "
            "votes, and 'asyncsearch evaluate' all of them"
        )
    entries = entries_for(named, chosen.parameters, options)
    if chosen.dataset is None:
        if resumption is None or out is None:
            raise ConfigurationError("name a file of problems, or say with --resume and --out which run to go on with")
        raise RunDirectoryError(f"{out}: {_why_nothing_to_resume(out)}")
    problems = load_problems(chosen.dataset, limit=chosen.limit, fields=chosen.fields or {})
    directory = _new_directory(chosen.dataset) if chosen.out is None else Path(chosen.out)
    scored = any(entry.strategy.scored for entry in entries)
    policy, reward = _models(chosen, scored=scored)
    if resumption is None:
        require_free(directory)  # before the models are loaded, and before anything is solved

    def remember() -> None:
        remember_command(directory, chosen)
        if len(entries) > 1:
            plan_runs(directory, [entry.name for entry in entries])

    done = search(
        lambda progress, ready: compare(
            problems,
            entries,
            policy=policy,
            reward=reward,
            directory=directory,
            options=options,
            resumption=resumption,
            together=bool(named),
            spectator=progress,
            ready=ready,
        ),
        searches=len(problems) * len(entries),
        directory=directory,
        remember=remember,
    )
    ungraded = sum(problem.answer is None for problem in problems)
    without = f", {ungraded} of them without an answer to grade by" if ungraded else ""
    console.print(comparison_table(done.value, title=f"{len(problems)} problems{without}, seed {options.seed}"))
    console.print(Text(f"results in {directory}"))
    done.conclude()


def _why_nothing_to_resume(directory: Path) -> str:
    """Why a directory alone does not say what to go on with."""
    if not directory.is_dir():
        return "is no directory" if directory.exists() else "does not exist"
    if (directory.parent / COMMAND_FILE).exists():
        return f"is part of a comparison; go on with all of it, by --out {directory.parent}"
    if (directory / SWEEP_FILE).exists():
        return f"holds a sweep; go on with it by: asyncsearch sweep --out {directory} --resume"
    if (directory / CONFIG_FILE).exists():
        return (
            f"holds no run that the command line began ({COMMAND_FILE} is not there); to go on with one from Python, "
            "give its problems and options once more"
        )
    return "holds no run to go on with"


def _parameters(named: Sequence[str], **flags: Any) -> dict[str, Any]:
    """The strategy's parameters, of which some have flags of their own."""
    parameters = parse_parameters(named)
    for name, value in flags.items():
        if value is None:
            continue
        if name in parameters:
            raise ConfigurationError(f"{name} is given twice, with --{name.replace('_', '-')} and with -p")
        parameters[name] = value
    return parameters


def _models(chosen: Configuration, *, scored: bool) -> tuple[str, str | None]:
    """Both models as given, or both bundled ones: they were made for each other and for nobody else."""
    policy, reward = chosen.policy, chosen.reward
    if policy is None and reward is None:
        task = BUNDLED.get(chosen.dataset or "", BUNDLED["arithmetic"])
        policy, reward = task.policy, task.reward
    if policy is None:
        raise ConfigurationError("--reward is given without --policy; give both, or neither for the bundled ones")
    if reward is None and scored:
        raise ConfigurationError(
            "--policy is given without --reward, and steps are to be scored; give both (or, for a majority of samples, "
            "--strategy sampling -p scored=false)"
        )
    return policy, reward if scored else None


def _new_directory(dataset: str) -> Path:
    named = re.sub(r"[^\w.-]+", "-", dataset if is_dataset_name(dataset) else Path(dataset).stem)
    name = f"{named}-{datetime.now():%Y%m%d-%H%M%S}"
    paths = (Path("runs") / f"{name}{suffix}" for suffix in ("", *(f"-{number}" for number in range(2, 100))))
    return next(path for path in paths if not path.exists())
