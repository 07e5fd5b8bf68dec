"""How long a real SGLang server takes for what, as the parameters of the simulated one.

    python -m benchmarks.fit http://127.0.0.1:30000

Decode steps of batches of growing size: what a sequence of 96 tokens takes longer than one of 32, with its end ignored.
Passes over prompts that nothing has been computed of, of growing length and number. Both are laid through by least
squares of the relative error, and what was measured stands beside what the simulated server would take. The server is
to be a policy that nobody else uses, `asyncsearch launch policy`.
"""

from __future__ import annotations

import random
import statistics
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import anyio
import typer

from benchmarks.command import run
from benchmarks.measuring import Report, Spread
from runtimes.http import JsonSession

__all__ = ["main"]

_SHORT, _LONG = 32, 96
_PROMPT = 8
_VOCABULARY = 200


class _Prompts:
    """Prompts of tokens that come again nowhere."""

    def __init__(self) -> None:
        self._source = random.Random(time.time_ns())

    def draw(self, count: int, length: int) -> list[list[int]]:
        return [[self._source.randrange(3, _VOCABULARY) for _ in range(length)] for _ in range(count)]


async def seconds_for(session: JsonSession, body: dict[str, Any]) -> float:
    begun = time.perf_counter()
    await session.post("/generate", body)
    return time.perf_counter() - begun


async def decode_step(session: JsonSession, prompts: _Prompts, count: int) -> float:
    """Seconds of one decode step of so many sequences."""
    took = []
    for tokens in (_SHORT, _LONG):
        parameters = {"max_new_tokens": tokens, "ignore_eos": True, "temperature": 1.0}
        texts = prompts.draw(count, _PROMPT)
        took.append(await seconds_for(session, {"input_ids": texts, "sampling_params": parameters}))
    return (took[1] - took[0]) / (_LONG - _SHORT)


async def prompt_pass(session: JsonSession, prompts: _Prompts, count: int, length: int) -> float:
    """Seconds of a pass over so many prompts."""
    texts = prompts.draw(count, length)
    return await seconds_for(session, {"input_ids": texts, "sampling_params": {"max_new_tokens": 0}})


def line_through(sizes: Sequence[float], seconds: Sequence[float]) -> tuple[float, float]:
    """Where a line begins and how it rises, by least squares of the relative error; neither is below zero."""
    weights = [1 / second**2 for second in seconds]
    total = sum(weights)
    middle = sum(w * x for w, x in zip(weights, sizes, strict=True)) / total
    level = sum(w * y for w, y in zip(weights, seconds, strict=True)) / total
    across = sum(w * (x - middle) * (y - level) for w, x, y in zip(weights, sizes, seconds, strict=True))
    rise = max(across / sum(w * (x - middle) ** 2 for w, x in zip(weights, sizes, strict=True)), 0.0)
    return max(level - rise * middle, 0.0), rise


def main(
    address: Annotated[str, typer.Argument(help="Of an SGLang server of a policy: asyncsearch launch policy --cpu.")],
    batches: Annotated[list[int], typer.Option(min=1, help="Sequences at a time.")] = [1, 2, 4, 8, 16, 32, 64, 128],  # noqa: B006
    repeats: Annotated[int, typer.Option(min=1, help="Measurements of each, in turn.")] = 5,
    output: Annotated[Path | None, typer.Option(help="Where the tables are written as JSON.")] = None,
) -> None:
    """Print the tables."""
    report = Report("fit", output)
    prompts = _Prompts()
    lengths = [(1, 16), (1, 64), (1, 200), (4, 100), (8, 200), (16, 200)]

    async def measure() -> tuple[dict[int, list[float]], dict[tuple[int, int], list[float]]]:
        steps: dict[int, list[float]] = {count: [] for count in batches}
        passes: dict[tuple[int, int], list[float]] = {size: [] for size in lengths}
        async with JsonSession(address) as session:
            for repeat in range(repeats + 1):
                for count in batches:
                    step = await decode_step(session, prompts, count)
                    steps[count] += [step] if repeat else []  # the first warms up
                await prompt_pass(session, prompts, *lengths[0])  # the first after decoding takes longer
                for count, length in lengths:
                    took = await prompt_pass(session, prompts, count, length)
                    passes[count, length] += [took] if repeat else []
        return steps, passes

    steps, passes = anyio.run(measure)
    step_seconds, sequence_seconds = line_through(batches, [statistics.median(steps[count]) for count in batches])
    tokens = [count * length for count, length in lengths]
    pass_seconds, prefill_seconds = line_through(tokens, [statistics.median(passes[size]) for size in lengths])
    report.add(
        f"decode step: {step_seconds * 1e3:.2f} ms and {sequence_seconds * 1e3:.4f} ms a sequence",
        ["sequences", "measured, ms", "simulated, ms"],
        [
            [str(count), f"{_milliseconds(steps[count]):.2f}", f"{(step_seconds + count * sequence_seconds) * 1e3:.2f}"]
            for count in batches
        ],
        samples={
            "step_seconds": step_seconds,
            "sequence_seconds": sequence_seconds,
            "pass_seconds": pass_seconds,
            "prefill_seconds": prefill_seconds,
        },
    )
    report.add(
        f"pass over prompts: {pass_seconds * 1e3:.2f} ms and {prefill_seconds * 1e3:.4f} ms a token",
        ["prompts", "tokens of each", "measured, ms", "simulated, ms"],
        [
            [
                str(count),
                str(length),
                f"{_milliseconds(passes[count, length]):.2f}",
                f"{(pass_seconds + count * length * prefill_seconds) * 1e3:.2f}",
            ]
            for count, length in lengths
        ],
    )


def _milliseconds(seconds: Sequence[float]) -> Spread:
    return Spread.of([second * 1e3 for second in seconds])


if __name__ == "__main__":
    run(main)
