"""The published formats that can be read, by name."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from asyncsearch.datasets.files import Record
from asyncsearch.errors import ConfigurationError
from asyncsearch.plugins import suggestion
from asyncsearch.training_data.gsm8k import from_gsm8k
from asyncsearch.training_data.math_shepherd import from_math_shepherd
from asyncsearch.training_data.metamath import from_metamath
from asyncsearch.training_data.prm800k import from_prm800k
from asyncsearch.training_data.processbench import from_processbench
from asyncsearch.training_data.solution import Dropped, TrainingSolution

__all__ = ["PUBLISHED", "PublishedFormat", "published_format_named"]


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishedFormat:
    """How a dataset's files are read: ``convert`` gives the solutions in one record, or says why there is none."""

    name: str
    convert: Callable[[Record], Iterator[TrainingSolution | Dropped]]


PUBLISHED: Mapping[str, PublishedFormat] = MappingProxyType(
    {
        format.name: format
        for format in (
            PublishedFormat(name="metamath", convert=from_metamath),
            PublishedFormat(name="gsm8k", convert=from_gsm8k),
            PublishedFormat(name="math-shepherd", convert=from_math_shepherd),
            PublishedFormat(name="prm800k", convert=from_prm800k),
            PublishedFormat(name="processbench", convert=from_processbench),
        )
    }
)


def published_format_named(name: str) -> PublishedFormat:
    """The format of that name.

    Raises:
        ConfigurationError: there is none.
    """
    if name not in PUBLISHED:
        raise ConfigurationError(f"unknown dataset format {name!r}; {suggestion(name, [*PUBLISHED])}")
    return PUBLISHED[name]
