"""What happened is written down before it is used, so that nothing is lost and everything can be replayed."""

from asyncsearch.journal.following import JournalFollower, JournalTally, OpenSearch, TokenTally
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
    "JournalFollower",
    "JournalTally",
    "NodeRecords",
    "OpenSearch",
    "SearchJournal",
    "SearchRecords",
    "TokenTally",
    "journaled_problems",
    "read_header",
    "read_journal",
    "verify_journal",
]
