"""A file of solutions, scored: coalesced over all of them, and nothing scored twice."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import anyio

from asyncsearch.accounting import ModelAccount, account_of
from asyncsearch.errors import ConfigurationError, DatasetError, ModelGone, StorageError, first_cause, printable
from asyncsearch.files import whole_file
from asyncsearch.format import Format
from asyncsearch.json_records import is_json_list, read_json_records
from asyncsearch.models import open_runtime, size_of
from asyncsearch.rewards import AGGREGATIONS, RewardFormat, recognise_reward_format, reward_format_named
from asyncsearch.run_directory import unwritable
from asyncsearch.scheduler import Cost, open_scheduler
from asyncsearch.scheduler.answer import Withdrawable, answer_to
from asyncsearch.scoring.partial_scores import PartialScores, Place, open_partial_scores
from asyncsearch.scoring.solutions import SolutionScores, read_solutions, with_scores
from asyncsearch.step_scores import ScoredSteps, StepScores
from runtimes.base import Capabilities, ModelSize, Runtime, RuntimeFailure, RuntimeGone

__all__ = ["Scored", "partial_file", "score_file"]

_AHEAD = 4
"""Times the reward model's batch: so many solutions are looked at together, as some wait for what they share."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scored:
    """A file of ``solutions``, scored but for ``failed`` ones, of which ``first_error`` is the first.

    ``of_one_step`` have a single step. ``account`` is what all of them took, those of earlier calls included.
    """

    solutions: int
    failed: int
    of_one_step: int
    first_error: str | None
    account: ModelAccount


def partial_file(out: Path) -> Path:
    """Where scores are kept until all are there."""
    return out.with_name(f"{out.name}.partial")


async def score_file(
    source: Path,
    out: Path,
    *,
    reward: Runtime | str,
    reward_format: str = "auto",
    format: Format | None = None,
    aggregation: str = "last",
    reward_parameters: float | None = None,
    reward_limit: int | None = None,
    on_begin: Callable[[int, int], None] = lambda solutions, there: None,
    on_scored: Callable[[str | None], None] = lambda error: None,
) -> Scored:
    """Score every step of the solutions in a file, and write the same records with their scores.

    What follows on each other and is of one problem is scored together: steps that solutions share, once. Each score
    is written to `partial_file` before anything else is done with it. A call that was broken off, or in which some
    solutions failed, leaves that file, and the same call again scores what is missing.

    Args:
        source: JSON objects, one a line or as a list; see `read_solutions` for what they hold.
        out: the file to write, whole or not at all, in the order of ``source``.
        reward: a runtime that scores, or ``NAME:ADDRESS`` of one.
        reward_format: how it is prompted and read; ``"auto"`` to recognise it.
        format: how a text falls into steps; None for step tags, or "Step 2" and so on.
        aggregation: how a solution's step scores become one.
        reward_parameters: of the reward model, for its operations; None for what its configuration says.
        reward_limit: score requests in flight; None for what the runtime finds useful.
        on_begin: told once how many solutions there are, and how many of them are scored already.
        on_scored: told of each of the others its error, None if it has none.

    Raises:
        DatasetError: ``source`` cannot be read, or holds something else; the message names the record.
        ConfigurationError: a name is unknown, ``out`` is ``source``, or what is kept is of something else.
        ModelError: the model cannot be opened.
        ModelGone: it stopped answering for good.
        StorageError: nothing can be written any more.

    Cancellation gives up what is on its way; what is scored stays in `partial_file`.
    """
    _check(source, out, reward_format, aggregation)
    solutions = of_one_step = 0
    for solution in _solutions(source, format):  # all of them, before any is scored
        solutions += 1
        of_one_step += len(solution.steps) == 1
    async with open_runtime(reward) as runtime:
        model = runtime.capabilities
        chosen = recognise_reward_format(reward_format, model)
        with open_partial_scores(partial_file(out), _made_of(source, format, model, chosen)) as partial:
            on_begin(solutions, len(partial))
            scoring = _Scoring(partial, chosen, size_of(model, parameters=reward_parameters), on_scored)
            await scoring.score_all(_solutions(source, format), runtime, limit=reward_limit)
            _write(source, out, format, scoring.outcome_at, aggregation)
            if not scoring.errors:
                partial_file(out).unlink()
            return Scored(
                solutions=solutions,
                failed=len(scoring.errors),
                of_one_step=of_one_step,
                first_error=min(scoring.errors.items(), default=(None, None))[1],
                account=partial.account + scoring.lost,
            )


def _check(source: Path, out: Path, reward_format: str, aggregation: str) -> None:
    """Make sure of what can be told before a model is loaded."""
    if aggregation not in AGGREGATIONS:
        raise ConfigurationError(f"unknown aggregation {aggregation!r}; known are {', '.join(AGGREGATIONS)}")
    if reward_format != "auto":
        reward_format_named(reward_format)
    if source.is_dir():
        raise DatasetError(
            f"{source}: is a directory; name a file of solutions, as 'asyncsearch export' writes of a run"
        )
    if out.resolve() == source.resolve():
        raise ConfigurationError(f"{out}: is what is to be scored; name another file with --out")
    if out.exists() and not out.is_file():
        raise ConfigurationError(f"{out}: is no file")


