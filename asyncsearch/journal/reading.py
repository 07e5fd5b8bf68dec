"""What a journal says, read from its file."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

from asyncsearch.errors import JournalDamaged
from asyncsearch.journal.blocks import BlockReader
from asyncsearch.journal.compression import Decompressor
from asyncsearch.journal.records import Began, Failed, Generated, Header, Record, Retried, Scored, unpack, unpack_header
from asyncsearch.journal.records import Path as NodePath
from asyncsearch.problem import Problem
from asyncsearch.scheduler.cost import Cost

__all__ = [
    "JournalContents",
    "JournalReader",
    "NodeRecords",
    "Nodes",
    "collect",
    "forget_failures",
    "journaled_problems",
    "open_journal",
    "read_header",
    "read_journal",
    "verify_journal",
]


@dataclass(slots=True)
class NodeRecords:
    """What is recorded of one node; each None until it is.

    ``spent`` is what came to nothing of what is asked for next, in tries that count no more.
    """

    generated: Generated | None = None
    scored: Scored | None = None
    failed: Failed | None = None
    spent: Cost | None = None

    def note(self, record: Generated | Scored | Failed) -> None:
        """Take up a record of the node."""
        self.failed = self.spent = None  # what is recorded later includes it
        match record:
            case Generated():
                self.generated = record
            case Scored():
                self.scored = record
            case Failed():
                self.failed = record

    def forget_failure(self) -> None:
        """Take it as if the node had not failed, but for what that has cost."""
        if self.failed is not None:
            self.spent, self.failed = self.failed.cost.as_failed(), None


Nodes: TypeAlias = dict[NodePath, NodeRecords]
"""What is recorded of the nodes of one search, by their paths."""


class JournalReader:
    """Reads all records of a journal in order, behind its ``header``, which is None where not even that is whole.

    ``blocks`` says how far it is. See `open_journal`.

    Raises:
        JournalError: the file cannot be read, or is damaged; the message names the offset.
    """

    def __init__(self, path: Path, blocks: BlockReader) -> None:
        self.header: Header | None = None
        self.blocks = blocks
        self._path = path
        self._content = iter(blocks)
        if (first := next(self._content, None)) is not None:
            offset, payload = first
            try:
                self.header = unpack_header(payload)
            except ValueError as error:
                raise JournalDamaged(path, offset, str(error)) from error

    def __iter__(self) -> Iterator[Record]:
        decompressor = Decompressor(None if self.header is None else self.header.compression)
        for offset, content in self._content:
            try:
                records = unpack(decompressor.decompress(content))
            except ValueError as error:
                raise JournalDamaged(self._path, offset, str(error)) from error
            yield from records


@contextmanager
def open_journal(path: Path) -> Iterator[JournalReader]:
    """Read a journal while the block runs.

    Raises:
        JournalError: it cannot be read, or its header is damaged.
    """
    with BlockReader(path) as blocks:
        yield JournalReader(path, blocks)


def read_header(path: Path) -> dict[str, Any] | None:
    """The configuration of the run that a journal is of, None if it was cut off before that was written.

    Raises:
        JournalError: it cannot be read.
    """
    with open_journal(path) as reader:
        return None if reader.header is None else reader.header.config


def collect(
    records: Iterable[Record], *, finished: frozenset[str] = frozenset()
) -> tuple[dict[int, Problem], dict[int, Nodes]]:
    """Every problem, and what is recorded of its search but for ``finished`` ones, by the number of the search."""
    problems: dict[int, Problem] = {}
    searches: dict[int, Nodes] = {}
    for record in records:
        if isinstance(record, Began):
            problems[record.search] = Problem(id=record.problem, text=record.text, answer=record.answer)
        elif isinstance(record, Retried):
            forget_failures(searches.get(record.search, {}))
        elif (problem := problems.get(record.search)) is not None and problem.id not in finished:
            searches.setdefault(record.search, {}).setdefault(record.path, NodeRecords()).note(record)
    return problems, searches


def journaled_problems(path: Path) -> Iterator[Problem]:
    """The problems of which the search began, in this order.

    Raises:
        JournalError: the file cannot be read, or is damaged.
    """
    with open_journal(path) as reader:
        for record in reader:
            if isinstance(record, Began):
                yield Problem(id=record.problem, text=record.text, answer=record.answer)


def read_journal(path: Path) -> Iterator[tuple[Problem, Nodes]]:
    """Every problem with the records of its search, in the order in which they began.

    A torn end is passed over.

    Raises:
        JournalError: the file cannot be read, or is damaged.
    """
    with open_journal(path) as reader:
        problems, searches = collect(reader)
    for number, problem in problems.items():
        yield problem, searches.pop(number, {})


def forget_failures(nodes: Nodes) -> None:
    """Take what is recorded of a search as if nothing had failed in it."""
    for records in nodes.values():
        records.forget_failure()


@dataclass(slots=True, kw_only=True)
class JournalContents:
    """How much a journal holds: blocks, records of each kind, and bytes of a torn end.

    ``tokens`` are those of each problem by its id: generated by the policy, and new to the reward model.
    """

    blocks: int = 0
    problems: int = 0
    generated: int = 0
    scored: int = 0
    failed: int = 0
    torn_bytes: int = 0
    tokens: dict[str, tuple[int, int]] = field(default_factory=dict)


def verify_journal(path: Path) -> JournalContents:
    """Read every byte of a journal, and keep nothing but counts.

    Raises:
        JournalError: it cannot be read, or is damaged; the message names the offset.
    """
    contents = JournalContents()
    ids: dict[int, str] = {}
    policy: Counter[int] = Counter()
    reward: Counter[int] = Counter()
    with open_journal(path) as reader:
        for record in reader:
            match record:
                case Began():
                    ids[record.search] = record.problem
                case Generated():
                    contents.generated += 1
                    policy[record.search] += record.cost.usage.generated_tokens
                case Scored():
                    contents.scored += 1
                    reward[record.search] += record.cost.usage.new_tokens
                case Failed():
                    contents.failed += 1
        contents.blocks, contents.torn_bytes = reader.blocks.count, reader.blocks.torn
    contents.problems = len(ids)
    contents.tokens = {problem: (policy[number], reward[number]) for number, problem in ids.items()}
    return contents
