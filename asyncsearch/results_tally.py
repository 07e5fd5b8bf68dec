"""What the results of a run come to."""

from __future__ import annotations

from dataclasses import dataclass

from asyncsearch.results import ProblemResult

__all__ = ["ResultsTally"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ResultsTally:
    """Of ``done`` problems ``failed`` ones have an error, and ``correct`` of ``graded`` ones were right.

    ``seconds`` are those that the run had taken until the last of them, over all its sessions.
    """

    done: int = 0
    failed: int = 0
    graded: int = 0
    correct: int = 0
    seconds: float = 0.0

    def plus(self, result: ProblemResult) -> ResultsTally:
        """The same with one more result."""
        return ResultsTally(
            done=self.done + 1,
            failed=self.failed + (result.error is not None),
            graded=self.graded + (result.correct is not None),
            correct=self.correct + bool(result.correct),
            seconds=max(self.seconds, result.run_seconds),
        )
