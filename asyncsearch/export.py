"""A run's candidates in the forms that others read."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, BinaryIO

import orjson
from anyio.lowlevel import checkpoint

from asyncsearch.answers import make_grader
from asyncsearch.candidate_rows import COLUMNS, TEXTS, candidate_rows
from asyncsearch.format import format_from
from asyncsearch.reference import reference_record
from asyncsearch.run_directory import read_config, read_results, verify_config

__all__ = ["EXPORT_FORMATS", "ExportFormat", "Exported"]


@dataclass(slots=True, kw_only=True)
class Exported:
    """What was exported: so many problems and candidates.

    For the reference ``unanswered`` candidates, which have no answer, are left out, and of ``misread`` ones it takes
    another answer than theirs; ``ungraded`` problems have no reference answer, and it counts them as wrong.
    """

    problems: int = 0
    candidates: int = 0
    unanswered: int = 0
    misread: int = 0
    ungraded: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportFormat:
    """A form that a run is exported to.

    ``write`` takes the run's directory and an open file. It raises `RunDirectoryError` where there is no run,
    `StorageError` where that is damaged, and `OSError` where the file cannot be written; cancellation leaves it as far
    as it is. ``file_name`` is what such a file is called where nothing else is said.
    """

    file_name: str
    write: Callable[[Path, BinaryIO], Coroutine[Any, Any, Exported]]

    @property
    def suffix(self) -> str:
        """What the name of such a file ends in."""
        return Path(self.file_name).suffix


async def _write_reference(run: Path, file: BinaryIO) -> Exported:
    """A list as ``rebase.py`` writes it, a problem a line. In ASCII: its readers do not say how a file is encoded."""
    split = format_from(_config(run)["format"], name="recorded").split_steps
    exported = Exported()
    before = "[\n"
    for result in read_results(run):
        await checkpoint()
        record = reference_record(result, split)
        file.write(f"{before}{json.dumps(record.content)}".encode("ascii"))
        before = ",\n"
        exported.problems += 1
        exported.candidates += len(record.content["model_answer"])
        exported.unanswered += sum(one.answer is None for one in result.candidates)
        exported.misread += record.misread
        exported.ungraded += result.reference is None
    file.write(b"\n]\n" if exported.problems else b"[]\n")
    return exported


async def _write_jsonl(run: Path, file: BinaryIO) -> Exported:
    """An object a line, with all columns."""
    return await _write_rows(run, lambda row: file.write(orjson.dumps(row, option=orjson.OPT_APPEND_NEWLINE)))


async def _write_csv(run: Path, file: BinaryIO) -> Exported:
    """A table without the texts."""
    text = io.TextIOWrapper(file, encoding="utf-8", newline="")
    try:
        table = csv.DictWriter(text, [name for name in COLUMNS if name not in TEXTS], extrasaction="ignore")
        table.writeheader()
        return await _write_rows(run, table.writerow)
    finally:
        text.detach()  # or it would close the file


async def _write_rows(run: Path, write: Callable[[dict[str, Any]], object]) -> Exported:
    config = _config(run)
    exported = Exported()
    async with make_grader(config["grader"], time_limit=config["grading_seconds"]) as grader:
        for result in read_results(run):
            await checkpoint()
            for row in await candidate_rows(result, grader):
                write(row)
            exported.problems += 1
            exported.candidates += len(result.candidates)
    return exported


def _config(run: Path) -> dict[str, Any]:
    verify_config(run)
    return read_config(run)


EXPORT_FORMATS: Mapping[str, ExportFormat] = MappingProxyType(
    {
        "rebase": ExportFormat(file_name="answers.json", write=_write_reference),
        "jsonl": ExportFormat(file_name="candidates.jsonl", write=_write_jsonl),
        "csv": ExportFormat(file_name="candidates.csv", write=_write_csv),
    }
)
"""The forms by name: the REBASE reference's, an object a candidate, and the same as a table without texts."""
