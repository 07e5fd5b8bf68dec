"""From published files to one file to train on."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

import orjson

from asyncsearch.datasets.files import Record
from asyncsearch.errors import ConfigurationError, DatasetError
from asyncsearch.files import whole_file
from asyncsearch.json_records import read_json_records
from asyncsearch.problem import Problem
from asyncsearch.run_directory import unwritable
from asyncsearch.training_data.leakage import NEAR, Leak, Leakage, normalised
from asyncsearch.training_data.published import PublishedFormat
from asyncsearch.training_data.solution import Dropped, TrainingSolution

__all__ = ["Preparation", "Prepared", "prepare"]

_MOST_EXAMPLES = _MOST_SHOWN = 3

_EXACT, _NEARLY = "its problem is one of the test problems", "its problem is nearly one of the test problems"


@dataclass(frozen=True, slots=True, kw_only=True)
class Preparation:
    """What is done with published files.

    What is a problem of ``tests`` or shares ``near`` of its word sequences is left out. ``held_out`` is the share of
    problems whose solutions are kept aside, to be evaluated on; a problem's solutions are never on both sides, and
    which side depends on its text alone. ``limit`` is how many records are read.
    """

    tests: Sequence[Problem] = ()
    near: float = NEAR
    held_out: float = 0.0
    limit: int | None = None

    def __post_init__(self) -> None:
        if not 0 <= self.held_out < 1:
            raise ConfigurationError(f"the share of problems held out is from 0 to below 1, not {self.held_out}")


@dataclass(slots=True, kw_only=True)
class Prepared:
    """What came of it: how many ``records`` were read, and how many solutions ``kept`` and ``held_out``.

    They are of so many ``problems``; ``steps`` are theirs, of which so many are ``labelled``, and as ``right`` (1) and
    ``wrong`` (0). ``dropped`` counts what was left out by reason, and ``examples`` says where the first of each are.
    ``leaks`` are the test problems that were found, with the place of each.
    """

    records: int = 0
    kept: int = 0
    held_out: int = 0
    problems: int = 0
    steps: int = 0
    labelled: int = 0
    right: int = 0
    wrong: int = 0
    dropped: Counter[str] = field(default_factory=Counter)
    examples: dict[str, list[str]] = field(default_factory=dict)
    leaks: list[tuple[str, Leak]] = field(default_factory=list)

    def count(self, solution: TrainingSolution, *, held_out: bool) -> None:
        """Count a solution that is kept, or held out."""
        self.kept += not held_out
        self.held_out += held_out
        self.steps += len(solution.steps)
        if solution.labels is not None:
            self.labelled += sum(label is not None for label in solution.labels)
            self.right += sum(label == 1 for label in solution.labels)
            self.wrong += sum(label == 0 for label in solution.labels)

    def drop(self, reason: str, where: str) -> None:
        """Count something that is left out."""
        self.dropped[reason] += 1
        examples = self.examples.setdefault(reason, [])
        if len(examples) < _MOST_EXAMPLES:
            examples.append(where)


def prepare(
    files: Iterable[Path],
    format: PublishedFormat,
    out: Path,
    *,
    preparation: Preparation,
    held_out: Path | None = None,
    on_record: Callable[[], None] = lambda: None,
) -> Prepared:
    """Read published files record by record, and write what can be learned from: a `TrainingSolution` a line.

    Solutions that are there already, and solutions of test problems, are left out. Both files are there whole
    in the end, or neither.

    Args:
        files: JSON objects, one a line or in a list.
        format: what they are.
        out: the file to write.
        preparation: what is left out, and held out.
        held_out: the file for what is held out; needed where something is.
        on_record: called for every record.

    Raises:
        DatasetError: a file cannot be read or is of another format, or nothing in it can be learned from.
        StorageError: a file cannot be written.
    """
    report = Prepared()
    targets = [out] if held_out is None else [out, held_out]
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        with ExitStack() as stack:
            written = [stack.enter_context(whole_file(target)) for target in targets]
            for solution, aside in _chosen(files, format, preparation, report, on_record):
                written[aside].write(orjson.dumps(solution.to_record()) + b"\n")
            if not report.kept:
                reasons = "".join(f"; {count:,}: {reason}" for reason, count in report.dropped.most_common(_MOST_SHOWN))
                raise DatasetError(f"nothing is left to be learned from, of {report.records:,} records{reasons}")
    except OSError as error:
        raise unwritable(out, error) from error
    return report


def _chosen(
    files: Iterable[Path],
    format: PublishedFormat,
    preparation: Preparation,
    report: Prepared,
    on_record: Callable[[], None],
) -> Iterator[tuple[TrainingSolution, bool]]:
    """The solutions that are left, and whether each is held out; the report is kept on the way."""
    leakage = Leakage(preparation.tests, near=preparation.near)
    seen: set[bytes] = set()
    problems: dict[bytes, Leak | None] = {}
    for record in islice((record for file in files for record in read_json_records(file)), preparation.limit):
        on_record()
        report.records += 1
        for solution in _solutions_in(record, format, first=report.records == 1):
            if isinstance(solution, Dropped):
                report.drop(solution.reason, record.where)
                continue
            problem = _digest(normalised(solution.problem))
            if problem not in problems:
                problems[problem] = leak = leakage.of(solution.problem)
                if leak is not None:
                    report.leaks.append((record.where, leak))
                else:
                    report.problems += 1
            if (leak := problems[problem]) is not None:
                report.drop(_EXACT if leak.exact else _NEARLY, record.where)
                continue
            whole = _digest(repr((solution.problem, solution.steps, solution.labels)))
            if whole in seen:
                report.drop("the same solution is there already", record.where)
                continue
            seen.add(whole)
            aside = int.from_bytes(problem[:8], "big") < preparation.held_out * 2**64
            report.count(solution, held_out=aside)
            yield solution, aside


def _solutions_in(record: Record, format: PublishedFormat, *, first: bool) -> list[TrainingSolution | Dropped]:
    """What one record holds. Where the first is of another format so is the file; a later one may be damaged.

    Raises:
        DatasetError: it is the first, and of another format.
    """
    try:
        return [*format.convert(record)]
    except DatasetError:
        if first:
            raise
        return [Dropped(f"it is no record of {format.name}")]


def _digest(text: str) -> bytes:
    return hashlib.blake2b(text.encode(), digest_size=16).digest()
