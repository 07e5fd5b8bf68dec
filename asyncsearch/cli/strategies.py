"""The command ``strategies``."""

from __future__ import annotations

import typer
from rich.table import Table
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
        table = Table(title=Text(f"{name}: {(found.__doc__ or '').partition(chr(10))[0]}"), title_justify="left")
        table.add_column("parameter")
        table.add_column("default", justify="right")
        for parameter, default in found.parameters().items():
            table.add_row(parameter, str(default))
        out.print(table)
        out.print(Text(f"source: {found.source}\n"))
    if broken:
        raise typer.Exit(EXIT_SOME_FAILED)
