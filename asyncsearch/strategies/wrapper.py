"""Strategies that make another one better, whatever it is."""

from __future__ import annotations

import dataclasses
from typing import Annotated, Any

from typing_extensions import Doc

from asyncsearch.errors import ConfigurationError
from asyncsearch.search_parameters import SearchParameters
from asyncsearch.strategies.base import Strategy
from asyncsearch.strategies.registry import make_strategy
from asyncsearch.strategies.sampling import Sampling

__all__ = ["Wrapper"]

_SHARED = {field.name: field.default for field in dataclasses.fields(SearchParameters)}


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Wrapper(Strategy):
    """A strategy around another, whose width and other parameters are its own.

    By name it is ``NAME:INNER``, and takes the parameters of both.
    """

    inner: Annotated[Strategy, Doc("the strategy inside, by name, with parameters of its own")] = Sampling()  # noqa: RUF009

    def __post_init__(self) -> None:
        for name, default in _SHARED.items():
            value, inside = getattr(self, name), getattr(self.inner, name)
            if value not in (default, inside):
                raise ConfigurationError(f"{self.full_name}: {name} is a parameter of {self.inner.name}; give it there")
            object.__setattr__(self, name, inside)
        if twice := sorted(self._own_parameters() & type(self.inner).parameters().keys()):
            raise ConfigurationError(
                f"{self.full_name}: both have a parameter {twice[0]!r}, which only one could be given"
            )
        super(Wrapper, self).__post_init__()  # the short form does not work in a class with slots

    @property
    def full_name(self) -> str:
        """Both names."""
        return f"{self.name}:{self.inner.full_name}"

    @property
    def every_leaf_votes(self) -> bool:
        """As inside."""
        return self.inner.every_leaf_votes

    @classmethod
    def from_parameters(cls, parameters: dict[str, Any]) -> Strategy:
        """Make both strategies; ``inner`` is the name of the one inside.

        Raises:
            ConfigurationError: as `Strategy.from_parameters`, or the name is unknown.
        """
        inner = parameters.get("inner", cls.parameters()["inner"].full_name)
        if not isinstance(inner, str):
            raise ConfigurationError(f"{cls.name}: inner must be the name of a strategy, not {inner!r}")
        mine = {name: value for name, value in parameters.items() if name in cls._own_parameters()}
        others = {name: value for name, value in parameters.items() if name not in mine and name != "inner"}
        judged = super(Wrapper, cls).from_parameters(mine)
        return cls(inner=make_strategy(inner, others), **{name: getattr(judged, name) for name in mine})

    def to_parameters(self) -> dict[str, Any]:
        """Those of both; which strategy is inside, the full name says."""
        return self.inner.to_parameters() | {name: getattr(self, name) for name in self._own_parameters()}

    @classmethod
    def _own_parameters(cls) -> set[str]:
        return cls.parameters().keys() - _SHARED.keys() - {"inner"}
