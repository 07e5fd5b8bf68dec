"""What came of each problem, and the directory that it is kept in."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import orjson

from asyncsearch.accounting import TokenCounts
from asyncsearch.errors import RunDirectoryError

__all__ = [
    "CONFIG_FILE",
    "RESULTS_FILE",
    "Candidate",
    "ProblemResult",
    "RunDirectory",
    "read_config",
    "read_results",
    "require_free",
]

CONFIG_FILE = "config.json"
RESULTS_FILE = "results.jsonl"


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """One leaf of a tree: a solution's text without the prompt, its answer, and a score in [0, 1] per step.

    ``truncated`` solutions were cut off and have no answer: they take no part in a vote.
    """

    text: str
    answer: str | None
    truncated: bool
    tokens: int
    step_scores: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ProblemResult:
    """What one strategy made of one problem.

    ``answer`` is the vote's, None if no candidate has one; ``correct`` compares it with ``reference`` and is
    None where there is no reference. ``error`` is None unless the problem failed. ``seconds`` is the time
    from its first request to its grading, shared with whatever else ran beside it.
    """

    id: str
    problem: str
    answer: str | None
    reference: str | None
    correct: bool | None
    candidates: tuple[Candidate, ...] = field(default=(), repr=False)
    tokens: TokenCounts = field(default_factory=TokenCounts)
    error: str | None = None
    seconds: float = 0.0

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
            record["tokens"] = TokenCounts(**record["tokens"])
            return cls(**record)
        except (TypeError, KeyError, AttributeError) as error:
            raise ValueError(f"not a result: {error}") from error


class RunDirectory:
    """Writes a run: ``config.json`` at once, then a line of ``results.jsonl`` per problem as it is solved.

    Each line is written whole and handed to the operating system before the next, so that a killed run
    leaves a readable file. `close` puts the lines into the order of the problems.

    Args:
        path: must not exist yet, or be an empty directory.
        config: what was run; what is no JSON value is recorded as Python shows it.

    Raises:
        RunDirectoryError: the path is taken or cannot be written.
    """

    def __init__(self, path: Path, config: dict[str, Any]) -> None:
        self.path = path
        self._order: list[tuple[int, int, int]] = []
        self._end = 0
        self._failure: RunDirectoryError | None = None
        require_free(path)
        try:
            path.mkdir(parents=True, exist_ok=True)
            _replace(path / CONFIG_FILE, orjson.dumps(config, default=repr, option=orjson.OPT_INDENT_2) + b"\n")
            self._file = (path / RESULTS_FILE).open("wb", buffering=0)
        except OSError as error:
            raise RunDirectoryError(f"{path}: cannot be written: {error.strerror or error}") from error

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def append(self, position: int, result: ProblemResult) -> None:
        """Write one result; ``position`` is its problem's place in the dataset.

        Raises:
            RunDirectoryError: it could not be written, because the disk is full for example.
        """
        if self._failure is not None:  # something is torn behind the last line that is whole
            raise self._failure
        line = result.to_json() + b"\n"
        try:
            self._write_whole(line)
        except OSError as error:
            self._failure = RunDirectoryError(f"{self.path}: cannot be written: {error.strerror or error}")
            with suppress(OSError):
                self._file.truncate(self._end)
            raise self._failure from error
        self._order.append((position, self._end, len(line)))
        self._end += len(line)

    def _write_whole(self, line: bytes) -> None:
        view = memoryview(line)
        while view:
            view = view[self._file.write(view) or 0 :]

    def close(self) -> None:
        """Order the lines by problem and close the file. What cannot be ordered stays as it was written."""
        if self._file.closed:
            return
        self._file.close()
        if self._order == sorted(self._order):
            return
        results = self.path / RESULTS_FILE
        ordered = results.with_suffix(".tmp")
        try:
            with results.open("rb") as source, ordered.open("wb") as target:
                for _, offset, size in sorted(self._order):
                    source.seek(offset)
                    target.write(source.read(size))
                target.flush()
                os.fsync(target.fileno())
            ordered.replace(results)
        except OSError as error:
            raise RunDirectoryError(f"{self.path}: results could not be put in order: {error}") from error


def require_free(path: Path) -> None:
    """Make sure that a run can be written to a path: there is nothing, or an empty directory.

    Raises:
        RunDirectoryError: it is taken, or cannot be looked at.
    """
    try:
        taken = path.exists() and (not path.is_dir() or any(path.iterdir()))
        nearest = next(parent for parent in (path, *path.absolute().parents) if parent.exists())
    except OSError as error:
        raise RunDirectoryError(f"{path}: cannot be read: {error.strerror or error}") from error
    if not taken and not (nearest.is_dir() and os.access(nearest, os.W_OK)):
        raise RunDirectoryError(f"{path}: cannot be written; name another directory with --out")
    if taken:
        raise RunDirectoryError(f"{path}: exists already; name another directory with --out, or remove it")


def _replace(path: Path, content: bytes) -> None:
    """Write a file so that it is there whole or not at all."""
    temporary = path.with_suffix(".tmp")
    with temporary.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)


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
