"""How far a run is, read from its journal while another process writes it."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self

from asyncsearch.journal.reading import JournalReader, open_journal
from asyncsearch.journal.records import Abandoned, Began, Ended, Failed, Generated, Record, Retried, Scored
from runtimes.base import Usage

__all__ = ["JournalFollower", "JournalTally", "OpenSearch", "TokenTally"]

_AT_A_TIME = 1 << 20
"""Bytes: some tenths of a second."""


@dataclass(slots=True)
class TokenTally:
    """Tokens of one model's answers: of their prompts, of those the ones that were cached, and generated ones."""

    prompt: int = 0
    cached: int = 0
    generated: int = 0

    def add(self, usage: Usage) -> None:
        """Count those of one more answer."""
        self.prompt += usage.prompt_tokens
        self.cached += usage.cached_tokens
        self.generated += usage.generated_tokens


@dataclass(slots=True)
class OpenSearch:
    """What is recorded of a search that is not over: of the problem with this id, and of its tree by now.

    ``depth`` is that of its deepest node, ``tokens`` were generated.
    """

    problem: str
    nodes: int = 0
    depth: int = 0
    tokens: int = 0


@dataclass(slots=True)
class JournalTally:
    """How much a journal holds: ``nodes`` that were generated, tokens of both models, and ``open`` searches.

    These are by their numbers, in the order in which they began. Of others nothing is kept but their problems' ids.
    """

    nodes: int = 0
    policy: TokenTally = field(default_factory=TokenTally)
    reward: TokenTally = field(default_factory=TokenTally)
    open: dict[int, OpenSearch] = field(default_factory=dict)
    _ended: dict[int, str] = field(default_factory=dict)

    def count(self, record: Record) -> None:
        """Count one more record."""
        match record:
            case Generated():
                self.nodes += 1
                self.policy.add(record.cost.usage)
                if (search := self.open.get(record.search)) is not None:
                    search.nodes += 1
                    search.depth = max(search.depth, len(record.path))
                    search.tokens += record.cost.usage.generated_tokens
            case Scored():
                self.reward.add(record.cost.usage)
            case Began():
                self.open[record.search] = OpenSearch(record.problem.id)
            case Ended() if record.search in self.open:
                self._ended[record.search] = self.open.pop(record.search).problem
            case Retried() if record.search in self._ended:
                self.open[record.search] = OpenSearch(self._ended.pop(record.search))
            case Ended() | Retried() | Failed() | Abandoned():
                pass


class JournalFollower:
    """Reads what has been added to a journal, as often as it is asked to, and keeps a ``tally`` of it.

    Nothing is locked or written, and only whole blocks are read: whoever resumes a run cuts off what is behind them. If
    more than that is cut off all the same, or another file takes the journal's place, it is read anew.

    Args:
        path: of the file, which need not be there yet.
    """

    def __init__(self, path: Path) -> None:
        self.tally = JournalTally()
        self.is_behind = True
        self._path = path
        self._reader: JournalReader | None = None
        self._open = ExitStack()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._open.close()

    @property
    def end(self) -> int:
        """How many bytes have been read."""
        return 0 if self._reader is None else self._reader.blocks.end

    @property
    def size(self) -> int:
        """How many there were at the last look."""
        return 0 if self._reader is None else self._reader.blocks.size

    def look(self) -> None:
        """Take up what has been added, or a part of that: afterwards ``is_behind`` says whether there is more.

        Raises:
            JournalError: the journal cannot be read, or is damaged.
        """
        if self._reader is not None and not self._reader.blocks.is_current:
            self._open.close()
            self._reader = None
            self.tally = JournalTally()
        self.is_behind = False
        if self._reader is None:
            if not self._path.exists():
                return
            self._reader = self._open.enter_context(open_journal(self._path))
        blocks = self._reader.blocks
        enough = blocks.end + _AT_A_TIME
        for records in self._reader.batches():
            for record in records:
                self.tally.count(record)
            if blocks.end >= enough:
                self.is_behind = True
                return
