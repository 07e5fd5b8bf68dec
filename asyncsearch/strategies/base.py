"""What a strategy is: a frozen set of parameters and one async function over a search context."""

from __future__ import annotations

import dataclasses
import re
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, ClassVar, get_type_hints

from typing_extensions import Doc

from asyncsearch.context import SearchContext
from asyncsearch.errors import ConfigurationError
from asyncsearch.plugins import suggestion
from asyncsearch.search_parameters import SearchParameters
from asyncsearch.tree import Node

__all__ = ["ScoredStrategy", "Strategy"]

_SCIENTIFIC = re.compile(r"[+-]?\d+(\.\d*)?[eE][+-]?\d+")


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Strategy(SearchParameters, ABC):
    """A search over one problem's tree. Subclasses are frozen dataclasses whose fields are their parameters.

    A strategy may not look at a clock or at the order in which children settle, so that its trees depend on
    nothing but seeds and models.
    """

    source: ClassVar[str]
    """The paper or repository that it follows."""

    anytime: ClassVar[bool] = False
    """Whether the first draws of a run are a run of a smaller width: then one run says what each budget buys."""

    level_synchronous: ClassVar[bool] = False
    """Whether it grows step by step, and goes on from all of a level together."""

    @property
    def full_name(self) -> str:
        """The name that `make_strategy` makes it by."""
        return self.name

    @property
    def every_leaf_votes(self) -> bool:
        """Whether every leaf is one of ``width`` candidates as soon as it is there, and stays one."""
        return True

    @classmethod
    def parameters(cls) -> dict[str, Any]:
        """The parameters' names and defaults; ``dataclasses.MISSING`` for what must be given."""
        return {
            field.name: field.default if field.default_factory is dataclasses.MISSING else field.default_factory()
            for field in dataclasses.fields(cls)
        }

    @classmethod
    def explanations(cls) -> dict[str, str]:
        """What each parameter is, for those that say so: annotated with ``Doc``."""
        try:
            hints = get_type_hints(cls, include_extras=True)
        except NameError:  # an annotation that only a type checker can read
            return {}
        notes = {name: [*getattr(hints[name], "__metadata__", ())] for name in cls.parameters()}
        return {name: note.documentation for name, found in notes.items() for note in found if isinstance(note, Doc)}

    @classmethod
    def from_parameters(cls, parameters: dict[str, Any]) -> Strategy:
        """Make the strategy from named parameters.

        Raises:
            ConfigurationError: a name is unknown, or a value is of the wrong kind or out of range.
        """
        known = cls.parameters()
        chosen = {name: _number(value) for name, value in parameters.items()}
        for name, value in chosen.items():
            if name not in known:
                hint = suggestion(name, list(known))
                raise ConfigurationError(f"strategy {cls.name!r} has no parameter {name!r}; {hint}")
            default = known[name]
            if default is None or default is dataclasses.MISSING:
                continue  # the class itself must judge
            if callable(default):
                if callable(value):
                    continue
                if value != _function_name(default):
                    raise ConfigurationError(f"{cls.name}: {name} is a function, which only Python can give")
                chosen[name] = default
                continue
            # An int serves as a float; nothing else is converted.
            fits = type(value) is type(default) or (type(default) is float and type(value) is int)
            if not fits:
                kind = {bool: "true or false", int: "a whole number", float: "a number"}.get(type(default), "text")
                raise ConfigurationError(f"{cls.name}: {name} must be {kind}, not {value!r}")
        if missing := [
            name for name, default in known.items() if default is dataclasses.MISSING and name not in chosen
        ]:
            raise ConfigurationError(f"{cls.name}: {missing[0]} must be given, it has no default")
        return cls(**chosen)

    def to_parameters(self) -> dict[str, Any]:
        """What `from_parameters` takes, as values that a file can hold; functions by their names."""
        values = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        return {name: _function_name(value) if callable(value) else value for name, value in values.items()}

    def foresee(self, settled: Sequence[Node], growing: Sequence[Node]) -> Sequence[int]:
        """How many children nodes of a level will get that are settled, if those that are growing turn out like them.

        A guess, for `Speculative`: a wrong one costs time, and never an answer. By default every node goes on.
        """
        return [1] * len(settled)

    @abstractmethod
    async def search(self, tree: SearchContext) -> None:
        """Grow the tree. When it returns, the tree's leaves are the candidates.

        Cancellation ends the search; the context withdraws whatever it still waits for.
        """


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class ScoredStrategy(Strategy):
    """A strategy that is guided by scores, and so cannot do without them."""

    def __post_init__(self) -> None:
        super(ScoredStrategy, self).__post_init__()  # the short form does not work in a class with slots
        if not self.scored:
            raise ConfigurationError(f"{self.name}: scored must be true, the search is guided by scores")


def _function_name(function: Any) -> str:
    return f"{function.__module__}.{getattr(function, '__qualname__', type(function).__qualname__)}"


def _number(value: Any) -> Any:
    """What was meant by 1e-3, which YAML 1.1 takes for a text."""
    return float(value) if isinstance(value, str) and _SCIENTIFIC.fullmatch(value) else value
