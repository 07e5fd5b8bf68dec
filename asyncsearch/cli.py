"""The command line: solve, evaluate, strategies."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Sequence
from datetime import datetime
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Any

import orjson
import typer
import yaml
from rich.console import Console
from rich.table import Table
from rich.text import Text

from asyncsearch.answers.grading import Grader
from asyncsearch.answers.voting import VOTES
from asyncsearch.comparison import Entry, compare, entries_of, one_entry
from asyncsearch.configuration import Configuration, load_configuration
from asyncsearch.datasets.arithmetic import bundled_model
from asyncsearch.datasets.jsonl import BUNDLED, load_problems
from asyncsearch.errors import ConfigurationError, UserError
from asyncsearch.evaluation import Evaluation, evaluate
from asyncsearch.format import FORMATS
from asyncsearch.problem import Problem
from asyncsearch.report.progress import Progress, open_progress
from asyncsearch.report.table import comparison_table, evaluation_json, evaluation_table
from asyncsearch.results import read_config, read_results
from asyncsearch.rewards.aggregation import AGGREGATIONS
from asyncsearch.rewards.formats import REWARD_FORMATS
from asyncsearch.solve import SolveOptions
from asyncsearch.strategies import strategy_named, strategy_names

__all__ = ["app", "main"]

EXIT_SOME_FAILED = 1
EXIT_USER_ERROR = 2
EXIT_INTERRUPTED = 130

_TRIPLE_DEFAULT = "greedy, majority and weighted vote of samples, and REBASE, side by side"

app = typer.Typer(
    name="asyncsearch",
    help="Inference-time search over language models: get the most right answers out of a compute budget.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)
_out = Console()
_err = Console(stderr=True)


def main() -> None:
    """Run the command line. A user's mistake ends it with one line and exit status 2."""
    try:
        app()
    except UserError as error:
        _say_error(str(error))
        sys.exit(EXIT_USER_ERROR)
    except KeyboardInterrupt:
        sys.exit(EXIT_INTERRUPTED)


