"""What came of each problem, and how it is read back from a run's directory."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import orjson

from asyncsearch.accounting import Accounts, ModelAccount
from asyncsearch.errors import RunDirectoryError

__all__ = [
    "COMMAND_FILE",
    "CONFIG_FILE",
    "JOURNAL_FILE",
    "RESULTS_FILE",
    "Candidate",
    "ProblemResult",
    "read_config",
    "read_results",
]

CONFIG_FILE = "config.json"
RESULTS_FILE = "results.jsonl"
JOURNAL_FILE = "journal.bin"
COMMAND_FILE = "command.yaml"


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
    run had taken by then, over all its sessions.
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
        try:
            record: dict[str, Any] = orjson.loads(line)
            record["candidates"] = tuple(
                Candidate(**{**candidate, "step_scores": tuple(candidate["step_scores"])})
                for candidate in record["candidates"]
            )
            accounts = record["accounts"]
            models = {role: ModelAccount(**accounts[role]) for role in ("policy", "reward")}
            record["accounts"] = Accounts(**{**accounts, **models})
            return cls(**record)
        except (TypeError, KeyError, AttributeError) as error:
            raise ValueError(f"not a result: {error}") from error


def read_config(path: Path) -> dict[str, Any]:
    """The configuration of a run.

    Raises:
        RunDirectoryError: the path is not a run directory.
    """
    try:
        config: dict[str, Any] = orjson.loads((path / CONFIG_FILE).read_bytes())
    except FileNotFoundError:
        raise RunDirectoryError(f"{path}: not a run directory, it has no {CONFIG_FILE}") from None
    except (OSError, orjson.JSONDecodeError) as error:
        raise RunDirectoryError(f"{path / CONFIG_FILE}: cannot be read: {error}") from error
    return config


def read_results(path: Path) -> Iterator[ProblemResult]:
    """Yield a run's results one by one, without holding them all.

    A torn last line, as a killed run may leave, is passed over.

    Raises:
        RunDirectoryError: the path is not a run directory, or a line is damaged; the message names it.
    """
    file = path / RESULTS_FILE
    try:
        lines = file.open("rb")
    except FileNotFoundError:
        raise RunDirectoryError(f"{path}: not a run directory, it has no {RESULTS_FILE}") from None
    except OSError as error:
        raise RunDirectoryError(f"{file}: cannot be read: {error.strerror or error}") from error
    with lines:
        for number, line in enumerate(lines, 1):
            if not line.endswith(b"\n"):
                return
            try:
                yield ProblemResult.from_json(line)
            except ValueError as error:
                raise RunDirectoryError(f"{file}, line {number}: {error}") from error
