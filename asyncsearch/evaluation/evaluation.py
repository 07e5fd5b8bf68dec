"""How right a run is, under every aggregation and vote."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from asyncsearch.accounting import Accounts
from asyncsearch.answers.grader import Grader
from asyncsearch.errors import AsyncSearchError, printable
from asyncsearch.evaluation.accuracy import Accuracy
from asyncsearch.evaluation.bootstrap import Estimate, estimate
from asyncsearch.evaluation.judgement import METHODS, Judgement, Method, failure, judge
from asyncsearch.evaluation.pass_at_k import pass_at_k
from asyncsearch.results import ProblemResult

__all__ = ["GROUPINGS", "Evaluation", "accuracy_of", "evaluate"]

GROUPINGS = ("level", "subject")
"""What problems can be told apart by."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluation:
    """What a run's problems were judged to be, beside what the run cost.

    ``judgements`` are of the problems that have a reference, in the order of the dataset; ``ungraded`` ones, which have
    none, do not count. ``failed`` problems count as wrong, and so do ``grading_failed`` ones, which have answers at
    which the grader raises; ``grading_error`` is what it said the first time. ``grading_gave_up`` pairs of answers took
    too long to compare and count as different. ``seconds`` is how long the run took, as far as its last result says.
    """

    judgements: tuple[Judgement, ...]
    solved: int
    failed: int
    ungraded: int
    accounts: Accounts
    seconds: float
    grading_gave_up: int
    grading_failed: int
    grading_error: str | None

    @property
    def methods(self) -> tuple[Method, ...]:
        """The methods that there is something to say of: those that look at scores only where there are any."""
        scored = any(judgement.scored for judgement in self.judgements)
        return tuple(method for method in METHODS if scored or method.aggregation is None)

    @property
    def accuracies(self) -> dict[Method, Accuracy]:
        """The accuracy of each method."""
        total = len(self.judgements)
        return {
            method: Accuracy(sum(method in judgement.winning for judgement in self.judgements), total)
            for method in self.methods
        }

    @property
    def found(self) -> Accuracy:
        """Of how many problems some candidate is right: what a vote that never erred would come to."""
        return Accuracy(sum(judgement.right > 0 for judgement in self.judgements), len(self.judgements))

    @property
    def different_answers(self) -> float:
        """The mean number of different answers that a problem's candidates gave."""
        total = len(self.judgements)
        return sum(judgement.answers for judgement in self.judgements) / total if total else 0.0

    @property
    def passes(self) -> dict[int, Estimate]:
        """pass@k for each power of two up to the most candidates of a problem, and these; see `pass_at_k`."""
        most = max((judgement.candidates for judgement in self.judgements), default=0)
        return {
            k: estimate(pass_at_k(judgement.right, judgement.candidates, k) for judgement in self.judgements)
            for k in _up_to(most)
        }

    def estimate(self, method: Method) -> Estimate:
        """A method's accuracy, with the bootstrap's interval."""
        return accuracy_of(self.judgements, method)

    def groups(self, by: str) -> dict[str, tuple[Judgement, ...]]:
        """The judgements by ``level`` or by ``subject``, see `GROUPINGS`; what has none is left out."""
        found: dict[str, list[Judgement]] = {}
        for judgement in self.judgements:
            label = judgement.level if by == "level" else judgement.subject
            if label is not None:
                found.setdefault(label, []).append(judgement)
        return {label: tuple(found[label]) for label in sorted(found)}


def accuracy_of(judgements: Sequence[Judgement], method: Method) -> Estimate:
    """A method's accuracy on some problems, with the bootstrap's interval."""
    return estimate(method in judgement.winning for judgement in judgements)


async def evaluate(results: Iterable[ProblemResult], grader: Grader) -> Evaluation:
    """Put each problem's candidates to every vote and grade what comes of it.

    Raises:
        GradingError: answers cannot be compared at all.
    """
    judgements: list[Judgement] = []
    solved = failed = ungraded = grading_failed = 0
    grading_error: str | None = None
    accounts = Accounts()
    seconds = 0.0
    gave_up_before = grader.gave_up
    for result in results:
        accounts += result.accounts
        seconds = max(seconds, result.run_seconds)
        failed += result.error is not None
        solved += result.error is None
        if result.reference is None:
            ungraded += 1
            continue
        judgement = failure(result)
        if result.error is None:
            try:
                judgement = await judge(result, result.reference, grader)
            except AsyncSearchError:
                raise
            except Exception as error:  # noqa: BLE001 - a grader is anybody's code
                grading_failed += 1
                grading_error = grading_error or printable(f"{type(error).__name__}: {error}")
        judgements.append(judgement)
    return Evaluation(
        judgements=tuple(judgements),
        solved=solved,
        failed=failed,
        ungraded=ungraded,
        accounts=accounts,
        seconds=seconds,
        grading_gave_up=grader.gave_up - gave_up_before,
        grading_failed=grading_failed,
        grading_error=grading_error,
    )


def _up_to(most: int) -> Sequence[int]:
    def powers() -> Iterator[int]:
        k = 1
        while k < most:
            yield k
            k *= 2

    return [*powers(), most] if most else []