@app.command(name="solve")
def solve_command(
    dataset: Annotated[
        str, typer.Argument(help=f"A file with one JSON problem a line, or a bundled set: {', '.join(BUNDLED)}.")
    ],
    strategy: Annotated[
        str | None,
        typer.Option(help=f"One of those that 'asyncsearch strategies' lists. Without it: {_TRIPLE_DEFAULT}."),
    ] = None,
    width: Annotated[
        int | None,
        typer.Option(help="Leaves that a strategy pays for; of sampling, the number of samples. [default: 16]"),
    ] = None,
    policy: Annotated[
        str | None,
        typer.Option(help="The policy, as local:DIRECTORY of a Hugging Face model. [default: the bundled one]"),
    ] = None,
    reward: Annotated[
        str | None, typer.Option(help="The process reward model, likewise. [default: the bundled one]")
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="Directory to write the run to. [default: a new one under runs/]")
    ] = None,
    seed: Annotated[int | None, typer.Option(help="Same seed, same results. [default: 0]")] = None,
    limit: Annotated[int | None, typer.Option(help="Solve only the first so many problems.", min=1)] = None,
    config: Annotated[
        Path | None, typer.Option(help="YAML file of these options and the strategy's parameters; options win over it.")
    ] = None,
    temperature: Annotated[
        float | None, typer.Option(help="Sampling temperature of the policy. [default: 1.0]")
    ] = None,
    top_p: Annotated[
        float | None, typer.Option(help="Probability mass that tokens are drawn from. [default: 1.0]")
    ] = None,
    max_tokens: Annotated[int | None, typer.Option(help="Tokens generated along one solution. [default: 1024]")] = None,
    max_step_tokens: Annotated[int | None, typer.Option(help="Tokens generated for one step. [default: 256]")] = None,
    max_depth: Annotated[int | None, typer.Option(help="Steps of one solution. [default: 25]")] = None,
    param: Annotated[
        list[str] | None,
        typer.Option("--param", "-p", help="Any parameter of the strategy, as NAME=VALUE; may be repeated."),
    ] = None,
    vote: Annotated[
        str | None, typer.Option(help=f"How candidates become an answer: {', '.join(VOTES)}. [default: weighted]")
    ] = None,
    aggregation: Annotated[
        str | None, typer.Option(help=f"How step scores become one: {', '.join(AGGREGATIONS)}. [default: last]")
    ] = None,
    format: Annotated[
        str | None, typer.Option(help=f"The policy's prompts and steps: {', '.join(FORMATS)}. [default: steps]")
    ] = None,
    reward_format: Annotated[
        str | None, typer.Option(help=f"The reward model's: {', '.join(['auto', *REWARD_FORMATS])}. [default: auto]")
    ] = None,
    in_flight: Annotated[
        int | None, typer.Option(help="Requests in flight per model; changes the time, not the answers.", min=1)
    ] = None,
) -> None:
    """Solve problems by search, and say how many were right and what it cost.

    [bold]asyncsearch solve arithmetic[/bold] compares the strategies on bundled problems with bundled models.

    [bold]asyncsearch solve FILE.jsonl --strategy rebase --policy local:DIR --reward local:DIR --out RUN[/bold]
    does your own.
    """
    given = load_configuration(config) if config is not None else Configuration()
    for note in given.notes:
        _err.print(Text(f"note: {config}: {note}"))
    flags = {
        "width": width,
        "temperature": temperature,
        "top_p": top_p,
        "max_tokens": max_tokens,
        "max_step_tokens": max_step_tokens,
        "max_depth": max_depth,
    }
    parameters = {
        **given.parameters,
        **{name: value for name, value in flags.items() if value is not None},
        **_parse_parameters(param or []),
    }
    options = SolveOptions(
        seed=_first(seed, given.seed, 0),
        vote=_first(vote, given.vote, "auto"),
        aggregation=_first(aggregation, given.aggregation, "last"),
        format=_first(format, given.format, "steps"),
        reward_format=_first(reward_format, given.reward_format, "auto"),
        policy_limit=in_flight,
        reward_limit=in_flight,
    )
    name = _first(strategy, given.strategy)
    entries = entries_of(parameters, options) if name is None else [one_entry(name, parameters, options)]
    problems = load_problems(dataset, limit=_first(limit, given.limit))
    directory = _first(out, None if given.out is None else Path(given.out)) or _new_directory(dataset)
    scored = any(entry.strategy.scored for entry in entries)
    policy, reward = _models(_first(policy, given.policy), _first(reward, given.reward), scored=scored)
    if _compare(problems, entries, policy, reward, directory, options):
        raise typer.Exit(EXIT_SOME_FAILED)


@app.command(name="evaluate")
def evaluate_command(
    runs: Annotated[list[Path], typer.Argument(help="Run directories, as 'solve' writes them.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of tables.")] = False,
) -> None:
    """Say how right a run is under every vote and every aggregation of step scores.

    A directory that holds several runs stands for all of them.
    """
    paths = [inner for path in runs for inner in _runs_in(path)]
    evaluations = asyncio.run(_evaluate(paths))
    if as_json:
        records = [{"run": str(path), **evaluation_json(found)} for path, found in zip(paths, evaluations, strict=True)]
        sys.stdout.write(orjson.dumps(records, option=orjson.OPT_INDENT_2).decode() + "\n")
        return
    for path, found in zip(paths, evaluations, strict=True):
        config = read_config(path)
        _out.print(evaluation_table(found, title=Text(f"{path}: {config.get('strategy')}")))
        counts = f"{found.solved} solved, {found.failed} failed"
        if (unsolved := config.get("problems", 0) - found.solved - found.failed) > 0:
            counts += f", {unsolved} not reached before the run was interrupted"
        if found.ungraded:
            counts += f", {found.ungraded} without a reference"
        _out.print(
            f"{counts}; {found.tokens.generated:,} tokens by the policy, {found.tokens.reward:,} by the reward model\n",
            highlight=False,
        )


