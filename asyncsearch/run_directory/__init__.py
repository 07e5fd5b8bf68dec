"""The directory that a run is kept in: configuration, journal and results, held by one process at a time."""

from asyncsearch.run_directory.cutting import cut_journal
from asyncsearch.run_directory.directory import RunDirectory, open_run_directory
from asyncsearch.run_directory.fit import Resumption, as_recorded, require_fit, require_free, verify_config
from asyncsearch.run_directory.following import RunFollower
from asyncsearch.run_directory.layout import (
    COMMAND_FILE,
    CONFIG_FILE,
    JOURNAL_FILE,
    RESULTS_FILE,
    RUNS_FILE,
    read_config,
    unwritable,
)
from asyncsearch.run_directory.lock import Holder, holder_of, locked
from asyncsearch.run_directory.planned import plan_runs, unbegun_runs
from asyncsearch.run_directory.results_file import has_torn_line, read_results

__all__ = [
    "COMMAND_FILE",
    "CONFIG_FILE",
    "JOURNAL_FILE",
    "RESULTS_FILE",
    "RUNS_FILE",
    "Holder",
    "Resumption",
    "RunDirectory",
    "RunFollower",
    "as_recorded",
    "cut_journal",
    "has_torn_line",
    "holder_of",
    "locked",
    "open_run_directory",
    "plan_runs",
    "read_config",
    "read_results",
    "require_fit",
    "require_free",
    "unbegun_runs",
    "unwritable",
    "verify_config",
]
