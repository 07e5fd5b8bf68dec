"""Any Python function as a grader."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Callable
from typing import Any

from asyncsearch.answers.grading_process import JudgeFailed
from asyncsearch.answers.process_grader import ProcessGrader
from asyncsearch.errors import ConfigurationError

__all__ = ["FunctionGrader", "function_named"]

_COMPARES, _JUDGES = 2, 3
"""Parameters of a function that compares two answers, and of one that judges an answer to a problem."""


class FunctionGrader(ProcessGrader):
    """Has a function say what is right, in a process of its own. Leaving it ends that.

    A function of two answers says whether they are the same, in a vote and of a reference and an answer. One of a
    problem, a reference and an answer says whether the answer is right; in a vote, answers are the same then if their
    strings are. What it raises fails the problem; a call that takes longer than ``time_limit`` seconds is no.

    Args:
        function: it can be imported by its module and name.
        time_limit: seconds for a call.

    Raises:
        ConfigurationError: it cannot, or takes another number of arguments.
    """

    def __init__(self, function: Callable[..., Any], *, time_limit: float = 5.0) -> None:
        name = f"{getattr(function, '__module__', None)}:{getattr(function, '__qualname__', None)}"
        if name.startswith("__main__:") or not _is_importable(name, function):
            raise ConfigurationError(
                f"the grader {name} cannot be called in another process: put it as a function into a module of its own"
            )
        self._judges = _parameters(function, name) == _JUDGES
        super().__init__(name, time_limit=time_limit)

    async def equal(self, left: str, right: str) -> bool:
        """Whether two answers are the same.

        Raises:
            GradingError: the process cannot be started.
            ValueError: the function fails.
        """
        return left == right or (not self._judges and await self._ask(left, right))

    async def is_right(self, problem: str, reference: str, answer: str) -> bool:
        """Whether an answer is right; raises as `equal`."""
        return await (self._ask(problem, reference, answer) if self._judges else self.equal(reference, answer))

    async def _ask(self, *arguments: str) -> bool:
        try:
            return await self.process.ask(*(text.encode("utf-8", "replace").decode() for text in arguments))
        except JudgeFailed as failure:
            raise ValueError(f"the grader fails: {failure}") from None


def function_named(name: str) -> Callable[..., Any]:
    """The function that ``MODULE:NAME`` names, imported.

    Raises:
        ConfigurationError: there is none.
    """
    module, _, attribute = name.partition(":")
    try:
        function = getattr(importlib.import_module(module), attribute)
    except (ImportError, AttributeError, ValueError) as error:
        raise ConfigurationError(f"grader {name!r} names no function, as MODULE:NAME would: {error}") from error
    except Exception as error:  # anything may happen in anybody's module
        raise ConfigurationError(f"grader {name!r}: its module fails: {type(error).__name__}: {error}") from error
    if not callable(function):
        raise ConfigurationError(f"grader {name!r} is no function")
    return function  # type: ignore[no-any-return]


def _is_importable(name: str, function: Callable[..., Any]) -> bool:
    try:
        return function_named(name) is function
    except ConfigurationError:
        return False


def _parameters(function: Callable[..., Any], name: str) -> int:
    kinds = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    try:
        parameters = inspect.signature(function).parameters.values()
    except ValueError as error:
        raise ConfigurationError(f"the grader {name} does not say which arguments it takes") from error
    required = [each for each in parameters if each.default is inspect.Parameter.empty]
    needed = [each.name for each in required if each.kind in kinds]
    if named := [each.name for each in required if each.kind is inspect.Parameter.KEYWORD_ONLY]:
        raise ConfigurationError(f"the grader {name} wants {', '.join(named)} by name, which nobody gives it")
    if len(needed) not in (_COMPARES, _JUDGES):
        raise ConfigurationError(
            f"the grader {name} takes {len(needed)} arguments; it should take a reference and an answer, or a problem "
            "before them"
        )
    return len(needed)
