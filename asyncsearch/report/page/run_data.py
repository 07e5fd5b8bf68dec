"""What the page says of one run: its figures, a row for each problem, and its trees in blocks."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from asyncsearch.accounting import Accounts
from asyncsearch.errors import ConfigurationError, JournalError
from asyncsearch.evaluation import GROUPINGS, Evaluation, Judgement, Method, accuracy_of, evaluate
from asyncsearch.journal import read_journal
from asyncsearch.journal.reading import Nodes
from asyncsearch.problem import Problem
from asyncsearch.regrowth import Regrowth, tree_of_candidates
from asyncsearch.replay import recorded_options
from asyncsearch.report.evaluation_records import figures_record
from asyncsearch.report.page.packing import pack
from asyncsearch.report.page.trees import tree_columns
from asyncsearch.report.page.votes import Count, count_votes
from asyncsearch.results import ProblemResult
from asyncsearch.run_directory import JOURNAL_FILE, read_config, read_results, verify_config
from asyncsearch.tree import NodeState, Tree

__all__ = ["Outcome", "RunData", "read_run"]

_BLOCK_CHARACTERS = 400_000
"""Of the texts in a block of trees. It takes a browser some milliseconds to read one."""

_DECIMALS = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """A problem's row. ``correct`` and ``found`` are None where there is no reference, ``margin`` where nobody voted.

    ``state`` is ``s`` for solved, ``f`` for failed and ``u`` where the search has not come to its end. ``cost`` is in
    floating-point operations where they are known, and else in tokens; it and ``seconds`` are None until then.
    """

    state: str
    correct: bool | None
    found: bool | None
    answer: str | None
    error: str | None
    margin: float | None
    tie: bool
    truncated: int
    nodes: int
    generated: int
    read: int
    cost: float | None
    seconds: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class RunData:
    """One run, as the page has it.

    ``about`` is a JSON value of its configuration and figures, and ``judgements`` are what it is compared by with other
    runs, under its own ``method``. ``outcomes`` are of ``problems``, in their order, and
    ``blocks`` hold their trees, see `tree_columns`: packed lists, of which each begins with the row in ``begins``.
    ``unreadable`` says why there are none, each solution being shown as one node, and is None where there are.
    """

    name: str
    about: Mapping[str, Any]
    method: Method
    judgements: tuple[Judgement, ...] = field(repr=False)
    problems: tuple[Problem, ...]
    outcomes: tuple[Outcome, ...]
    blocks: tuple[bytes, ...] = field(repr=False)
    begins: tuple[int, ...]
    unreadable: str | None = None


async def read_run(path: Path, *, name: str, most: int | None = None) -> RunData:
    """Read a run that has ended, or as far as it is.

    Where the journal cannot be read there is each solution as a leaf, and a note that says why.

    Args:
        path: of its directory.
        name: what the page calls it.
        most: rows and trees of no more than so many problems, the first ones; figures are those of all.

    Raises:
        RunDirectoryError: there is no run.
        ConfigurationError: its grader is not known here.
        StorageError: its configuration or its results cannot be read.
        GradingError: answers cannot be compared at all.
    """
    config = read_config(path)
    results = {result.id: result for result in read_results(path)}  # before the journal, which has more if it goes on
    notes: list[str] = []
    unreadable: str | None = None
    rows: list[tuple[Problem, Outcome]] = []
    blocks = _Blocks()
    async with recorded_options(config).make_grader() as grader:
        evaluation = await evaluate(results.values(), grader)
        searches: deque[tuple[Problem, Nodes]] = deque()
        regrowth: Regrowth | None = None
        try:
            verify_config(path)
            regrowth = Regrowth(config, grader)
            searches.extend(read_journal(path / JOURNAL_FILE))
        except (JournalError, ConfigurationError) as error:
            unreadable = str(error)
            notes.append(f"There are no trees, and each solution is shown as one node: {error}")
        for problem, nodes in _all_searches(searches, results):
            if most is not None and len(rows) == most:
                break
            result = results.get(problem.id)
            candidates = result.candidates if result is not None else ()
            note: str | None = None
            if nodes is not None and regrowth is not None:
                tree = await regrowth.tree_of(problem, nodes, None if result is None else candidates)
                candidates = candidates if result is not None else regrowth.candidates(tree)
            else:
                tree = tree_of_candidates(candidates)
                note = "The journal has nothing of this search: each solution is shown as one node."
            votes = {"vote": config["vote"], "aggregation": config["aggregation"]}
            count = await count_votes(problem, candidates, grader, **votes)
            blocks.add(
                tree_columns(tree, candidates, count, format=None if regrowth is None else regrowth.format, note=note)
            )
            rows.append((problem, _outcome(result, tree, count)))
            tree.fell()
    if (unfinished := config["problems"] - len(results)) > 0:
        notes.append(f"{unfinished:,} of {config['problems']:,} problems are not finished.")
    if most is not None and len(rows) == most < config["problems"]:
        notes.append(f"The problems shown are the first {most:,}; the figures are those of all.")
    method = Method.of(config["vote"], config["aggregation"])
    return RunData(
        name=name,
        about=_about(path, config)
        | {"figures": figures_record(evaluation), "groups": _groups(evaluation, method), "notes": notes},
        method=method,
        judgements=evaluation.judgements,
        problems=tuple(problem for problem, _ in rows),
        outcomes=tuple(outcome for _, outcome in rows),
        blocks=tuple(blocks.finish()),
        begins=tuple(blocks.begins),
        unreadable=unreadable,
    )


def _all_searches(
    searches: deque[tuple[Problem, Nodes]], results: Mapping[str, ProblemResult]
) -> Iterator[tuple[Problem, Nodes | None]]:
    """Every problem of which there is something: those in the journal, each let go of, and then all other results."""
    journaled = set()
    while searches:
        problem, nodes = searches.popleft()
        journaled.add(problem.id)
        yield problem, nodes
    for result in results.values():
        if result.id not in journaled:
            yield _problem_of(result), None


def _problem_of(result: ProblemResult) -> Problem:
    return Problem(
        id=result.id, text=result.problem, answer=result.reference, level=result.level, subject=result.subject
    )


class _Blocks:
    """Packs trees, many in a block."""

    def __init__(self) -> None:
        self.begins: list[int] = []
        self._packed: list[bytes] = []
        self._open: list[Any] = []
        self._characters = 0
        self._count = 0

    def add(self, tree: dict[str, Any]) -> None:
        if not self._open:
            self.begins.append(self._count)
        self._open.append(tree)
        self._count += 1
        self._characters += sum(map(len, tree["texts"]))
        if self._characters >= _BLOCK_CHARACTERS:
            self._close()

    def finish(self) -> Sequence[bytes]:
        if self._open:
            self._close()
        return self._packed

    def _close(self) -> None:
        self._packed.append(pack(self._open))
        self._open, self._characters = [], 0


def _outcome(result: ProblemResult | None, tree: Tree, count: Count) -> Outcome:
    nodes = [*tree.all_nodes()]
    accounts = Accounts() if result is None else result.accounts
    tokens = accounts.policy.computed_tokens + accounts.reward.computed_tokens
    return Outcome(
        state="u" if result is None else "s" if result.error is None else "f",
        correct=None if result is None else result.correct,
        found=count.found,
        answer=None if result is None else result.answer,
        error=None if result is None else result.error,
        margin=None if count.margin is None else round(count.margin, _DECIMALS),
        tie=count.is_tie,
        truncated=sum(node.state is NodeState.TRUNCATED for node in nodes),
        nodes=len(nodes),
        generated=sum(node.tokens for node in nodes) if result is None else accounts.policy.generated_tokens,
        read=accounts.reward.prompt_tokens,
        cost=None if result is None else tokens if accounts.flops is None else accounts.flops,
        seconds=None if result is None else result.seconds,
    )


def _groups(evaluation: Evaluation, method: Method) -> list[dict[str, Any]]:
    """How right the run's own vote is by level and by subject."""
    return [
        {
            "by": by,
            "group": group,
            "problems": found.total,
            "accuracy": found.value,
            "interval": (found.low, found.high),
        }
        for by in GROUPINGS
        for group, judgements in evaluation.groups(by).items()
        for found in [accuracy_of(judgements, method)]
    ]


def _about(path: Path, config: Mapping[str, Any]) -> dict[str, Any]:
    names = ("strategy", "parameters", "seed", "vote", "aggregation", "grader", "problems", "reward_format")
    models = {role: config.get(role) for role in ("policy", "reward")}
    return {
        "path": str(path),
        "format": config["format"].get("name"),
        **{name: config[name] for name in names},
        **models,
    }
