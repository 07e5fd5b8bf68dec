"""The embedded runtime's tokens per second against transformers' own generate on one full static batch.

    python -m benchmarks.local [--problems N] [--repeats N] [--output FILE]

Both draw with temperature 1 from the bundled policy, as many samples of the same problems, in turn (A B A B),
in float32 and in float64. A static batch goes on until its longest sequence is done; sequences of the
runtime join and leave.
"""

from __future__ import annotations

import time
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import anyio
import torch
import typer
from transformers import AutoModelForCausalLM, AutoTokenizer

from asyncsearch.datasets import load_problems
from asyncsearch.datasets.arithmetic import bundled_model
from asyncsearch.format import FORMATS
from benchmarks.command import run
from benchmarks.measuring import Report, Spread, alternate, ratios
from runtimes.base import GenerateRequest, GenerateResult, Prefix, Request, Result, RuntimeFailure
from runtimes.local import LocalRuntime

__all__ = ["main"]

_FORMAT = FORMATS["steps"]
_MAX_TOKENS = 200
_SAMPLES = 16


async def runtime_speed(prompts: list[str], samples: int, dtype: str) -> float:
    """Tokens per second of the embedded runtime."""
    requests = [
        GenerateRequest(prefix=prefix, seed=seed, max_new_tokens=_MAX_TOKENS)
        for prefix in map(Prefix, prompts)
        for seed in range(samples)
    ]
    tokens = 0

    def deliver(_: Request, outcome: Result | RuntimeFailure) -> None:
        nonlocal tokens
        if isinstance(outcome, GenerateResult):
            tokens += outcome.usage.generated_tokens

    async with LocalRuntime(bundled_model("policy"), dtype=dtype) as runtime:
        begun = time.perf_counter()
        await runtime.generate(requests, deliver)
        return tokens / (time.perf_counter() - begun)


def static_speed(prompts: list[str], samples: int, dtype: str) -> float:
    """Tokens per second of ``model.generate`` on all prompts at once."""
    tokenizer = AutoTokenizer.from_pretrained(bundled_model("policy"), padding_side="left")
    model: Any = AutoModelForCausalLM.from_pretrained(bundled_model("policy"), dtype=getattr(torch, dtype))
    inputs = tokenizer(prompts, return_tensors="pt", padding=True)
    begun = time.perf_counter()
    output = model.generate(**inputs, max_new_tokens=_MAX_TOKENS, do_sample=True, top_k=0, num_return_sequences=samples)
    seconds = time.perf_counter() - begun
    new = output[:, inputs["input_ids"].shape[1] :]
    return float((new != tokenizer.pad_token_id).sum()) / seconds


def main(
    problems: Annotated[int, typer.Option(min=1, help="Problems, each sampled 16 times.")] = 16,
    repeats: Annotated[int, typer.Option(min=1, help="Runs of each, in turn.")] = 3,
    output: Annotated[Path | None, typer.Option(help="Where the table is written as JSON.")] = None,
) -> None:
    """Print the table."""
    report = Report("local", output)
    prompts = [_FORMAT.prompt_for(problem.text) for problem in load_problems("arithmetic", limit=problems)]
    rows = []
    samples = {}
    for dtype in ("float32", "float64"):
        arms = {
            "embedded runtime": partial(anyio.run, runtime_speed, prompts, _SAMPLES, dtype),
            "static batch": partial(static_speed, prompts, _SAMPLES, dtype),
        }
        alternate(arms, repeats=1)  # what is first is not measured
        found = samples[dtype] = alternate(arms, repeats=repeats)
        ours, theirs = found.values()
        rows.append([dtype, f"{Spread.of(ours):,.0f}", f"{Spread.of(theirs):,.0f}", f"{ratios(ours, theirs):.2f}"])
    title = f"{problems} problems x {_SAMPLES} samples, {torch.get_num_threads()} threads"
    headings = ["type", "embedded runtime, tokens/s", "static batch, tokens/s", "ratio"]
    report.add(title, headings, rows, samples=samples)


if __name__ == "__main__":
    run(main)
