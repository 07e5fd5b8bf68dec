"""The latest tables, written into ``benchmarks/README.md``.

    python -m benchmarks.tables

Whatever stands there between ``<!-- NAME -->`` and ``<!-- end -->`` becomes the tables of
``benchmarks/results/NAME.json``.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import orjson

from benchmarks.measuring import RESULTS

__all__ = ["README", "filled", "main"]

README = Path(__file__).with_name("README.md")

_PLACE = re.compile(r"<!-- (?P<name>\w+) -->\n.*?<!-- end -->", re.DOTALL)


def filled(text: str) -> str:
    """A text with the latest tables in their places.

    Raises:
        FileNotFoundError: there is a place for a benchmark that has no results.
    """
    return _PLACE.sub(lambda place: f"<!-- {place['name']} -->\n{tables_of(place['name'])}<!-- end -->", text)


def tables_of(name: str) -> str:
    """A benchmark's tables, and how they came about."""
    record = orjson.loads((RESULTS / f"{name}.json").read_bytes())
    machine = record["machine"]
    packages = ", ".join(f"{package} {version}" for package, version in machine["packages"].items())
    made = (
        f"`{record['command']}`, {record['date']}, {machine['cores']} cores of {machine['processor']}, {packages}\n\n"
    )
    return made + "".join(table_of(table) for table in record["tables"])


def table_of(table: dict[str, Any]) -> str:
    """A table in Markdown."""
    columns = [*zip(*table["rows"], strict=True)]
    rules = ["---:" if all(cell[:1].isdigit() or not cell for cell in column) else "---" for column in columns]
    lines = [table["headings"], rules, *table["rows"]]
    return f"{table['title']}:\n\n" + "".join(f"| {' | '.join(line)} |\n" for line in lines) + "\n"


def main() -> None:
    """Write them."""
    README.write_text(filled(README.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    main()
