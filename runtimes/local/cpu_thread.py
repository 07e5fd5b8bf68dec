"""The one thread on which models compute on the CPU."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import anyio
from anyio.lowlevel import RunVar, checkpoint

__all__ = ["run_on_cpu_thread"]

T = TypeVar("T")

_THREAD: RunVar[ThreadPoolExecutor] = RunVar("runtimes.local.cpu_thread")


async def run_on_cpu_thread(function: Callable[[], T]) -> T:
    """Call a function on the thread that all models of this event loop share, in turn.

    Each model uses all cores: two at once would wait for each other's threads far more than they compute. Nor may one
    compute here and load or compute elsewhere: OpenMP has a team of threads for every thread that ever asked for one,
    and with more of them than there are cores none waits by spinning any more, which costs a quarter of the speed.

    Cancellation is noticed before the call; one that has begun is waited for.
    """
    await checkpoint()
    try:
        thread = _THREAD.get()
    except LookupError:
        thread = ThreadPoolExecutor(1, thread_name_prefix="asyncsearch-cpu")  # ends with the event loop
        _THREAD.set(thread)
    with anyio.CancelScope(shield=True):
        return await asyncio.get_running_loop().run_in_executor(thread, function)
    raise AssertionError("unreachable: nothing cancels the scope")
