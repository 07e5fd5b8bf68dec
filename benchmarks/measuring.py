"""What every benchmark does: measure things in turn, describe the machine, print tables and keep them as JSON."""

from __future__ import annotations

import asyncio
import importlib.metadata
import os
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

import orjson
from rich.console import Console
from rich.table import Table

from asyncsearch import Run

__all__ = ["RESULTS", "Report", "Speed", "Spread", "alternate", "machine", "ratios", "speed"]

T = TypeVar("T")

RESULTS = Path(__file__).parent / "results"
"""Where the latest tables are kept."""

_COLUMNS = 160
_PACKAGES = ("anyio", "aiohttp", "uvloop", "torch", "transformers", "sglang", "its-hub")


@dataclass(frozen=True, slots=True)
class Spread:
    """The median of some measurements of one thing, and how far they lie apart."""

    median: float
    lowest: float
    highest: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Spread:
        """The spread of at least one measurement."""
        return cls(statistics.median(values), min(values), max(values))

    def __format__(self, spec: str) -> str:
        if self.lowest == self.highest:
            return f"{self.median:{spec}}"
        return f"{self.median:{spec}} ({self.lowest:{spec}} - {self.highest:{spec}})"


def alternate(arms: Mapping[str, Callable[[], T]], *, repeats: int) -> dict[str, list[T]]:
    """Measure each arm ``repeats`` times, in turn (A B A B): what disturbs the machine then disturbs all of them."""
    found: dict[str, list[T]] = {name: [] for name in arms}
    for _ in range(repeats):
        for name, measure in arms.items():
            found[name].append(measure())
    return found


def ratios(of: Sequence[float], to: Sequence[float]) -> Spread:
    """How much measurements are, each against the one made beside it."""
    return Spread.of([one / other for one, other in zip(of, to, strict=True)])


@dataclass(frozen=True, slots=True)
class Speed:
    """Nodes that a run settled, and the seconds that this process was at work, and that passed."""

    nodes: int
    busy: float
    passed: float

    @property
    def rate(self) -> float:
        """Nodes per second of one core."""
        return self.nodes / self.busy


def speed(run: Callable[[], Coroutine[Any, Any, Run]]) -> Speed:
    """How fast a run is."""
    busy, begun = time.process_time(), time.perf_counter()
    settled = asyncio.run(run()).statistics.generate.settled
    return Speed(settled, time.process_time() - busy, time.perf_counter() - begun)


def machine() -> dict[str, Any]:
    """The machine and the packages that are measured."""
    versions = {}
    for name in _PACKAGES:
        try:
            versions[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return {
        "processor": _processor(),
        "cores": os.cpu_count(),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "packages": versions,
        "commit": _commit(),
    }


@dataclass(slots=True)
class Report:
    """The tables of one benchmark: printed, and written to a file as soon as each is there."""

    benchmark: str
    output: Path | None = None
    machine: dict[str, Any] = field(default_factory=machine)
    tables: list[dict[str, Any]] = field(default_factory=list)

    def __post_init__(self) -> None:
        # That it cannot be written is better known before anything is measured.
        is_new = not self._file.exists()
        with self._file.open("ab"):
            pass
        if is_new:
            self._file.unlink()

    def add(self, title: str, headings: Sequence[str], rows: Sequence[Sequence[str]], *, samples: Any = None) -> None:
        """Print a table and keep it, with the ``samples`` that it was made of."""
        shown = Table(title=title)
        for heading in headings:
            numbers = all(row[headings.index(heading)][:1].isdigit() for row in rows)
            shown.add_column(heading, justify="right" if numbers else "left")
        for row in rows:
            shown.add_row(*row)
        console = Console()
        if not console.is_terminal:  # where there are as many columns as are wanted
            console.width = _COLUMNS
        console.print(shown)
        self.tables.append(
            {"title": title, "headings": [*headings], "rows": [[*row] for row in rows], "samples": samples}
        )
        self._write()

    @property
    def _file(self) -> Path:
        file = self.output or RESULTS / f"{self.benchmark}.json"
        file.parent.mkdir(parents=True, exist_ok=True)
        return file

    def _write(self) -> None:
        record = {
            "benchmark": self.benchmark,
            "command": " ".join(["python", "-m", f"benchmarks.{self.benchmark}", *sys.argv[1:]]),
            "date": datetime.now(UTC).date().isoformat(),
            "machine": self.machine,
            "tables": self.tables,
        }
        self._file.write_bytes(orjson.dumps(record, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE))


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "unknown")


def _commit() -> str | None:
    command = ["git", "-C", str(Path(__file__).parent), "describe", "--always", "--dirty"]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return None
