"""Waiting in a task for what is otherwise called back."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, TypeVar

import anyio

from runtimes.base import RuntimeFailure

__all__ = ["Withdrawable", "answer_to"]

T = TypeVar("T")


class Withdrawable(Protocol):
    """A question on its way."""

    def withdraw(self) -> None:
        """Give it up: it ends soon, whatever comes of it."""
        ...


async def answer_to(ask: Callable[[Callable[[T | RuntimeFailure], None]], Withdrawable]) -> T:
    """Ask with a callback, and wait until it is called.

    Raises:
        RuntimeFailure: what it was called with.

    Cancellation withdraws the question, and returns when it has ended.
    """
    ended = anyio.Event()
    outcomes: list[T | RuntimeFailure] = []

    def settle(outcome: T | RuntimeFailure) -> None:
        outcomes.append(outcome)
        ended.set()

    question = ask(settle)
    try:
        await ended.wait()
    except anyio.get_cancelled_exc_class():
        question.withdraw()
        with anyio.CancelScope(shield=True):
            await ended.wait()
        raise
    (outcome,) = outcomes
    if isinstance(outcome, RuntimeFailure):
        raise outcome
    return outcome
