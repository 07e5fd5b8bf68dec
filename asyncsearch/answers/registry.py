"""Graders by name."""

from __future__ import annotations

from collections.abc import Callable

from asyncsearch.answers.function_grader import FunctionGrader, function_named
from asyncsearch.answers.grader import Grader
from asyncsearch.errors import ConfigurationError
from asyncsearch.plugins import GRADERS, load_plugin

__all__ = ["make_grader"]


def make_grader(name: str, *, time_limit: float) -> Grader:
    """The grader that is registered under a name, which may take ``time_limit`` seconds to compare two answers.

    What is registered is a class of graders, or a function, see `FunctionGrader`; ``MODULE:NAME`` names a function
    that is not registered.

    Raises:
        ConfigurationError: there is none.
    """
    found = function_named(name) if ":" in name else load_plugin(GRADERS, name, "grader")
    if not callable(found):
        raise ConfigurationError(f"grader {name!r}: what is registered is neither a Grader nor a function")
    if not isinstance(found, type):
        return FunctionGrader(found, time_limit=time_limit)
    if not issubclass(found, Grader):
        raise ConfigurationError(f"grader {name!r}: what is registered is no Grader")
    make: Callable[..., Grader] = found
    try:
        return make(time_limit=time_limit)
    except TypeError as error:
        raise ConfigurationError(f"grader {name!r}: cannot be made with a time_limit: {error}") from error
