"""Every error of the framework.

    AsyncSearchError
      + UserError            something the user gave is wrong; one line says what, where and what to do
        - ConfigurationError   an option, a parameter, a configuration file
        - DatasetError         a file of problems
        - ModelError           a model that cannot be opened
        - RunDirectoryError    a run directory that is there already, is another run's, or is not one
      + StorageError         what is in a run directory cannot be read or written, or is not what a run wrote
        - JournalError         it is the journal
          + JournalDamaged       which is not what was written, from some byte on
      + ModelGone            a model stopped answering for good in the middle of a run
      + TooManyFailures      more problems failed than a run was to bear with
      + GradingError         answers cannot be compared at all
      + TrainingError        a training cannot go on: it has diverged, or memory is short

A problem that cannot be solved raises nothing: its error is recorded with its result. Runtimes have a hierarchy
of their own, `runtimes.base.RuntimeFailure`.
"""

from __future__ import annotations

from pathlib import Path

__all__ = [
    "AsyncSearchError",
    "ConfigurationError",
    "DatasetError",
    "GradingError",
    "JournalDamaged",
    "JournalError",
    "ModelError",
    "ModelGone",
    "RunDirectoryError",
    "StorageError",
    "TooManyFailures",
    "TrainingError",
    "UserError",
    "first_cause",
    "printable",
    "shown",
]


class AsyncSearchError(Exception):
    """The base of the framework's errors."""


class UserError(AsyncSearchError):
    """Something that was given is wrong. The message is one line, fit to be shown as it is."""


class ConfigurationError(UserError):
    """An option, a strategy's parameter or a configuration file is wrong."""


class DatasetError(UserError):
    """A file of problems is missing or cannot be read."""


class ModelError(UserError):
    """A model cannot be opened."""


class RunDirectoryError(UserError):
    """A run directory exists already, cannot be made or is of another run, or what was named is not one."""


class StorageError(AsyncSearchError):
    """What is in a run directory cannot be read or written, because the disk is full for example, or is damaged.

    What was written until then is kept.
    """


class JournalError(StorageError):
    """A run's journal cannot be read or written, or is none of this run."""


class JournalDamaged(JournalError):
    """A run's journal is not what was written, from the byte at ``offset`` on."""

    def __init__(self, path: Path, offset: int, what: str) -> None:
        super().__init__(
            f"{path}, byte {offset}: damaged: {what}; 'asyncsearch check --cut' keeps what stands before it"
        )
        self.offset = offset


class ModelGone(AsyncSearchError):
    """A model will not answer any more. Nothing that is left can be solved; what was solved until then is kept."""


class TooManyFailures(AsyncSearchError):
    """More problems failed than were to be borne with. What was solved until then is kept."""


class GradingError(AsyncSearchError):
    """The process that compares answers cannot be started."""


class TrainingError(AsyncSearchError):
    """A training cannot go on; its last whole checkpoint is kept."""


def first_cause(error: BaseException, *kinds: type[BaseException]) -> BaseException:
    """The first error inside nested groups, of these kinds if there is one: it is enough to say what went wrong."""
    if isinstance(error, BaseExceptionGroup) and kinds:
        error = error.subgroup(kinds) or error
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


def printable(text: str) -> str:
    """Text that can be written down: what is no character is shown by its number."""
    return text.encode("utf-8", "backslashreplace").decode()


_MOST_SHOWN = 80


def shown(value: object) -> str:
    """A value as a message shows it: what is long is cut off."""
    words = repr(value)
    return words if len(words) <= _MOST_SHOWN else f"{words[:_MOST_SHOWN]}..."
