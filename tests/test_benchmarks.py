"""Each benchmark at toy size: the shape of what it prints, never its times."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent


def test_local() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.local", "--problems", "1", "--repeats", "1"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert "1 problems x 16 samples" in done.stdout
    assert "float32" in done.stdout
    assert "float64" in done.stdout


def test_ets() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.ets", "--sizes", "4", "8", "--rounds", "2"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    header, _, *rows = done.stdout.splitlines()
    assert "exact ms" in header
    assert [row.split()[1] for row in rows] == ["4", "8"]
