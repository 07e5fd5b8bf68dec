"""Strategies by name: those that ship here and those that other packages register."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from asyncsearch.errors import ConfigurationError
from asyncsearch.plugins import STRATEGIES, load_plugin, plugin_names
from asyncsearch.strategies.base import Strategy

__all__ = ["known_parameters", "make_strategy", "strategy_named", "strategy_names"]


def strategy_names() -> list[str]:
    """The names of every strategy that is installed, in alphabetical order."""
    return plugin_names(STRATEGIES)


def strategy_named(name: str) -> type[Strategy]:
    """The strategy class registered under a name.

    Raises:
        ConfigurationError: there is none, or its package cannot be imported or registers something else.
    """
    loaded = load_plugin(STRATEGIES, name, "strategy")
    if not (isinstance(loaded, type) and issubclass(loaded, Strategy)):
        raise ConfigurationError(f"strategy {name!r}: what is registered is not a subclass of Strategy")
    if loaded.name != name:
        raise ConfigurationError(
            f"strategy {name!r}: what is registered calls itself {loaded.name!r}; a run is resumed by that name, so "
            "the entry point and the class must have the same"
        )
    return loaded


def known_parameters() -> set[str]:
    """The names of all parameters of the strategies that can be loaded; one that cannot spoils nothing for the rest."""
    names: set[str] = set()
    for name in strategy_names():
        with suppress(ConfigurationError):
            names.update(strategy_named(name).parameters())
    return names


def make_strategy(name: str, parameters: dict[str, Any]) -> Strategy:
    """Make a strategy from its name and parameters; ``early-stop:rebase`` is one that wraps another.

    Raises:
        ConfigurationError: as `strategy_named` and `Strategy.from_parameters`.
    """
    outer, colon, inner = name.partition(":")
    if outer not in strategy_names():
        outer = outer.replace("_", "-")
    return strategy_named(outer).from_parameters({**parameters, "inner": inner} if colon else parameters)
