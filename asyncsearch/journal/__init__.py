"""What happened is written down before it is used, so that nothing is lost and everything can be replayed."""

from asyncsearch.journal.cutting import cut_journal
from asyncsearch.journal.journal import Journal, SearchJournal
from asyncsearch.journal.reading import (
    JournalContents,
    NodeRecords,
    journaled_problems,
    read_header,
    read_journal,
    verify_journal,
)

__all__ = [
    "Journal",
    "JournalContents",
    "NodeRecords",
    "SearchJournal",
    "cut_journal",
    "journaled_problems",
    "read_header",
    "read_journal",
    "verify_journal",
]