class _Scoring:
    """Solutions on their way to their scores. ``errors`` has why some have none, and ``lost`` what these took."""

    def __init__(
        self,
        partial: PartialScores,
        format: RewardFormat,
        size: ModelSize | None,
        on_scored: Callable[[str | None], None],
    ) -> None:
        self.errors: dict[Place, str] = {}
        self.lost = ModelAccount()
        self._partial = partial
        self._format = format
        self._size = size
        self._on_scored = on_scored

    def outcome_at(self, place: Place) -> SolutionScores:
        """What came of a solution."""
        error = self.errors.get(place)
        return SolutionScores(self._partial[place]) if error is None else SolutionScores(error=error)

    async def score_all(self, solutions: Iterator[_Solution], runtime: Runtime, *, limit: int | None) -> None:
        """Score what is not scored yet, with so many requests in flight at most.

        Raises:
            ModelGone: nothing more can be scored.
            StorageError: nothing more can be kept.
        """
        room = anyio.Semaphore((limit or runtime.capabilities.largest_batch) * _AHEAD)
        try:
            async with (
                open_scheduler(None, runtime, reward_limit=limit) as scheduler,
                anyio.create_task_group() as tasks,
            ):
                scores: StepScores | None = None
                problem = ""
                for order, solution in enumerate(solutions):
                    if solution.place in self._partial:
                        continue
                    if (nothing := solution.what_is_empty) is not None:
                        self._fail(solution.place, f"the {nothing} is empty")
                        continue
                    if scores is None or solution.problem != problem:
                        problem = solution.problem
                        scores = StepScores(problem, self._format, scheduler=scheduler, order=order)
                    await room.acquire()
                    tasks.start_soon(self._score, solution, scores, room)
        except BaseExceptionGroup as group:
            # A model is gone for all when anything else has ended the scheduler, which is then what went wrong.
            _, others = group.split(ModelGone)
            raise first_cause(others or group, KeyboardInterrupt, StorageError) from None

    async def _score(self, solution: _Solution, scores: StepScores, room: anyio.Semaphore) -> None:
        cost = Cost()

        def ask(settle: Callable[[ScoredSteps | RuntimeFailure], None]) -> Withdrawable:
            return scores.score(scores.opening, solution.steps, cost=cost, settle=settle)

        try:
            found = await answer_to(ask)
        except RuntimeGone as gone:
            raise ModelGone(str(gone)) from gone
        except RuntimeFailure as failure:
            self.lost += account_of([(cost, True)], self._size)
            self._fail(solution.place, printable(str(failure)))
        else:
            self._partial.add(solution.place, found.scores, account_of([(cost, False)], self._size))
            self._on_scored(None)
        finally:
            room.release()

    def _fail(self, place: Place, error: str) -> None:
        self.errors[place] = error
        self._on_scored(error)


@dataclass(frozen=True, slots=True)
class _Solution:
    place: Place
    problem: str
    steps: tuple[str, ...]

    @property
    def what_is_empty(self) -> str | None:
        """What there has to be, and is not."""
        if not self.problem.strip():
            return "problem"
        return None if self.steps else "solution"


def _solutions(source: Path, format: Format | None) -> Iterator[_Solution]:
    for number, record in enumerate(read_json_records(source)):
        found = read_solutions(record, format)
        for index, steps in enumerate(found.steps):
            yield _Solution((number, index), found.problem, steps)


def _made_of(source: Path, format: Format | None, model: Capabilities, reward_format: RewardFormat) -> dict[str, Any]:
    """What scores depend on, in words that a message has use for."""
    try:
        with source.open("rb") as file:
            content = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise DatasetError(f"{source}: cannot be read: {error.strerror or error}") from error
    return {
        "file of solutions": content,
        "reward model": model.fingerprint or model.model,
        "reward format": reward_format.name,
        "format": None if format is None else format.to_mapping(),
    }


def _write(
    source: Path, out: Path, format: Format | None, outcome_at: Callable[[Place], SolutionScores], aggregation: str
) -> None:
    """Write the records with their scores, in the shape that the file has. In ASCII, as Python's own ``json`` does."""
    before, between, behind = ("[\n", ",\n", "\n]\n") if is_json_list(source) else ("", "\n", "\n")
    try:
        with whole_file(out) as file:
            for number, record in enumerate(read_json_records(source)):
                count = len(read_solutions(record, format).steps)
                scores = [outcome_at((number, index)) for index in range(count)]
                content = json.dumps(with_scores(record, scores, aggregation))
                file.write(f"{between if number else before}{content}".encode("ascii"))
            file.write(behind.encode("ascii"))
    except OSError as error:
        raise unwritable(out, error) from error
