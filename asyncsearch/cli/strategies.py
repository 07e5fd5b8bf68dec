"""The command ``strategies``."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Annotated, Any

import typer
from rich.table import Column, Table
from rich.text import Text

from asyncsearch.cli.console import EXIT_SOME_FAILED, out, say_error
from asyncsearch.errors import ConfigurationError
from asyncsearch.search_parameters import SearchParameters
from asyncsearch.strategies import Strategy, strategy_named, strategy_names

__all__ = ["strategies_command"]

_SHARED = frozenset(field.name for field in dataclasses.fields(SearchParameters))


def strategies_command(
    names: Annotated[list[str] | None, typer.Argument(help="Strategies to show. \\[default: all]")] = None,
) -> None:
    """List the strategies with their parameters, defaults and sources."""
    broken = False
    found: type[Strategy] | None = None
    for name in names or strategy_names():
        try:
            found = strategy_named(name)
        except ConfigurationError as error:
            if names:
                raise
            say_error(str(error))
            broken = True
            continue
        summary = (found.__doc__ or "").partition("\n")[0].replace("`", "")
        out.print(Text.assemble((name, "bold"), f": {summary}"), soft_wrap=True)
        out.print(Text(f"source: {found.source}"), soft_wrap=True)
        own = {name: default for name, default in found.parameters().items() if name not in _SHARED}
        out.print(*([_table(own, found.explanations())] if own else []), "")
    if found is not None:
        shared = {name: default for name, default in found.parameters().items() if name in _SHARED}
        out.print(Text("all of them:", style="bold"))
        out.print(_table(shared, found.explanations()))
    if broken:
        raise typer.Exit(EXIT_SOME_FAILED)


def _table(parameters: Mapping[str, Any], explanations: Mapping[str, str]) -> Table:
    table = Table("parameter", Column("default", justify="right"), "")
    for name, default in parameters.items():
        table.add_row(name, _shown(default), explanations.get(name, ""))
    return table


def _shown(default: Any) -> str:
    if isinstance(default, Strategy):
        return default.full_name
    if default is dataclasses.MISSING:
        return "to be given"
    return default.__qualname__ if callable(default) else str(default)
