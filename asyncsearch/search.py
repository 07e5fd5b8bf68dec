"""One problem, one strategy: from an empty tree to a graded answer."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import anyio

from asyncsearch.accounting import account_for
from asyncsearch.answers.grader import Grader
from asyncsearch.candidates import candidates_of
from asyncsearch.context import SearchContext
from asyncsearch.election import Leaves, elect, gather_voters
from asyncsearch.errors import AsyncSearchError, GradingError, JournalError, ModelGone, first_cause, printable
from asyncsearch.format import Format
from asyncsearch.journal import SearchJournal
from asyncsearch.options import SolveOptions
from asyncsearch.problem import Problem
from asyncsearch.results import Candidate, ProblemResult
from asyncsearch.rewards import RewardFormat
from asyncsearch.scheduler import Scheduler
from asyncsearch.strategies.base import Strategy
from asyncsearch.tree import Tree
from runtimes.base import ModelSize, RuntimeFailure, RuntimeGone

__all__ = ["ProblemSearch"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ProblemSearch:
    """Everything that solving one problem takes, beside the problem and the strategy."""

    options: SolveOptions
    format: Format
    reward_format: RewardFormat | None
    grader: Grader
    scheduler: Scheduler
    policy_size: ModelSize | None = None
    reward_size: ModelSize | None = None

    async def solve(
        self,
        problem: Problem,
        strategy: Strategy,
        *,
        order: int,
        journal: SearchJournal | None = None,
        on_tree: Callable[[Tree], None] | None = None,
    ) -> ProblemResult:
        """Search, collect the candidates, vote and grade. ``order`` is the problem's place in the queues.

        What ``journal`` says already is not generated or scored again; what happens is added to it. ``on_tree`` is
        given the tree, still empty.

        Raises:
            ModelGone: a model will not answer any more.
            JournalError: the journal cannot be written.
            GradingError: answers cannot be compared at all. Any other error is recorded with the result.
        """
        started = anyio.current_time()
        context = self.context_for(problem, strategy, order=order, journal=journal)
        if on_tree is not None:
            on_tree(context.tree)
        error = None if problem.text.strip() else "the problem is empty"
        if error is None:
            try:
                await strategy.search(context)
            except Exception as raised:  # noqa: BLE001 - a strategy is anybody's code
                error = _recorded(raised)
        candidates: tuple[Candidate, ...] = ()
        answer: str | None = None
        correct = None if problem.answer is None else False
        try:
            candidates = candidates_of(context.tree, self.grader, marker=self.format.answer_marker)
            if error is None and not candidates:
                failures = (node.error for node in context.tree.leaves() if node.error)
                error = next(failures, "the search ended without a candidate")
            if error is None:
                answer = await self._elect(candidates, strategy)
            if answer is not None and problem.answer is not None:
                correct = await self.grader.is_right(problem.text, problem.answer, answer)
        except Exception as raised:  # noqa: BLE001 - so is a grader
            error, answer = _recorded(raised), None
        accounts = account_for(context.tree, context.unvisited(), policy=self.policy_size, reward=self.reward_size)
        context.tree.fell()
        return ProblemResult(
            id=problem.id,
            problem=problem.text,
            answer=answer,
            reference=problem.answer,
            correct=correct,
            candidates=candidates,
            accounts=accounts,
            error=error,
            seconds=round(anyio.current_time() - started, 3),
            level=problem.level,
            subject=problem.subject,
        )

    def context_for(
        self, problem: Problem, strategy: Strategy, *, order: int, journal: SearchJournal | None = None
    ) -> SearchContext:
        """An empty tree for a strategy to grow; ``order`` and ``journal`` as of `solve`."""
        return SearchContext(
            problem,
            strategy,
            scheduler=self.scheduler,
            format=self.format,
            reward_format=self.reward_format,
            seed=self.options.seed,
            order=order,
            journal=journal,
            electorate=Leaves(
                self.grader,
                vote=self.options.vote_for(strategy),
                aggregation=self.options.aggregation,
                marker=self.format.answer_marker,
            ),
        )

    async def _elect(self, candidates: Sequence[Candidate], strategy: Strategy) -> str | None:
        voters = await gather_voters(candidates, self.grader)
        return elect(voters, self.options.vote_for(strategy), self.options.aggregation)


def _recorded(raised: Exception) -> str:
    """What is recorded of an error: its words, and the line it came from where it is a defect of a plug-in.

    Raises:
        ModelGone, JournalError, GradingError: it is not this problem's alone.
    """
    error = first_cause(raised, JournalError, GradingError, RuntimeGone)
    if isinstance(error, (JournalError, GradingError)):
        raise error from raised
    if isinstance(error, RuntimeGone):
        raise ModelGone(str(error)) from raised
    words = printable(f"{type(error).__name__}: {error}")
    frames = traceback.extract_tb(error.__traceback__)
    if frames and not isinstance(error, (AsyncSearchError, RuntimeFailure)):
        words += f" ({Path(frames[-1].filename).name}, line {frames[-1].lineno})"
    return words
