"""Write the bundled Countdown problems to standard output: ``python -m asyncsearch.datasets.make_countdown``."""

from __future__ import annotations

import sys

import orjson

from asyncsearch.datasets.countdown import make_problems

__all__ = ["COUNT"]

COUNT = 200

if __name__ == "__main__":
    sys.stdout.buffer.writelines(orjson.dumps(problem) + b"\n" for problem in make_problems(COUNT))