@app.command(name="strategies")
def strategies_command() -> None:
    """List the strategies with their parameters, defaults and sources."""
    broken = False
    for name in strategy_names():
        try:
            found = strategy_named(name)
        except ConfigurationError as error:
            _say_error(str(error))
            broken = True
            continue
        table = Table(title=Text(f"{name}: {(found.__doc__ or '').partition(chr(10))[0]}"), title_justify="left")
        table.add_column("parameter")
        table.add_column("default", justify="right")
        for parameter, default in found.parameters().items():
            table.add_row(parameter, str(default))
        _out.print(table)
        _out.print(Text(f"source: {found.source}\n"))
    if broken:
        raise typer.Exit(EXIT_SOME_FAILED)


def _version_callback(wanted: bool) -> None:
    if wanted:
        _out.print(version("asyncsearch"), highlight=False)
        raise typer.Exit


@app.callback()
def _root(
    show_version: Annotated[
        bool, typer.Option("--version", callback=_version_callback, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    pass


def _compare(
    problems: Sequence[Problem],
    entries: Sequence[Entry],
    policy: str,
    reward: str | None,
    directory: Path,
    options: SolveOptions,
) -> int:
    """Run the entries, print the table, and return how many searches failed."""
    progress: Progress | None = None
    try:
        with open_progress(_err) as progress:
            rows = asyncio.run(
                compare(
                    problems,
                    entries,
                    policy=policy,
                    reward=reward,
                    directory=directory,
                    options=options,
                    spectator=progress,
                )
            )
    except KeyboardInterrupt:
        done = 0 if progress is None else progress.done
        kept = f"; they are kept in {directory}" if done else ""
        _err.print(Text(f"interrupted: {done} of {len(problems) * len(entries)} searches were done{kept}"))
        raise typer.Exit(EXIT_INTERRUPTED) from None
    _out.print(comparison_table(rows, title=f"{len(problems)} problems, seed {options.seed}"))
    _out.print(Text(f"results in {directory}"))
    if progress.failed:
        _say_error(f"{progress.failed} of the searches failed; the first: {progress.first_error}")
    return progress.failed


def _models(policy: str | None, reward: str | None, *, scored: bool) -> tuple[str, str | None]:
    """Both models as given, or both bundled ones: they were made for each other and for nobody else."""
    if policy is None and reward is None:
        policy, reward = (f"local:{bundled_model(role)}" for role in ("policy", "reward"))
    if policy is None:
        raise ConfigurationError("--reward is given without --policy; give both, or neither for the bundled ones")
    if reward is None and scored:
        raise ConfigurationError("--policy is given without --reward, and steps are to be scored; give both")
    return policy, reward if scored else None


def _parse_parameters(texts: Sequence[str]) -> dict[str, Any]:
    parameters: dict[str, Any] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not (name and equals):
            raise ConfigurationError(f"--param {text!r}: write NAME=VALUE, as in softmax_temperature=0.1")
        try:
            parameters[name.strip().replace("-", "_")] = yaml.safe_load(value)
        except yaml.YAMLError:
            raise ConfigurationError(f"--param {text!r}: the value cannot be read") from None
    return parameters


def _runs_in(path: Path) -> list[Path]:
    """The run directories that a path stands for: itself, or those right inside it."""
    if path.is_dir() and not (path / "config.json").exists():
        inner = sorted(child.parent for child in path.glob("*/config.json"))
        if inner:
            return inner
    read_config(path)
    return [path]


async def _evaluate(paths: Sequence[Path]) -> list[Evaluation]:
    async with Grader() as grader:
        return [await evaluate(read_results(path), grader) for path in paths]


def _new_directory(dataset: str) -> Path:
    return Path("runs") / f"{Path(dataset).stem}-{datetime.now():%Y%m%d-%H%M%S}"


def _first(*values: Any) -> Any:
    """The first value that is given."""
    return next((value for value in values if value is not None), None)


def _say_error(message: str) -> None:
    """One line on standard error, with nothing in it that a terminal would obey."""
    printable = "".join(character if character.isprintable() else " " for character in message)
    _err.print(Text.assemble(("error: ", "bold red"), printable), soft_wrap=True)
