from __future__ import annotations

import subprocess
import sys

import pytest

import asyncsearch
from asyncsearch.errors import AsyncSearchError


def test_importing_is_light() -> None:
    code = (
        "import sys, asyncsearch\n"
        "heavy = {'torch', 'transformers', 'sympy', 'math_verify', 'typer', 'rich', 'numpy', 'aiohttp'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_framework_imports_no_runtime_but_the_base() -> None:
    code = "import sys, asyncsearch; print(sorted(m for m in sys.modules if m.startswith('runtimes.')))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "['runtimes.base']"


def test_exported_names_are_there_and_documented() -> None:
    assert asyncsearch.__all__ == sorted(asyncsearch.__all__)
    for name in asyncsearch.__all__:
        assert getattr(asyncsearch, name).__doc__, f"{name} has no docstring"


@pytest.mark.parametrize("name", [name for name in asyncsearch.__all__ if name.endswith("Error")])
def test_errors_have_one_base(name: str) -> None:
    assert issubclass(getattr(asyncsearch, name), AsyncSearchError)
