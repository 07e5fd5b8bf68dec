"""What a journal says, read from its file."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from asyncsearch.errors import JournalError
from asyncsearch.journal.blocks import BlockReader
from asyncsearch.journal.compression import Decompressor
from asyncsearch.journal.records import Began, Failed, Generated, Header, Record, Retried, Scored, unpack, unpack_header
from asyncsearch.journal.records import Path as NodePath
from asyncsearch.problem import Problem

__all__ = [
    "JournalContents",
    "JournalReader",
    "NodeRecords",
    "forget_failures",
    "open_journal",
    "read_header",
    "read_journal",
    "tokens_generated",
    "verify_journal",
]


@dataclass(slots=True)
class NodeRecords:
    """What is recorded of one node; each None until it is."""

    generated: Generated | None = None
    scored: Scored | None = None
    failed: Failed | None = None

    def note(self, record: Generated | Scored | Failed) -> None:
        """Take up a record of the node."""
        match record:
            case Generated():
                self.generated, self.failed = record, None
            case Scored():
                self.scored, self.failed = record, None
            case Failed():
                self.failed = record


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
        for offset, payload in self._content:
            try:
                self.header = unpack_header(payload)
            except ValueError as error:
                raise JournalError(f"{path}, byte {offset}: {error}") from error
            break

    def __iter__(self) -> Iterator[Record]:
        decompressor = Decompressor(None if self.header is None else self.header.compression)
        for offset, content in self._content:
            try:
                records = unpack(decompressor.decompress(content))
            except ValueError as error:
                raise JournalError(f"{self._path}, byte {offset}: {error}") from error
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


def read_journal(path: Path) -> Iterator[tuple[Problem, dict[NodePath, NodeRecords]]]:
    """Every problem with the records of its search, in the order in which they began.

    A torn end is passed over.

    Raises:
        JournalError: the file cannot be read, or is damaged.
    """
    problems: dict[int, Problem] = {}
    known: dict[int, dict[NodePath, NodeRecords]] = {}
    with open_journal(path) as reader:
        for record in reader:
            if isinstance(record, Began):
                problems[record.search] = Problem(id=record.problem, text=record.text, answer=record.answer)
            elif isinstance(record, Retried):
                forget_failures(known.get(record.search, {}))
            else:
                known.setdefault(record.search, {}).setdefault(record.path, NodeRecords()).note(record)
    for number, problem in problems.items():
        yield problem, known.pop(number, {})


def tokens_generated(path: Path) -> dict[str, int]:
    """How many tokens a journal has of each problem, by its id; none where there is no journal.

    Raises:
        JournalError: it cannot be read, or is damaged.
    """
    if not path.exists():
        return {}
    return {
        problem.id: sum(known.generated.cost.usage.generated_tokens for known in nodes.values() if known.generated)
        for problem, nodes in read_journal(path)
    }


def forget_failures(known: Mapping[NodePath, NodeRecords]) -> None:
    """Take what is recorded of a search as if nothing had failed in it."""
    for records in known.values():
        records.failed = None


@dataclass(slots=True, kw_only=True)
class JournalContents:
    """How much a journal holds: blocks, records of each kind, and bytes of a torn end."""

    blocks: int = 0
    problems: int = 0
    generated: int = 0
    scored: int = 0
    failed: int = 0
    torn_bytes: int = 0


def verify_journal(path: Path) -> JournalContents:
    """Read every byte of a journal.

    Raises:
        JournalError: it cannot be read, or is damaged; the message names the offset.
    """
    contents = JournalContents()
    with open_journal(path) as reader:
        for record in reader:
            contents.problems += isinstance(record, Began)
            contents.generated += isinstance(record, Generated)
            contents.scored += isinstance(record, Scored)
            contents.failed += isinstance(record, Failed)
        contents.blocks, contents.torn_bytes = reader.blocks.count, reader.blocks.torn
    return contents
