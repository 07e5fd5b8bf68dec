"""A run anew from its journal, with no model at all."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import count, takewhile
from pathlib import Path
from typing import Any

from asyncsearch.accounting import Accounts
from asyncsearch.answers.grader import Grader
from asyncsearch.errors import ConfigurationError, ModelGone, RunDirectoryError
from asyncsearch.evaluation import Accuracy
from asyncsearch.format import format_from
from asyncsearch.journal import SearchJournal, read_journal
from asyncsearch.options import SolveOptions
from asyncsearch.results import ProblemResult
from asyncsearch.rewards import reward_format_named
from asyncsearch.run_directory import JOURNAL_FILE, as_recorded, read_config, read_results, verify_config
from asyncsearch.scheduler import Scheduler
from asyncsearch.search import ProblemSearch
from asyncsearch.strategies import Strategy, make_strategy
from runtimes.base import ModelSize

__all__ = ["Replay", "recorded_options", "recorded_search", "replay", "replay_anytime"]


_DRAWING = ("temperature", "top_p", "max_tokens", "max_step_tokens")
"""The parameters that a draw depends on, beside its place."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Replay:
    """What a journal gives. ``unfinished`` are the ids of problems of which it does not hold everything.

    The run is of so many ``problems``; those that are neither among the results nor unfinished were not begun.

    ``differing`` are the ids of those whose result is another than the one that the run wrote down, or of which the
    journal does not hold everything, or nothing, although there is one.
    """

    strategy: Strategy
    options: SolveOptions
    problems: int
    results: tuple[ProblemResult, ...]
    unfinished: tuple[str, ...]
    differing: tuple[str, ...]

    @property
    def accuracy(self) -> Accuracy:
        """Of the problems that have a reference."""
        graded = [result.correct for result in self.results if result.correct is not None]
        return Accuracy(sum(graded), len(graded))

    @property
    def accounts(self) -> Accounts:
        """Of all problems."""
        return sum((result.accounts for result in self.results), start=Accounts())


async def replay(
    run: Path,
    *,
    strategy: Strategy | str | None = None,
    parameters: Mapping[str, Any] | None = None,
    vote: str | None = None,
    aggregation: str | None = None,
) -> Replay:
    """Recompute a run's trees, votes, grades and token counts from its journal.

    Args:
        run: its directory.
        strategy: another strategy than the run's; its draws have to be among those of the journal. One that is not
            registered by a name is given itself, the run's own too.
        parameters: of a strategy given by name, or of the run's: those that differ from the run's, likewise.
        vote: another vote than the run's.
        aggregation: another aggregation, likewise.

    Raises:
        RunDirectoryError: there is no run, or its journal does not hold what another strategy takes.
        StorageError: the run cannot be read, or is damaged.
        ConfigurationError: a name or a parameter is wrong.
    """
    verify_config(run)
    config = read_config(run)
    chosen = strategy if isinstance(strategy, Strategy) else _strategy_of(config, strategy, parameters or {})
    _require_drawn_alike(run, config, chosen)
    options = replace(
        recorded_options(config),
        vote=vote or (config["vote"] if chosen.scored == config["parameters"]["scored"] else "auto"),
        aggregation=aggregation or config["aggregation"],
    )
    varied = (chosen.full_name, as_recorded(chosen.to_parameters())) != (config["strategy"], config["parameters"])
    if (options.vote_for(chosen), options.aggregation) != (config["vote"], config["aggregation"]):
        varied |= not chosen.every_leaf_votes  # it may have looked at the vote to tell which do
    written = {result.id: result for result in read_results(run)}  # first: a run that goes on has them journaled
    results: list[ProblemResult] = []
    unfinished: list[str] = []
    async with options.make_grader() as grader:
        search = recorded_search(config, options, grader)
        for order, (problem, known) in enumerate(read_journal(run / JOURNAL_FILE)):
            try:
                journal = SearchJournal(order, known, is_same_search=not varied)
                results.append(await search.solve(problem, chosen, order=order, journal=journal))
            except ModelGone:
                unfinished.append(problem.id)
    replayed = {result.id for result in results}
    missing = [problem for problem in written if problem not in replayed]
    if varied and missing:
        raise RunDirectoryError(
            f"{run}: its journal does not hold what {chosen.full_name} takes like this: of {len(missing)} problems "
            f"draws are missing, of {missing[0]!r} for one"
        )
    return Replay(
        strategy=chosen,
        options=options,
        problems=config["problems"],
        results=tuple(results),
        unfinished=tuple(unfinished),
        differing=()
        if varied
        else (
            *(result.id for result in results if _differs(result, written.get(result.id), vote, aggregation)),
            *missing,
        ),
    )


