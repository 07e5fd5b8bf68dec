"""The command ``strategies``."""

from __future__ import annotations

import typer
from rich.table import Column, Table
from rich.text import Text

from asyncsearch.cli.console import EXIT_SOME_FAILED, out, say_error
from asyncsearch.errors import ConfigurationError
from asyncsearch.strategies import strategy_named, strategy_names

__all__ = ["strategies_command"]


def strategies_command() -> None:
    """List the strategies with their parameters, defaults and sources."""
    broken = False
    for name in strategy_names():
        try:
            found = strategy_named(name)
        except ConfigurationError as error:
            say_error(str(error))
            broken = True
            continue
        summary = (found.__doc__ or "").partition("\n")[0].replace("`", "")
        out.print(Text.assemble((name, "bold"), f": {summary}"), soft_wrap=True)
        out.print(Text(f"source: {found.source}"), soft_wrap=True)
        table = Table("parameter", Column("default", justify="right"), "")
        explanations = found.explanations()
        for parameter, default in found.parameters().items():
            table.add_row(parameter, str(default), explanations.get(parameter, ""))
        out.print(table, "")
    if broken:
        raise typer.Exit(EXIT_SOME_FAILED)
