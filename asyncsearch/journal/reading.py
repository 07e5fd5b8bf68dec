"""What a journal says, read from its file."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

from asyncsearch.errors import JournalDamaged, JournalError
from asyncsearch.journal.blocks import BlockReader
from asyncsearch.journal.compression import Decompressor
from asyncsearch.journal.records import (
    Abandoned,
    Began,
    Ended,
    Failed,
    Generated,
    Header,
    NodeRecord,
    Record,
    Retried,
    Scored,
    unpack,
    unpack_header,
)
from asyncsearch.journal.records import Path as NodePath
from asyncsearch.problem import Problem
from asyncsearch.scheduler.cost import Cost

__all__ = [
    "JournalContents",
    "JournalReader",
    "NodeRecords",
    "Nodes",
    "SearchRecords",
    "collect",
    "journaled_problems",
    "open_journal",
    "read_header",
    "read_journal",
    "verify_journal",
]


@dataclass(slots=True)
class NodeRecords:
    """What is recorded of one node; each None until it is.

    ``spent`` is what came to nothing of what is asked for next: of tries that count no more, or were given up.
    """

    generated: Generated | None = None
    scored: Scored | None = None
    failed: Failed | None = None
    spent: Cost | None = None

    def note(self, record: NodeRecord) -> None:
        """Take up a record of the node."""
        self.failed = self.spent = None  # what is recorded later includes it
        match record:
            case Generated():
                self.generated = record
            case Scored():
                self.scored = record
            case Failed():
                self.failed = record
            case Abandoned():
                self.spent = record.cost

    def forget_failure(self) -> None:
        """Take it as if the node had not failed, but for what that has cost."""
        if self.failed is not None:
            self.spent, self.failed = self.failed.cost.as_failed(), None

    @property
    def policy(self) -> Cost:
        """What it has cost to generate the node, so far."""
        return self.generated.cost if self.generated is not None else self._unanswered

    @property
    def reward(self) -> Cost:
        """What it has cost to score it, so far."""
        if self.generated is None:
            return Cost()
        return self.scored.cost if self.scored is not None else self._unanswered

    @property
    def _unanswered(self) -> Cost:
        if self.failed is not None:
            return self.failed.cost
        return Cost() if self.spent is None else self.spent


Nodes: TypeAlias = dict[NodePath, NodeRecords]
"""What is recorded of the nodes of one search, by their paths."""


@dataclass(slots=True)
class SearchRecords:
    """What is recorded of the search for a problem; ``ended`` where that is all of it."""

    problem: Problem
    nodes: Nodes = field(default_factory=dict)
    ended: bool = False

    @property
    def has_failures(self) -> bool:
        """Whether a node of it failed."""
        return any(records.failed is not None for records in self.nodes.values())

    def forget_failures(self) -> None:
        """Take it as if nothing had failed: it is made again."""
        self.ended = False
        for records in self.nodes.values():
            records.forget_failure()


class JournalReader:
    """Reads all records of a journal in order, behind its ``header``, which is None where not even that is whole.

    ``blocks`` says how far it is. To iterate once more goes on with what has been added since. See `open_journal`.

    Raises:
        JournalError: the file cannot be read, or is damaged; the message names the offset.
    """

    def __init__(self, path: Path, blocks: BlockReader) -> None:
        self.header: Header | None = None
        self.blocks = blocks
        self._path = path
        self._decompressor = Decompressor(None)
        self._began: set[int] = set()
        self._read_header(iter(blocks))

    def __iter__(self) -> Iterator[Record]:
        for records in self.batches():
            yield from records

    def batches(self) -> Iterator[list[Record]]:
        """The same, those of each block together."""
        content = iter(self.blocks)
        if self.header is None:
            self._read_header(content)
        for offset, payload in content:
            try:
                records = unpack(self._decompressor.decompress(payload))
            except ValueError as error:
                raise JournalDamaged(self._path, offset, str(error)) from error
            for record in records:
                if isinstance(record, Began):
                    self._began.add(record.search)
                elif record.search not in self._began:
                    raise JournalDamaged(self._path, offset, f"there is no search {record.search} before this")
            yield records

    def _read_header(self, content: Iterator[tuple[int, bytes]]) -> None:
        if (first := next(content, None)) is not None:
            offset, payload = first
            try:
                self.header = unpack_header(payload)
            except ValueError as error:
                raise JournalError(f"{self._path}, byte {offset}: {error}") from error
            self._decompressor = Decompressor(self.header.compression)


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


def collect(records: Iterable[Record], *, unwanted: Collection[str] = ()) -> dict[int, SearchRecords]:
    """What is recorded of each search by its number, in the order in which they began.

    The nodes of those that ended are left out where their problem's id is among ``unwanted`` ones.
    """
    searches: dict[int, SearchRecords] = {}
    for record in records:
        if isinstance(record, Began):
            searches[record.search] = SearchRecords(record.problem)
            continue
        search = searches[record.search]
        match record:
            case Ended():
                search.ended = True
                if search.problem.id in unwanted:
                    search.nodes.clear()
            case Retried():
                search.forget_failures()
            case _:
                search.nodes.setdefault(record.path, NodeRecords()).note(record)
    return searches


def journaled_problems(path: Path) -> Iterator[Problem]:
    """The problems of which the search began, in this order.

    Raises:
        JournalError: the file cannot be read, or is damaged.
    """
    with open_journal(path) as reader:
        for record in reader:
            if isinstance(record, Began):
                yield record.problem


def read_journal(path: Path) -> Iterator[tuple[Problem, Nodes]]:
    """Every problem with the records of its search, in the order in which they began.

    A torn end is passed over.

    Raises:
        JournalError: the file cannot be read, or is damaged.
    """
    with open_journal(path) as reader:
        searches = collect(reader)
    for number in [*searches]:  # each is let go of when the next is wanted
        search = searches.pop(number)
        yield search.problem, search.nodes


@dataclass(slots=True, kw_only=True)
class JournalContents:
    """How much a journal holds: blocks, records of each kind, and bytes of a torn end.

    ``ended`` are the ids of problems of which all is there that their result was made of.
    """

    blocks: int = 0
    problems: int = 0
    generated: int = 0
    scored: int = 0
    failed: int = 0
    torn_bytes: int = 0
    ended: set[str] = field(default_factory=set)


def verify_journal(path: Path) -> JournalContents:
    """Read every byte of a journal, and keep nothing but counts.

    Raises:
        JournalError: it cannot be read, or is damaged; the message names the offset.
    """
    contents = JournalContents()
    ids: dict[int, str] = {}
    with open_journal(path) as reader:
        for record in reader:
            match record:
                case Began():
                    ids[record.search] = record.problem.id
                case Generated():
                    contents.generated += 1
                case Scored():
                    contents.scored += 1
                case Failed():
                    contents.failed += 1
                case Ended():
                    contents.ended.add(ids[record.search])
                case Retried():
                    contents.ended.discard(ids[record.search])
        contents.blocks, contents.torn_bytes = reader.blocks.count, reader.blocks.torn
    contents.problems = len(ids)
    return contents