def recorded_options(config: Mapping[str, Any]) -> SolveOptions:
    """What a run depended on beside problems, strategy and models, as far as a replay does too."""
    return SolveOptions(
        seed=config["seed"],
        vote=config["vote"],
        aggregation=config["aggregation"],
        grader=config["grader"],
        grading_seconds=config["grading_seconds"],
    )


def recorded_search(config: Mapping[str, Any], options: SolveOptions, grader: Grader) -> ProblemSearch:
    """Searches as those of a run were, but with no model: they come as far as its journal does."""
    return ProblemSearch(
        options=options,
        format=format_from(config["format"], name="recorded"),
        reward_format=None if config["reward_format"] is None else reward_format_named(config["reward_format"]),
        grader=grader,
        scheduler=Scheduler(),  # there is nobody to be asked
        **{f"{role}_size": _size(config[f"{role}_size"]) for role in ("policy", "reward")},
    )


def _strategy_of(config: Mapping[str, Any], name: str | None, parameters: Mapping[str, Any]) -> Strategy:
    recorded = config["parameters"]
    if name not in (None, config["strategy"]):  # what they have in common stays
        recorded = {shared: recorded[shared] for shared in (*_DRAWING, "width", "max_depth", "scored")}
    return make_strategy(name or config["strategy"], {**recorded, **parameters})


def _require_drawn_alike(run: Path, config: Mapping[str, Any], strategy: Strategy) -> None:
    """Make sure that a strategy would draw, and have scored, what the run did."""
    recorded = config["parameters"]
    for name in _DRAWING:
        if (other := getattr(strategy, name)) != recorded[name]:
            raise RunDirectoryError(
                f"{run}: was drawn with {name} {recorded[name]}; its journal has nothing for {other}"
            )
    if strategy.scored and not recorded["scored"]:
        raise RunDirectoryError(f"{run}: was not scored; its journal has no scores for {strategy.name}")


async def replay_anytime(run: Path, *, vote: str | None = None, aggregation: str | None = None) -> list[Replay]:
    """What the run would have given at each smaller budget: replays at width 1, 2, 4 and so on up to its own.

    All are of the same problems: those of which the journal holds everything. A score that several draws share was
    paid for by the one that asked first, in the whole run: so a smaller budget's reward tokens are near those of a run
    of its own, and not the same.

    Raises:
        ConfigurationError: a prefix of such a run is no run.
        RunDirectoryError: as `replay`; StorageError likewise.
    """
    verify_config(run)
    recorded = read_config(run)
    strategy = make_strategy(recorded["strategy"], recorded["parameters"])
    if not strategy.anytime:
        raise ConfigurationError(
            f"{run}: the first draws of {strategy.name} are no run of a smaller width; run it at each width instead"
        )
    whole = await replay(run, vote=vote, aggregation=aggregation)
    finished = {result.id for result in whole.results}
    replays: list[Replay] = []
    for width in takewhile(lambda width: width < strategy.width, (1 << power for power in count())):
        narrow = await replay(run, parameters={"width": width}, vote=vote, aggregation=aggregation)
        replays.append(
            replace(
                narrow,
                results=tuple(result for result in narrow.results if result.id in finished),
                unfinished=whole.unfinished,
            )
        )
    return [*replays, whole]


def _size(recorded: Mapping[str, int] | None) -> ModelSize | None:
    return None if recorded is None else ModelSize(**recorded)


def _differs(result: ProblemResult, written: ProblemResult | None, vote: str | None, aggregation: str | None) -> bool:
    if written is None:
        return False
    if vote is not None or aggregation is not None:  # then another answer may come of the same candidates
        written = replace(written, answer=result.answer, correct=result.correct)
    return result.without_times() != written.without_times()
