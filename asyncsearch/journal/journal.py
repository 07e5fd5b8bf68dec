"""The journal of one run: what was generated and scored is written down before any strategy sees it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import anyio
from anyio import to_thread

from asyncsearch.errors import JournalError
from asyncsearch.journal.blocks import BlockWriter
from asyncsearch.journal.compression import Compressor
from asyncsearch.journal.reading import NodeRecords, Nodes, SearchRecords, collect, open_journal, verify_journal
from asyncsearch.journal.records import (
    Header,
    Row,
    abandoned_row,
    began_row,
    ended_row,
    failed_row,
    generated_row,
    pack,
    pack_header,
    retried_row,
    scored_row,
)
from asyncsearch.journal.records import Path as NodePath
from asyncsearch.problem import Problem
from asyncsearch.scheduler.cost import Cost
from runtimes.base import FinishReason

__all__ = ["Journal", "SearchJournal"]


@dataclass(frozen=True, slots=True)
class SearchJournal:
    """The part of a journal that is about one search: what it says already, and where more is added.

    Without anything to add to it is a search's memory of nothing. Whatever adds raises `JournalError` when nothing
    can be written any more. Where the search goes another way than the recorded one, ``known`` nodes that it does not
    come to were in vain if ``is_same_search``, and otherwise are not its own.
    """

    number: int = 0
    known: Nodes = field(default_factory=dict)
    add: Callable[[Row], None] = lambda _: None
    is_same_search: bool = True

    def of(self, path: NodePath) -> NodeRecords:
        """What is recorded of a node."""
        return self.known.get(path) or NodeRecords()

    def unvisited(self, visited: Iterable[NodePath]) -> Iterator[NodeRecords]:
        """What is recorded of nodes that were in vain, as it came to ``visited`` ones alone."""
        if self.known and self.is_same_search:
            paths = set(visited)
            yield from (records for path, records in self.known.items() if path not in paths)

    def add_generated(
        self,
        path: NodePath,
        text: str,
        token_ids: tuple[int, ...] | None,
        finish: FinishReason,
        cost: Cost,
        *,
        whole_solution: bool,
    ) -> None:
        """Add what the policy wrote for a node, see `Generated`."""
        self.add(generated_row(self.number, path, text, token_ids, finish, whole_solution, cost))

    def add_scored(self, path: NodePath, scores: tuple[float, ...], cost: Cost) -> None:
        """Add what the reward model said of it."""
        self.add(scored_row(self.number, path, scores, cost))

    def add_failed(self, path: NodePath, error: str, cost: Cost) -> None:
        """Add that it could not be generated or scored."""
        self.add(failed_row(self.number, path, error, cost))

    def add_abandoned(self, path: NodePath, cost: Cost) -> None:
        """Add what came to nothing when a node was given up on the way."""
        self.add(abandoned_row(self.number, path, cost))


class Journal:
    """Collects the records of a turn of the event loop, and writes them as one block in the next.

    A search goes on some turns after its records were added, so nothing is used that is not with the operating
    system by then: a process that is killed loses nothing that anybody has seen. ``durability`` is for power cuts:
    seconds between two times that the disk is made to take what was written, None for never. What cannot be written
    is not tried again: once something was not, whatever adds or flushes says so.

    Args:
        path: of the file.
        config: of the run, for the header of a journal that is new.
        compress: whether a new one is compressed.
        durability: see above.
        unwanted: ids of problems whose nodes are not wanted if their search ended.

    Raises:
        JournalError: the file cannot be written, or what is in it is damaged.
    """

    def __init__(
        self,
        path: Path,
        *,
        config: Mapping[str, Any],
        compress: bool = True,
        durability: float | None = None,
        unwanted: Collection[str] = (),
    ) -> None:
        self._path = path
        self._durability = durability
        self._pending: list[Row] = []
        self._failure: JournalError | None = None
        self._unsynced = anyio.Event()
        self._searches: dict[int, SearchRecords] = {}
        header: Header | None = None
        end = 0
        if path.exists():
            # Only those that ended for good: what was retried since then may not have.
            unwanted = verify_journal(path).ended.intersection(unwanted) if unwanted else ()
            with open_journal(path) as reader:
                self._searches = collect(reader, unwanted=unwanted)
                header, end = reader.header, reader.blocks.end
        self._numbers = {search.problem.id: number for number, search in self._searches.items()}
        self._count = max(self._searches, default=-1) + 1
        new = Header(dict(config), "zstd" if compress else None)
        self._compressor = Compressor((header or new).compression)
        self._writer = BlockWriter(path, end=end)
        if header is None:
            try:
                self._writer.append(pack_header(new))
            except JournalError:
                self._writer.close()
                raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        try:
            if kind is None:
                self.flush()
            else:
                with suppress(JournalError):
                    self.flush()
            if self._durability is not None and self._failure is None:
                self._writer.sync()
        finally:
            self._writer.close()

    def recorded(self) -> Iterator[SearchRecords]:
        """What stood in the file when it was opened, of each search, and is not handed over yet."""
        return iter(self._searches.values())

    def retry(self, problems: Collection[str]) -> None:
        """Have the failures that are recorded of the searches for problems, by their ids, count no more.

        Unless ``durability`` is None the disk has taken that when this returns.

        Raises:
            JournalError: it cannot be written.
        """
        rows = []
        for number, search in self._searches.items():
            if search.problem.id in problems:
                search.forget_failures()
                rows.append(retried_row(number))
        if rows:
            self._write(rows)
            if self._durability is not None:
                self._writer.sync()

    def search(self, problem: Problem) -> SearchJournal:
        """The part about the search for a problem; what is known of it is handed over for good.

        Raises:
            JournalError: nothing can be written any more.
        """
        number = self._numbers.get(problem.id)
        if number is None:
            number = self._numbers[problem.id] = self._count
            self._count += 1
            self._add(began_row(number, problem))
        search = self._searches.pop(number, None)
        return SearchJournal(number, {} if search is None else search.nodes, self._add)

    def end(self, problem: str) -> None:
        """Write all that is not written yet, and that the search for a problem, by its id, is all there.

        Raises:
            JournalError: it cannot be written, now or before.
        """
        self._pending.append(ended_row(self._numbers[problem]))
        self.flush()

    def flush(self) -> None:
        """Write what has been added and is not written yet.

        Raises:
            JournalError: it cannot be written, now or before.
        """
        if self._failure is not None:
            raise self._failure
        if self._pending:
            rows, self._pending = self._pending, []
            self._write(rows)

    def _write(self, rows: Sequence[Row]) -> None:
        try:
            self._writer.append(self._compressor.compress(pack(rows)))
        except JournalError as failure:
            self._failure = failure
            raise
        except (TypeError, ValueError) as error:
            self._failure = JournalError(f"{self._path}: cannot be written: a record holds what is no text: {error}")
            raise self._failure from error
        except BaseException:  # an interrupt: what is compressed next would build on a block that may not be there
            self._failure = JournalError(f"{self._path}: writing to it was interrupted")
            raise
        self._unsynced.set()

    async def keep_synced(self) -> None:
        """Make the disk take what was written, again and again, until cancelled.

        Raises:
            JournalError: the disk refuses.
        """
        if self._durability is None:
            return
        while True:
            await self._unsynced.wait()
            self._unsynced = anyio.Event()
            await anyio.sleep(self._durability)
            await to_thread.run_sync(self._writer.sync)

    def _add(self, row: Row) -> None:
        if self._failure is not None:
            raise self._failure
        if not self._pending:
            asyncio.get_running_loop().call_soon(self._flush_in_turn)
        self._pending.append(row)

    def _flush_in_turn(self) -> None:
        with suppress(JournalError):  # kept, and raised to whoever adds or flushes next
            self.flush()
