"""What happened is written down before it is used, so that nothing is lost and everything can be replayed."""

from asyncsearch.journal.journal import Journal, NodeRecords, SearchJournal, read_journal

__all__ = ["Journal", "NodeRecords", "SearchJournal", "read_journal"]
