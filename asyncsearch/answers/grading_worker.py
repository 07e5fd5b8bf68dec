"""The process that grades: pairs of answers in on standard input, true or false out, one JSON line each.

It is a process of its own because what models write can keep a symbolic engine busy for ever, and only a
process can be killed. Run by `asyncsearch.answers.math_grader.MathGrader`, which keeps the time; should that be gone,
the worker ends by itself.
"""

from __future__ import annotations

import contextlib
import logging
import resource
import signal
import sys
from typing import IO

import orjson
from math_verify import parse, verify
from math_verify.parser import ExprExtractionConfig, LatexExtractionConfig

__all__ = ["main"]

_GRACE_SECONDS = 10.0
_MEMORY_BYTES = 4 << 30

_TARGETS = (LatexExtractionConfig(boxed_match_priority=0), ExprExtractionConfig())


def _equal(left: str, right: str) -> bool:
    """Whether two answers are the same value; the library's own time limits are off, the parent keeps time."""
    parsed = []
    for answer in (left, right):
        found = parse(f"${answer}$", extraction_config=_TARGETS, parsing_timeout=None)
        parsed.append(found or parse(answer, extraction_config=_TARGETS, parsing_timeout=None))
    if not all(parsed):
        return False
    return bool(verify(parsed[0], parsed[1], timeout_seconds=None))


def main(requests: IO[bytes], replies: IO[bytes], *, seconds: float) -> None:
    """Answer each line until the input ends, or one takes much longer than ``seconds``."""
    for line in requests:
        signal.setitimer(signal.ITIMER_REAL, seconds + _GRACE_SECONDS)  # its default is to end the process
        left, right = orjson.loads(line)
        try:
            with contextlib.redirect_stdout(sys.stderr):
                equal = _equal(left, right)
        except Exception:  # noqa: BLE001 - whatever a symbolic engine raises on text from a model, the answers differ
            equal = False
        replies.write(orjson.dumps(equal) + b"\n")
        replies.flush()
        signal.setitimer(signal.ITIMER_REAL, 0)


if __name__ == "__main__":
    logging.disable(logging.CRITICAL)
    resource.setrlimit(resource.RLIMIT_AS, (_MEMORY_BYTES, _MEMORY_BYTES))
    main(sys.stdin.buffer, sys.stdout.buffer, seconds=float(sys.argv[1]))
