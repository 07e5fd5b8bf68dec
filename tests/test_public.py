from __future__ import annotations

import subprocess
import sys
from types import ModuleType

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
    public = [name for name, value in vars(asyncsearch).items() if name[0] != "_" and not isinstance(value, ModuleType)]
    assert asyncsearch.__all__ == sorted(public)
    for name in public:
        words = getattr(asyncsearch, name).__doc__
        # A dataclass without a docstring gets its signature for one.
        assert words, f"{name} has no docstring"
        assert not words.startswith(f"{name}("), f"{name} has no docstring"


@pytest.mark.parametrize("name", [name for name in asyncsearch.__all__ if name.endswith("Error")])
def test_errors_have_one_base(name: str) -> None:
    assert issubclass(getattr(asyncsearch, name), AsyncSearchError)
