"""What a strategy is: a frozen set of parameters and one async function over a search context."""

from __future__ import annotations

import dataclasses
import math
import re
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, get_type_hints

from typing_extensions import Doc

from asyncsearch.errors import ConfigurationError
from asyncsearch.plugins import suggestion

if TYPE_CHECKING:
    from asyncsearch.context import SearchContext

__all__ = ["Strategy"]

_SCIENTIFIC = re.compile(r"[+-]?\d+(\.\d*)?[eE][+-]?\d+")


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Strategy(ABC):
    """A search over one problem's tree. Subclasses are frozen dataclasses whose fields are their parameters.

    A strategy may not look at a clock or at the order in which children settle, so that its trees depend on
    nothing but seeds and models.
    """

    name: ClassVar[str]
    source: ClassVar[str]
    """The paper or repository that it follows."""

    width: Annotated[int, Doc("leaves that the search pays for")] = 16
    temperature: Annotated[float, Doc("of the policy's sampling; 0 takes the likeliest token")] = 1.0
    top_p: Annotated[float, Doc("smallest probability mass that tokens are drawn from, in (0, 1]")] = 1.0
    max_tokens: Annotated[int, Doc("tokens generated along one path from the root to a leaf")] = 1024
    max_step_tokens: Annotated[int, Doc("tokens generated for one step")] = 256
    max_depth: Annotated[int, Doc("steps along one path")] = 25
    scored: Annotated[bool, Doc("whether the reward model scores the nodes")] = True

    def __post_init__(self) -> None:
        for name in ("width", "max_tokens", "max_step_tokens", "max_depth"):
            self._require(name, minimum=1, whole=True)
        self._require("temperature", minimum=0)
        self._require("top_p", above=0, maximum=1)

    def _require(
        self,
        name: str,
        *,
        minimum: float | None = None,
        above: float | None = None,
        maximum: float | None = None,
        whole: bool = False,
    ) -> None:
        """Check that a parameter is a number in its range."""
        value = getattr(self, name)
        limits = [
            f"{sign} {limit}"
            for sign, limit in (("at least", minimum), ("above", above), ("at most", maximum))
            if limit is not None
        ]
        if (
            not isinstance(value, int if whole else (int, float))
            or isinstance(value, bool)
            or not math.isfinite(value)
            or (minimum is not None and value < minimum)
            or (above is not None and value <= above)
            or (maximum is not None and value > maximum)
        ):
            kind = "a whole number, " if whole and isinstance(value, float) else ""
            raise ConfigurationError(f"{self.name}: {name} must be {kind}{' and '.join(limits)}, not {value!r}")

    @classmethod
    def parameters(cls) -> dict[str, Any]:
        """The parameters' names and defaults."""
        return {field.name: field.default for field in dataclasses.fields(cls)}

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
            # An int serves as a float; nothing else is converted.
            fits = type(value) is type(default) or (type(default) is float and type(value) is int)
            if not fits:
                kind = {bool: "true or false", int: "a whole number", float: "a number"}.get(type(default), "text")
                raise ConfigurationError(f"{cls.name}: {name} must be {kind}, not {value!r}")
        return cls(**chosen)

    @abstractmethod
    async def search(self, tree: SearchContext) -> None:
        """Grow the tree. When it returns, the tree's leaves are the candidates.

        Cancellation ends the search; the context withdraws whatever it still waits for.
        """


def _number(value: Any) -> Any:
    """What was meant by 1e-3, which YAML 1.1 takes for a text."""
    return float(value) if isinstance(value, str) and _SCIENTIFIC.fullmatch(value) else value
