"""Things found by name through entry points, so that other packages can add some without a change here."""

from __future__ import annotations

import difflib
from importlib.metadata import entry_points
from typing import Any

from asyncsearch.errors import ConfigurationError

__all__ = ["GRADERS", "REWARD_FORMAT_PLUGINS", "RUNTIMES", "STRATEGIES", "load_plugin", "plugin_names", "suggestion"]

STRATEGIES = "asyncsearch.strategies"
"""Entry-point group of `Strategy` subclasses, each under its name."""

RUNTIMES = "asyncsearch.runtimes"
"""Entry-point group of callables that make a runtime from what follows the colon in ``NAME:ADDRESS``."""

REWARD_FORMAT_PLUGINS = "asyncsearch.reward_formats"
"""Entry-point group of `RewardFormat`, each under its name: how another family of reward models is prompted."""

GRADERS = "asyncsearch.graders"
"""Entry-point group of `Grader` subclasses, and of functions that say whether an answer is right."""

_MOST_SHOWN = 20
"""Names in a message."""


def plugin_names(group: str) -> list[str]:
    """The names registered in a group, in alphabetical order."""
    return sorted({entry.name for entry in entry_points(group=group)})


def suggestion(name: str, known: list[str]) -> str:
    """What to say of a name that is not known: the nearest one, or all."""
    close = difflib.get_close_matches(name, known, n=1)
    if close:
        return f"did you mean {close[0]!r}?"
    more = f" and {len(known) - _MOST_SHOWN} more" if len(known) > _MOST_SHOWN else ""
    return f"known are {', '.join(known[:_MOST_SHOWN])}{more}"


def load_plugin(group: str, name: str, kind: str) -> Any:
    """The object registered under a name; ``kind`` is what messages call it.

    Raises:
        ConfigurationError: there is none, or the package that brings it cannot be imported.
    """
    found = [entry for entry in entry_points(group=group) if entry.name == name]
    if not found:
        raise ConfigurationError(f"unknown {kind} {name!r}; {suggestion(name, plugin_names(group))}")
    if len({entry.value for entry in found}) > 1:
        owners = " and ".join(sorted(entry.dist.name if entry.dist is not None else entry.value for entry in found))
        raise ConfigurationError(f"{kind} {name!r} is registered by {owners}; which of them is meant cannot be told")
    try:
        return found[0].load()
    except Exception as error:  # a plug-in is anybody's code, and may do anything when it is imported
        missing = str(error).partition("\n")[0] or type(error).__name__
        hint = ""
        if isinstance(error, ModuleNotFoundError) and found[0].extras and found[0].dist is not None:
            hint = f"; install it with pip install '{found[0].dist.name}[{','.join(found[0].extras)}]'"
        raise ConfigurationError(f"{kind} {name!r} cannot be loaded: {missing}{hint}") from error
