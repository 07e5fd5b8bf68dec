"""How soon an SGLang server is rid of the requests of a problem that is left.

    python -m benchmarks.sglang_abort http://127.0.0.1:30000 [--requests N] [--repeats N] [--output FILE]

Starts generations on a policy server that is already up (`asyncsearch launch`), waits until the server runs half of
them at least, cancels them, and asks the server's ``/v1/loads`` until it runs none. The same for a client that only
hangs up, as one does that knows of no abort.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Coroutine
from pathlib import Path
from typing import Annotated, Any

import anyio
import typer

from benchmarks.command import run
from benchmarks.measuring import Report, Spread, ratios
from runtimes.base import GenerateRequest, Prefix
from runtimes.http import JsonSession
from runtimes.sglang import SglangRuntime

__all__ = ["main"]

_LONG_ENOUGH = 30.0
_HOT = 5.0
"""A temperature at which the bundled policy seldom ends a solution."""


async def measure(address: str, requests: int, repeats: int) -> dict[str, list[float]]:
    """Time both ways of leaving in turn."""
    seconds: dict[str, list[float]] = {"abort requests": [], "hang up": []}
    async with SglangRuntime(address) as runtime, JsonSession(address) as session:

        async def running() -> int:
            loads = (await session.get("/v1/loads"))["loads"]
            return sum(load["num_running_reqs"] + load["num_waiting_reqs"] for load in loads)

        async def with_aborts() -> None:
            await runtime.generate(
                [
                    GenerateRequest(prefix=Prefix(f"{number} apples\n"), seed=0, max_new_tokens=450, temperature=_HOT)
                    for number in range(requests)
                ],
                lambda *_: None,
            )

        async def without() -> None:
            texts = [f"{number} apples\n" for number in range(requests)]
            parameters = {"max_new_tokens": 450, "temperature": _HOT, "ignore_eos": True}
            await session.post("/generate", {"text": texts, "sampling_params": parameters})

        for _ in range(repeats):
            for name, generate in (("abort requests", with_aborts), ("hang up", without)):
                seconds[name].append(await _leave(generate, running, requests))
    return seconds


async def _leave(
    generate: Callable[[], Coroutine[Any, Any, None]], running: Callable[[], Awaitable[int]], requests: int
) -> float:
    """Seconds from leaving until the server runs nothing."""
    with anyio.fail_after(_LONG_ENOUGH):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(generate)
            while await running() < requests // 2:
                pass
            left = time.perf_counter()
            tasks.cancel_scope.cancel()
        while await running():
            pass
    return time.perf_counter() - left


def main(
    address: Annotated[
        str, typer.Argument(help="Of an SGLang server of the bundled policy: asyncsearch launch policy --cpu.")
    ],
    requests: Annotated[int, typer.Option(min=1, help="Requests at once.")] = 16,
    repeats: Annotated[int, typer.Option(min=1, help="Times that they are left, each way.")] = 7,
    output: Annotated[Path | None, typer.Option(help="Where the table is written as JSON.")] = None,
) -> None:
    """Print the table."""
    report = Report("sglang_abort", output)
    found = anyio.run(measure, address, requests, repeats)
    first = found["abort requests"]
    rows = [[name, f"{Spread.of(seconds):.3f}", f"{ratios(seconds, first):.1f}"] for name, seconds in found.items()]
    report.add(
        f"{requests} requests left", ["how", "s until the server has none", "against aborts"], rows, samples=found
    )


if __name__ == "__main__":
    run(main)
