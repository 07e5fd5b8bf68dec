"""Strategies by name: those that ship here and those that other packages register."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from asyncsearch.errors import ConfigurationError
from asyncsearch.plugins import STRATEGIES, load_plugin, plugin_names
from asyncsearch.strategies.base import Strategy

__all__ = ["known_parameters", "make_strategy", "parameter_names", "strategy_named", "strategy_names"]


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
    if missing := [one for one in ("name", "source") if not isinstance(getattr(loaded, one, None), str)]:
        raise ConfigurationError(f"strategy {name!r}: its class has no {missing[0]}")
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
    found, inner = _outer_and_inner(name)
    if inner is None:
        return found.from_parameters(parameters)
    if "inner" in parameters:
        raise ConfigurationError(f"{name} says already what is inside, and so does 'inner'; say it once")
    return found.from_parameters({**parameters, "inner": inner})


def parameter_names(name: str) -> set[str]:
    """The parameters that `make_strategy` takes with a name: of a wrapper's those of what is inside, too.

    Raises:
        ConfigurationError: as `strategy_named`.
    """
    found, inner = _outer_and_inner(name)
    parameters = found.parameters()
    default = parameters.get("inner")
    if inner is None and isinstance(default, Strategy):
        inner = default.full_name
    return parameters.keys() | (set() if inner is None else parameter_names(inner))


def _outer_and_inner(name: str) -> tuple[type[Strategy], str | None]:
    """The strategy of a name, and the name of what is inside where it says so."""
    outer, colon, inner = name.partition(":")
    found = strategy_named(outer if outer in strategy_names() else outer.replace("_", "-"))
    if not colon:
        return found, None
    if "inner" not in found.parameters():
        raise ConfigurationError(f"{name}: {found.name} is no strategy around another")
    return found, inner
