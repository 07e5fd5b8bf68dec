"""The example package, as if it were installed."""

from __future__ import annotations

import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

EXAMPLE = Path(__file__).parents[1] / "examples" / "asyncsearch-example"


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """That of a process in which the package is installed: what its pyproject.toml says, where Python looks for it."""
    project = tomllib.loads((EXAMPLE / "pyproject.toml").read_text())["project"]
    information = tmp_path / f"{project['name'].replace('-', '_')}-{project['version']}.dist-info"
    information.mkdir()
    (information / "METADATA").write_text(
        f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {project['version']}\n"
    )
    groups = [
        "\n".join([f"[{group}]", *(f"{name} = {value}" for name, value in entries.items())])
        for group, entries in project["entry-points"].items()
    ]
    (information / "entry_points.txt").write_text("\n".join(groups))
    return {**os.environ, "COLUMNS": "160", "PYTHONPATH": os.pathsep.join([str(EXAMPLE), str(tmp_path)])}


def run(environment: dict[str, str], cwd: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", *arguments], cwd=cwd, capture_output=True, text=True, env=environment, check=False
    )


def test_its_own_tests_pass(environment: dict[str, str], tmp_path: Path) -> None:
    done = run(environment, tmp_path, "pytest", "-q", "-p", "no:cacheprovider", str(EXAMPLE / "tests"))
    assert done.returncode == 0, done.stdout


def test_the_command_line_knows_all_of_it(environment: dict[str, str], tmp_path: Path) -> None:
    listed = run(environment, tmp_path, "asyncsearch", "strategies")
    assert "best-child: Draw a few steps" in listed.stdout
    assert "steps to choose from" in listed.stdout
    solved = run(
        environment,
        tmp_path,
        *("asyncsearch", "solve", str(EXAMPLE / "problems.jsonl"), "--strategy", "best-child", "--width", "6"),
        *("-p", "children=2", "--policy", f"recorded:{EXAMPLE / 'recorded.jsonl'}", "--reward", "equations:1.0"),
    )
    assert solved.returncode == 0, solved.stderr
    assert "best-child, width 6, weighted" in solved.stdout
