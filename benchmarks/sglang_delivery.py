"""How sequences should be asked of an SGLang server: one POST each, or together in one that is streamed.

    python -m benchmarks.sglang_delivery http://127.0.0.1:30000 [--sequences N] [--repeats N] [--output FILE]

Both draw steps, and then whole solutions, of the bundled problems, in turn (A B A B), from a policy server that is
already up (`asyncsearch launch`). What counts for a search is when each sequence is delivered, since its children wait
for it, and when the last one is. Then the same for scores, read from token labels: together against one by one.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import aiohttp
import anyio
import orjson
import typer

from asyncsearch.datasets import load_problems
from asyncsearch.format import FORMATS
from benchmarks.command import run
from benchmarks.measuring import Report, ratios

__all__ = ["main"]

_FORMAT = FORMATS["steps"]
_GENERATE = "/generate"


@dataclass(frozen=True, slots=True)
class Times:
    """Seconds until the sequences of one run were delivered: on average, and the last one."""

    mean: float
    last: float


async def post(session: aiohttp.ClientSession, body: dict[str, Any]) -> Any:
    async with session.post(_GENERATE, data=orjson.dumps(body), headers=_JSON) as response:
        response.raise_for_status()
        return orjson.loads(await response.read())


_JSON = {"Content-Type": "application/json"}


async def singly(session: aiohttp.ClientSession, bodies: list[dict[str, Any]]) -> Times:
    """One POST a sequence."""
    begun = time.perf_counter()
    delivered: list[float] = []

    async def one(body: dict[str, Any]) -> None:
        await post(session, body)
        delivered.append(time.perf_counter() - begun)

    async with anyio.create_task_group() as tasks:
        for body in bodies:
            tasks.start_soon(one, body)
    return Times(statistics.mean(delivered), max(delivered))


async def streamed(session: aiohttp.ClientSession, bodies: list[dict[str, Any]]) -> Times:
    """All in one POST, whose stream says when each is done."""
    begun = time.perf_counter()
    delivered: list[float] = []
    body = {**joined(bodies), "stream": True}
    async with session.post(_GENERATE, data=orjson.dumps(body), headers=_JSON) as response:
        response.raise_for_status()
        async for line in response.content:
            if line.startswith(b"data: {") and orjson.loads(line[6:])["meta_info"]["finish_reason"]:
                delivered.append(time.perf_counter() - begun)
    assert len(delivered) == len(bodies)
    return Times(statistics.mean(delivered), max(delivered))


async def together(session: aiohttp.ClientSession, bodies: list[dict[str, Any]]) -> Times:
    """All in one POST, answered when all are done."""
    begun = time.perf_counter()
    await post(session, joined(bodies))
    seconds = time.perf_counter() - begun
    return Times(seconds, seconds)


def joined(bodies: list[dict[str, Any]]) -> dict[str, Any]:
    """The same requests as one."""
    return {key: [body[key] for body in bodies] for key in bodies[0] if key != "return_logprob"} | {
        key: bodies[0][key] for key in ("return_logprob",) if key in bodies[0]
    }


Way = Callable[[aiohttp.ClientSession, list[dict[str, Any]]], Awaitable[Times]]


async def measure(address: str, sequences: int, repeats: int, report: Report) -> None:
    """Run both pairs in turn and lay their times side by side."""
    prompts = [_FORMAT.prompt_for(problem.text) for problem in load_problems("arithmetic", limit=sequences)]
    drawn = {"max_new_tokens": 200, "temperature": 1.0}
    steps = [{"text": prompt, "sampling_params": {**drawn, "stop": ["Step 2"]}} for prompt in prompts]
    solutions = [{"text": prompt, "sampling_params": drawn} for prompt in prompts]
    scores = [
        {
            "text": f"{prompt}Step 1: 1 + 1 = 2\n",
            "sampling_params": {"max_new_tokens": 0},
            "return_logprob": True,
            "logprob_start_len": 20,
            "token_ids_logprob": [12, 14],
        }
        for prompt in prompts
    ]
    rows: tuple[tuple[str, list[dict[str, Any]], tuple[str, Way], tuple[str, Way]], ...] = (
        ("steps generated", steps, ("one POST each", singly), ("one stream", streamed)),
        ("solutions generated", solutions, ("one POST each", singly), ("one stream", streamed)),
        ("steps scored", scores, ("one POST", together), ("one POST each", singly)),
    )
    lines = []
    async with aiohttp.ClientSession(address, connector=aiohttp.TCPConnector(limit=0)) as session:
        for name, bodies, (first_name, first), (second_name, second) in rows:
            ours: list[Times] = []
            theirs: list[Times] = []
            for repeat in range(repeats + 1):
                async with session.post("/flush_cache"):
                    a = await first(session, bodies)
                async with session.post("/flush_cache"):
                    b = await second(session, bodies)
                if repeat:  # the first warms up
                    ours.append(a)
                    theirs.append(b)
            means = [[one.mean for one in times] for times in (ours, theirs)]
            lasts = [[one.last for one in times] for times in (ours, theirs)]
            lines.append(
                [
                    *(name, first_name, second_name),
                    *(f"{statistics.median(seconds):.3f}" for seconds in means),
                    f"{ratios(*means):.2f}",
                    *(f"{statistics.median(seconds):.3f}" for seconds in lasts),
                    f"{ratios(*lasts):.2f}",
                ]
            )
    headings = ["what", "A", "B", "mean s, A", "mean s, B", "A/B", "last s, A", "last s, B", "A/B of the last"]
    report.add(f"{len(prompts)} requests at once", headings, lines)


def main(
    address: Annotated[
        str, typer.Argument(help="Of an SGLang server of the bundled policy: asyncsearch launch policy --cpu.")
    ],
    sequences: Annotated[int, typer.Option(min=1, help="Requests at once.")] = 64,
    repeats: Annotated[int, typer.Option(min=1, help="Runs of each, in turn.")] = 7,
    output: Annotated[Path | None, typer.Option(help="Where the table is written as JSON.")] = None,
) -> None:
    """Print the table."""
    anyio.run(measure, address, sequences, repeats, Report("sglang_delivery", output))


if __name__ == "__main__":
    run(main)
