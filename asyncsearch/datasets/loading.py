"""Problems of a dataset: bundled, in a file, or on a hub."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import islice
from pathlib import Path
from types import MappingProxyType

from asyncsearch.datasets.bundled import BUNDLED
from asyncsearch.datasets.files import read_records
from asyncsearch.datasets.hub import HUB_DATASETS, HUB_PREFIX, hub_dataset_named, read_hub_dataset
from asyncsearch.datasets.record import Record, check_fields, read_problem
from asyncsearch.errors import DatasetError
from asyncsearch.problem import Problem

__all__ = ["is_dataset_name", "load_problems"]


def load_problems(
    source: str | Path, *, limit: int | None = None, fields: Mapping[str, str] = MappingProxyType({})
) -> list[Problem]:
    r"""Read the problems of a dataset.

    A record has its question under ``problem`` or ``question``, its reference under ``answer`` (of a worked solution
    that ends in "#### 18", as GSM8K's, or has a ``\boxed{}``, as MATH's under ``solution``, that is taken), and
    perhaps an ``id`` or ``unique_id``, a ``level`` and a ``subject`` or ``type``; without an id it is known by its
    number. Names are found in capitals, too, and further fields are allowed.

    Args:
        source: a file with a JSON object a line, a JSON file with a list of them, a directory of JSON files, as MATH's
            is, or a name: in `BUNDLED`, in `HUB_DATASETS`, or ``hf:OWNER/NAME[:CONFIG][@SPLIT]``.
        limit: the number of problems to read at most.
        fields: names of fields where they are others: of ``problem``, ``answer``, ``id``, ``level`` and ``subject``.

    Raises:
        DatasetError: the file is missing, a record is not as above, or two ids are the same; the message names the
            line.
        ConfigurationError: ``fields`` has other keys.
    """
    check_fields(fields)
    problems: list[Problem] = []
    places: dict[str, str] = {}
    for record in islice(_records(source), limit):
        problem = read_problem(record, fields)
        if problem.id in places:
            given = "" if problem.id != record.name else ", where a record without an id has its number"
            raise DatasetError(
                f"{record.where}: the id {problem.id!r} is that of {places[problem.id].rpartition(', ')[2]} too{given}"
            )
        places[problem.id] = record.where
        problems.append(problem)
    if not problems:
        raise DatasetError(f"{source}: holds no problems")
    return problems


def is_dataset_name(source: str) -> bool:
    """Whether a source is no path."""
    return source in BUNDLED or source in HUB_DATASETS or source.startswith(HUB_PREFIX)


def _records(source: str | Path) -> Iterator[Record]:
    name = str(source)
    if name in BUNDLED:
        return read_records(BUNDLED[name].problems(), called=name)
    if is_dataset_name(name):
        return read_hub_dataset(hub_dataset_named(name), called=name)
    if not Path(source).exists():
        names = ", ".join([*BUNDLED, *HUB_DATASETS])
        raise DatasetError(f"{source}: no such file, and no dataset that is known by name either (those are: {names})")
    return read_records(Path(source), called=name)
