"""What happened is written down before it is used, so that nothing is lost and everything can be replayed."""

from asyncsearch.journal.journal import Journal, SearchJournal
from asyncsearch.journal.reading import (
    JournalContents,
    NodeRecords,
    SearchRecords,
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
    "SearchRecords",
    "journaled_problems",
    "read_header",
    "read_journal",
    "verify_journal",
]
