"""What came of each problem."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, replace

import msgspec
import orjson

from asyncsearch.accounting import Accounts

__all__ = ["Candidate", "ProblemResult"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """One leaf of a tree: a solution's text without the prompt, its answer, and a score in [0, 1] per step.

    ``truncated`` solutions were cut off and have no answer: they take no part in a vote. The others vote
    ``multiplicity`` times.
    """

    text: str
    answer: str | None
    truncated: bool
    tokens: int
    step_scores: tuple[float, ...] = ()
    multiplicity: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class ProblemResult:
    """What one strategy made of one problem.

    ``answer`` is the vote's, None if no candidate has one; ``correct`` compares it with ``reference`` and is
    None where there is no reference. ``error`` is None unless the problem failed. ``seconds`` is the time
    from its first request to its grading, shared with whatever else ran beside it, and ``run_seconds`` how long the
    run had taken by then, over all its sessions. ``level`` and ``subject`` are the problem's.
    """

    id: str
    problem: str
    answer: str | None
    reference: str | None
    correct: bool | None
    candidates: tuple[Candidate, ...] = field(default=(), repr=False)
    accounts: Accounts = field(default_factory=Accounts)
    error: str | None = None
    seconds: float = 0.0
    run_seconds: float = 0.0
    level: str | None = None
    subject: str | None = None

    def without_times(self) -> ProblemResult:
        """The same but for seconds, which no two runs share."""
        return replace(self, accounts=self.accounts.without_times(), seconds=0.0, run_seconds=0.0)

    def to_json(self) -> bytes:
        """One line of ``results.jsonl``, without its end."""
        return orjson.dumps(asdict(self))

    @classmethod
    def from_json(cls, line: bytes | str) -> ProblemResult:
        """Read what `to_json` wrote.

        Raises:
            ValueError: it is not such a line.
        """
        return _FROM_JSON.decode(line)


_FROM_JSON = msgspec.json.Decoder(ProblemResult)
