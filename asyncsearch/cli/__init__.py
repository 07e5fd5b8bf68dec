"""The command line, one module a command."""

from __future__ import annotations

import sys
from importlib.metadata import version
from typing import Annotated

import typer

from asyncsearch.cli.check import check_command
from asyncsearch.cli.console import EXIT_INTERRUPTED, EXIT_SOME_FAILED, EXIT_USER_ERROR, out, say_error
from asyncsearch.cli.convert_reward import convert_reward_command
from asyncsearch.cli.evaluate import evaluate_command
from asyncsearch.cli.export import export_command
from asyncsearch.cli.finetune import finetune_app
from asyncsearch.cli.label import label_command
from asyncsearch.cli.launch import launch_command
from asyncsearch.cli.prepare import prepare_command
from asyncsearch.cli.replay import replay_command
from asyncsearch.cli.report import report_command
from asyncsearch.cli.score import score_command
from asyncsearch.cli.solve import solve_command
from asyncsearch.cli.strategies import strategies_command
from asyncsearch.cli.sweep import sweep_command
from asyncsearch.cli.watch import watch_command
from asyncsearch.errors import AsyncSearchError, UserError

__all__ = ["app", "main"]

app = typer.Typer(
    name="asyncsearch",
    help="Inference-time search over language models: get the most right answers out of a compute budget.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command(name="solve")(solve_command)
app.command(name="sweep")(sweep_command)
app.command(name="evaluate")(evaluate_command)
app.command(name="export")(export_command)
app.command(name="score")(score_command)
app.command(name="report")(report_command)
app.command(name="watch")(watch_command)
app.command(name="launch")(launch_command)
app.command(name="strategies")(strategies_command)
app.command(name="replay")(replay_command)
app.command(name="prepare")(prepare_command)
app.command(name="label")(label_command)
app.add_typer(finetune_app, name="finetune")
app.command(name="check")(check_command)
app.command(name="convert-reward")(convert_reward_command)


def main() -> None:
    """Run the command line. A user's mistake ends it with one line and exit status 2.

    What is named as MODULE:NAME may lie in the working directory, behind all that is installed.
    """
    sys.path.append("")
    try:
        app()
    except UserError as error:
        say_error(str(error))
        sys.exit(EXIT_USER_ERROR)
    except AsyncSearchError as error:
        say_error(str(error))
        sys.exit(EXIT_SOME_FAILED)
    except KeyboardInterrupt:
        sys.exit(EXIT_INTERRUPTED)


def _version_callback(wanted: bool) -> None:
    if wanted:
        out.print(version("asyncsearch"), highlight=False)
        raise typer.Exit


@app.callback()
def _root(
    show_version: Annotated[
        bool, typer.Option("--version", callback=_version_callback, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    pass
