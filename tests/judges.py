"""Functions that say which answers are right, to be called in another process."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time

__all__ = ["MODULE", "chatty", "hangs", "just_one", "longer", "raises", "same_length", "same_length_in_a_while"]

MODULE = __name__


def same_length(left: str, right: str) -> bool:
    return len(left) == len(right)


async def same_length_in_a_while(left: str, right: str) -> bool:
    await asyncio.sleep(0)
    sys.stdout.write("what is printed is no reply\n")
    return len(left) == len(right)


def longer(problem: str, reference: str, answer: str) -> int:
    return len(problem) + len(reference) < len(answer)


def raises(left: str, right: str) -> bool:
    raise LookupError(f"{left} and {right}")


def chatty(left: str, right: str) -> bool:
    """What it starts writes what looks like a verdict, and reads what is not for it."""
    subprocess.run(["sh", "-c", "echo true; cat"], check=True)
    return left == right


def hangs(left: str, right: str) -> bool:
    while True:
        time.sleep(1)


def wants_a_name(left: str, right: str, *, how: str) -> bool:
    return how == left == right


def says_yes(left: str, right: str) -> str:
    return "yes"


def just_one(answer: str) -> bool:
    return bool(answer)
