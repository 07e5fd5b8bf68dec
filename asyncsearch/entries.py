"""What a comparison is made of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from asyncsearch.errors import ConfigurationError
from asyncsearch.options import SolveOptions
from asyncsearch.plugins import suggestion
from asyncsearch.run import run_names
from asyncsearch.strategies import Rebase, Sampling, Strategy, make_strategy, parameter_names

__all__ = ["Entry", "entries_for"]


@dataclass(frozen=True, slots=True)
class Entry:
    """A strategy, the name its directory has, and the rows its candidates give: a title and a vote each."""

    strategy: Strategy
    name: str
    rows: tuple[tuple[str, str], ...]


def entries_for(
    strategies: Sequence[Mapping[str, Any]],
    shared: Mapping[str, Any],
    options: SolveOptions,
    *,
    with_widths: bool = False,
) -> list[Entry]:
    """An entry for each of some strategies, whose name is under ``strategy``, with parameters of its own beside it.

    Each takes those of the ``shared`` parameters that it has. Where no strategy is named, what search is worth is
    shown: greedy decoding, majority and weighted vote of the same samples, and REBASE. ``with_widths`` is whether every
    name has its strategy's width, and not only those of a strategy at several.

    Raises:
        ConfigurationError: a name or a parameter is wrong, nobody has a shared one, or two strategies are the same.
    """
    if not strategies:
        return _default_entries(shared, options)
    made = _strategies_of(strategies, shared)
    names = run_names(made, with_widths=with_widths)
    return [_entry(strategy, name, options) for strategy, name in zip(made, names, strict=True)]


def _strategies_of(strategies: Sequence[Mapping[str, Any]], shared: Mapping[str, Any]) -> list[Strategy]:
    made: list[Strategy] = []
    everybodys: set[str] = set()
    for said in strategies:
        own = {name: value for name, value in said.items() if name != "strategy"}
        taken = dict(shared)
        if len(strategies) > 1:
            known = parameter_names(said["strategy"])
            taken = {name: value for name, value in shared.items() if name in known}
            everybodys |= known
        strategy = make_strategy(said["strategy"], {**taken, **own})
        if strategy in made:
            raise ConfigurationError(f"{strategy.full_name} is given twice with the same parameters")
        made.append(strategy)
    if len(strategies) > 1 and (unknown := sorted(shared.keys() - everybodys)):
        hint = suggestion(unknown[0], sorted(everybodys))
        raise ConfigurationError(f"none of these strategies has a parameter {unknown[0]!r}; {hint}")
    return made


def _default_entries(parameters: Mapping[str, Any], options: SolveOptions) -> list[Entry]:
    known = {**Sampling.parameters(), **Rebase.parameters()}
    for name, value in parameters.items():
        if name not in known:
            Rebase.from_parameters({name: value})  # names the nearest
    shared = {name: value for name, value in parameters.items() if name in Sampling.parameters()}
    greedy = Sampling.from_parameters({**shared, "width": 1, "temperature": 0.0, "scored": False})
    samples = Sampling.from_parameters(shared)
    rebase = Rebase.from_parameters(dict(parameters))
    return [
        Entry(greedy, "greedy", (("greedy", "majority"),)),
        Entry(
            samples,
            "sampling",
            (
                (f"majority, {samples.width} samples", "majority"),
                (f"weighted, {samples.width} samples", "weighted"),
            ),
        ),
        Entry(rebase, "rebase", ((f"REBASE at width {rebase.width}", options.vote_for(rebase)),)),
    ]


def _entry(strategy: Strategy, name: str, options: SolveOptions) -> Entry:
    vote = options.vote_for(strategy)
    return Entry(strategy, name, ((f"{strategy.full_name}, width {strategy.width}, {vote}", vote),))
