"""The page as one file, which reads nothing but itself."""

from __future__ import annotations

import base64
import hashlib
import html
import string
from collections.abc import Iterator, Sequence
from dataclasses import asdict, fields
from datetime import UTC, datetime
from importlib.metadata import version
from importlib.resources import files
from itertools import combinations
from pathlib import Path
from typing import Any, NamedTuple

from asyncsearch.errors import RunDirectoryError
from asyncsearch.evaluation import paired_test
from asyncsearch.files import write_whole_file
from asyncsearch.problem import Problem
from asyncsearch.report.harmless import harmless
from asyncsearch.report.page.packing import pack
from asyncsearch.report.page.run_data import Outcome, RunData
from asyncsearch.run_directory import unwritable

__all__ = ["PAGE_FILE", "Plot", "write_page"]

PAGE_FILE = "index.html"

_STYLES = ("theme.css", "page.css", "tree.css")
_SCRIPTS = (
    "text.js",
    "elements.js",
    "data.js",
    "tree.js",
    "layout.js",
    "colours.js",
    "drawing.js",
    "node_panel.js",
    "votes.js",
    "problem.js",
    "overview.js",
    "filters.js",
    "list.js",
    "place.js",
    "theme.js",
    "main.js",
)
"""In the order in which they stand in the page, all in one scope."""

_MARK = b'<meta name="generator" content="asyncsearch report">'
_MARK_WITHIN = 2000
"""Bytes from the beginning of a page in which the mark stands."""


class Plot(NamedTuple):
    """A drawing for the page, and what it is called."""

    title: str
    svg: str


def write_page(
    directory: Path, runs: Sequence[RunData], *, plots: Sequence[Plot] = (), notes: Sequence[str] = ()
) -> Path:
    """Write runs as one page, whole or not at all, over an earlier one.

    Nothing leaves the page and nothing but its own script runs in it: its security policy says so to the browser, and
    what models wrote is never more than text in it. Plots are shown as pictures, in which no script runs and whose
    identifiers and styles are their own.

    Args:
        directory: where ``index.html`` goes; made if it is not there.
        runs: with names that differ.
        plots: drawings for the top of the page.
        notes: what there is to say of all of it.

    Returns:
        The file.

    Raises:
        RunDirectoryError: the directory cannot be written, or has an ``index.html`` that is no such page.
        StorageError: the disk is full, or the like; then what was there is untouched.
    """
    file = directory / PAGE_FILE
    try:
        directory.mkdir(parents=True, exist_ok=True)
        if file.exists() and not _is_page(file):
            raise RunDirectoryError(f"{file}: is there already, and no report; name another directory")
        write_whole_file(file, _parts(runs, plots, notes))
    except OSError as error:
        raise unwritable(directory, error) from error
    return file


def _is_page(file: Path) -> bool:
    with file.open("rb") as content:
        return _MARK in content.read(_MARK_WITHIN)


def _parts(runs: Sequence[RunData], plots: Sequence[Plot], notes: Sequence[str]) -> Iterator[bytes]:
    """The page from its beginning to its end, the trees last: until then it can be used already."""
    assets = files("asyncsearch.report.page") / "assets"
    style = "\n" + "".join((assets / name).read_text(encoding="utf-8") for name in _STYLES)
    content = "\n".join((assets / name).read_text(encoding="utf-8") for name in _SCRIPTS)
    script = f'\n"use strict";\n(() => {{\n{content}}})();\n'
    policy = (
        f"default-src 'none'; script-src '{_digest(script)}'; style-src '{_digest(style)}'; img-src data:; "
        "base-uri 'none'; form-action 'none'"
    )
    before, after = (assets / "page.html").read_text(encoding="utf-8").split("$trees")
    page = string.Template(before).substitute(
        policy=policy,
        title=html.escape(harmless(f"asyncsearch: {', '.join(run.name for run in runs)}")),
        style=style,
        plots="".join(map(_figure, plots)),
        summary=_block("summary", pack(_summary(runs, notes))),
        script=script,
    )
    yield page.encode("utf-8", "replace")
    for number, run in enumerate(runs):
        for index, block in enumerate(run.blocks):
            yield _block(f"trees-{number}-{index}", block).encode("ascii")
    yield after.encode()


def _digest(text: str) -> str:
    """What the page's policy knows a script or style by."""
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"


def _block(name: str, packed: bytes) -> str:
    """Data that a browser does nothing with until it is asked for."""
    return f'<script type="application/octet-stream" id="{name}">{base64.b64encode(packed).decode()}</script>\n'


def _figure(plot: Plot) -> str:
    source = f"data:image/svg+xml;base64,{base64.b64encode(plot.svg.encode()).decode()}"
    title = html.escape(harmless(plot.title))
    return f'<figure><img src="{source}" alt="{title}"><figcaption>{title}</figcaption></figure>\n'


def _summary(runs: Sequence[RunData], notes: Sequence[str]) -> dict[str, Any]:
    """All that is known before a tree is looked at: runs, problems, and the outcomes of each run as columns.

    A problem of several runs is one, if its text and reference are the same.
    """
    numbers: dict[tuple[str, str, str | None], int] = {}
    problems: list[Problem] = []
    found = []
    for run in runs:
        rows = []
        for problem in run.problems:
            number = numbers.setdefault((problem.id, problem.text, problem.answer), len(problems))
            if number == len(problems):
                problems.append(problem)
            rows.append(number)
        outcomes = {field.name: [getattr(row, field.name) for row in run.outcomes] for field in fields(Outcome)}
        found.append({"name": run.name, **run.about, "begins": run.begins, "outcomes": {**outcomes, "problem": rows}})
    return {
        "written": datetime.now(UTC).date().isoformat(),
        "version": version("asyncsearch"),
        "notes": [*notes],
        "runs": found,
        "pairs": [*_pairs(runs)],
        "problems": {
            name: [row[name] for row in map(asdict, problems)] for name in ("id", "text", "answer", "level", "subject")
        },
    }


def _pairs(runs: Sequence[RunData]) -> Iterator[dict[str, Any]]:
    """Each run against each of those behind it, by their numbers, where they have problems in common."""
    for (first, one), (second, other) in combinations(enumerate(runs), 2):
        test = paired_test(one.judgements, other.judgements, methods=(one.method, other.method))
        if test.problems:
            yield {
                "first": first,
                "second": second,
                "only_first": test.only_first,
                "only_second": test.only_second,
                "difference": test.difference.value,
                "interval": (test.difference.low, test.difference.high),
                "p_value": test.p_value,
            }
