"""A search over a model of a thousand million parameters on a GPU: asyncsearch against all its requests at once.

    python -m benchmarks.gpu [--device D] [--searches N] [--width N] [--rows N] [--repeats N] [--sglang] [--output FILE]

The model has the shape of a Llama and random weights, in bfloat16: what it writes means nothing, so how many tokens a
step has, and when a solution ends, is drawn beforehand (`runtimes.simulated.World`), from its seed. REBASE runs on the
embedded runtime, which generates and scores; the flood is what it asked for, all known, on the same runtime. Next to
them stand transformers' own ways for the same sequences, given their prompts and lengths: its continuous batching, and
static batches of sequences of like length. With ``--sglang``, or where SGLang is installed, the first two once more, on
a server of SGLang's that is started and stopped by this command.

Without a GPU there is nothing to measure, and it says so; ``--device cpu`` runs a tiny model of the same kind.
"""

from __future__ import annotations

import importlib.util
import shutil
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Annotated, Any, Self
from weakref import WeakKeyDictionary

import anyio
import torch
import typer
from transformers import (
    AutoModelForCausalLM,
    AutoTokenizer,
    ContinuousBatchingConfig,
    GenerationConfig,
    LlamaConfig,
    LlamaForCausalLM,
)

from asyncsearch import Problem, Rebase, SolveOptions, solve_dataset
from asyncsearch.datasets.arithmetic import bundled_model
from benchmarks.command import run
from benchmarks.launched import launched
from benchmarks.measuring import Report, Spread, alternate, ratios
from benchmarks.recorded import Recorded
from runtimes.base import (
    Capabilities,
    Deliver,
    FinishReason,
    GenerateRequest,
    GenerateResult,
    Load,
    Prefix,
    ReportsLoad,
    Request,
    Result,
    Runtime,
    RuntimeFailure,
    ScoreRequest,
)
from runtimes.local import LocalRuntime
from runtimes.sglang import SglangRuntime
from runtimes.simulated import Oracle, World
from runtimes.text import TextCodec

__all__ = ["main"]

_LLAMA = LlamaConfig(
    vocab_size=32_000,
    hidden_size=2048,
    intermediate_size=8192,
    num_hidden_layers=16,
    num_attention_heads=32,
    num_key_value_heads=8,
    max_position_embeddings=4096,
    tie_word_embeddings=True,
    dtype=torch.bfloat16,
)
"""1.04 B parameters, in the proportions of Llama 3.2 1B, whose vocabulary is four times as large."""

_TINY = LlamaConfig(
    vocab_size=1000,
    hidden_size=64,
    intermediate_size=128,
    num_hidden_layers=2,
    num_attention_heads=4,
    num_key_value_heads=2,
    max_position_embeddings=4096,
    tie_word_embeddings=True,
    dtype=torch.float32,
)
_WORLD = World(median_step_tokens=40, spread=0.8, shortest=3, longest=9)
_PROMPT_CHARACTERS = 200
_PORT = 31720
_BLOCKS_ON_CPU = 16
"""Of 256 tokens, of which transformers would otherwise take as many as there is memory for."""


class Device(StrEnum):
    """What computes."""

    CUDA = "cuda"
    CPU = "cpu"


@dataclass(frozen=True, slots=True)
class Speed:
    """Tokens that were generated, and the seconds that took."""

    tokens: int
    seconds: float

    @property
    def rate(self) -> float:
        """Tokens per second."""
        return self.tokens / self.seconds


class SyntheticSteps:
    """A runtime whose sequences have lengths, and ends, that were drawn beforehand; its words are the model's own."""

    def __init__(self, runtime: Runtime, world: World) -> None:
        self._runtime = runtime
        self._oracle = Oracle(world, seed=0)
        self._imagined: WeakKeyDictionary[Prefix, Prefix] = WeakKeyDictionary()

    @property
    def capabilities(self) -> Capabilities:
        """See `runtimes.base.Runtime.capabilities`."""
        return self._runtime.capabilities

    async def __aenter__(self) -> Self:
        await self._runtime.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self._runtime.__aexit__(kind, error, traceback)

    async def generate(self, requests: Sequence[GenerateRequest], deliver: Deliver) -> None:
        """See `runtimes.base.Runtime.generate`."""
        planned: dict[Request, tuple[GenerateRequest, Prefix, FinishReason]] = {}
        for request in requests:
            before = self._imagined.get(request.prefix, request.prefix)
            text, tokens, finish = self._oracle.write(replace(request, prefix=before))
            asked = replace(request, max_new_tokens=tokens, stop=())
            planned[asked] = request, before.extend(text), finish

        def relay(asked: Request, outcome: Result | RuntimeFailure) -> None:
            request, imagined, finish = planned[asked]
            if isinstance(outcome, GenerateResult):
                self._imagined[outcome.prefix] = imagined
                outcome = replace(outcome, finish=finish)
            deliver(request, outcome)

        await self._runtime.generate([asked for asked in planned if isinstance(asked, GenerateRequest)], relay)

    async def score(self, requests: Sequence[ScoreRequest], deliver: Deliver) -> None:
        """See `runtimes.base.Runtime.score`."""
        await self._runtime.score(requests, deliver)

    async def abort(self, requests: Sequence[Request]) -> None:
        """See `runtimes.base.Runtime.abort`. Nobody gives up."""

    async def load(self) -> Load | None:
        """See `runtimes.base.ReportsLoad.load`."""
        return await self._runtime.load() if isinstance(self._runtime, ReportsLoad) else None


def write_model(config: LlamaConfig, directory: Path, device: str) -> None:
    """A model with weights that nobody has trained, and the bundled models' tokenizer."""
    torch.manual_seed(0)
    with torch.device(device):
        model: Any = LlamaForCausalLM(config)
    model.to(config.dtype).save_pretrained(directory)
    for name in ("tokenizer.json", "tokenizer_config.json"):
        shutil.copy(bundled_model("policy") / name, directory)


class Searches:
    """REBASE on one runtime, and the flood of what it has last asked for."""

    def __init__(self, make: Callable[[], Runtime], searches: int, width: int) -> None:
        self._make = make
        self._strategy = Rebase(width=width)
        self._problems = [
            Problem(id=str(number), text=f"problem {number}".ljust(_PROMPT_CHARACTERS, "."))
            for number in range(searches)
        ]
        self.asked = Recorded(make())

    async def run(self) -> Speed:
        """Search, and keep what was asked for."""
        asked = Recorded(self._make())
        async with SyntheticSteps(asked, _WORLD) as models:
            begun = time.perf_counter()
            run = await solve_dataset(
                self._problems,
                self._strategy,
                policy=models,
                reward=models,
                options=SolveOptions(reward_format="lines"),
            )
            seconds = time.perf_counter() - begun
        if failed := [result.error for result in run.kept if result.error]:
            raise RuntimeError(failed[0])
        self.asked = asked
        return Speed(run.statistics.generate.generated_tokens, seconds)

    async def flood(self) -> Speed:
        """The same requests, all at once, with their prompts in the cache, as a search has what it goes on from."""
        requests = [request for request, _ in self.asked.generated]
        prompts = {request.prefix: replace(request, max_new_tokens=1) for request in requests}
        tokens = 0

        def deliver(_: Request, outcome: Result | RuntimeFailure) -> None:
            nonlocal tokens
            if isinstance(outcome, RuntimeFailure):
                raise outcome
            if isinstance(outcome, GenerateResult):
                tokens += outcome.usage.generated_tokens

        async with self._make() as runtime:
            await runtime.generate([*prompts.values()], deliver)
            tokens = 0
            begun = time.perf_counter()
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(runtime.generate, requests, deliver)
                tasks.start_soon(runtime.score, self.asked.scored, deliver)
            return Speed(tokens, time.perf_counter() - begun)


class Transformers:
    """The sequences of searches, as transformers generates them from their prompts."""

    def __init__(self, directory: Path, device: str, rows: int, searches: Searches) -> None:
        model: Any = AutoModelForCausalLM.from_pretrained(directory, dtype="auto")
        self._model = model.to(device)
        self._tokenizer = AutoTokenizer.from_pretrained(directory, padding_side="left")
        self._codec = TextCodec(self._tokenizer)
        self._rows = rows
        self._searches = searches

    def continuous(self) -> Speed:
        """Each in its length, in and out of the batch as it comes and ends."""
        config = GenerationConfig(do_sample=True, top_k=0, eos_token_id=-1, pad_token_id=0)
        sequences = self._sequences()
        batching = ContinuousBatchingConfig(
            max_requests_per_batch=self._rows,
            num_blocks=_BLOCKS_ON_CPU if self._model.device.type == "cpu" else None,  # by the memory of a GPU
        )
        with self._model.continuous_batching_context_manager(
            generation_config=config, continuous_batching_config=batching, block=True
        ) as manager:
            begun = time.perf_counter()
            for prompt, tokens in sequences:
                manager.add_request(prompt, max_new_tokens=tokens, eos_token_id=-1)
            for _ in sequences:
                while (result := manager.get_result(timeout=1)) is None or not result.is_finished():
                    if not manager.is_running():
                        raise RuntimeError("transformers' continuous batching has ended early")
            seconds = time.perf_counter() - begun
        return Speed(sum(tokens for _, tokens in sequences), seconds)

    def static(self) -> Speed:
        """In batches of like length, each of which goes on until its longest is done."""
        sequences = sorted(self._sequences(), key=lambda sequence: sequence[1])
        begun = time.perf_counter()
        for first in range(0, len(sequences), self._rows):
            batch = sequences[first : first + self._rows]
            longest = max(tokens for _, tokens in batch)
            inputs = self._tokenizer.pad({"input_ids": [prompt for prompt, _ in batch]}, return_tensors="pt")
            self._model.generate(
                **inputs.to(self._model.device),
                max_new_tokens=longest,
                min_new_tokens=longest,
                do_sample=True,
                top_k=0,
                pad_token_id=self._tokenizer.pad_token_id,
            )
        return Speed(sum(tokens for _, tokens in sequences), time.perf_counter() - begun)

    def _sequences(self) -> list[tuple[list[int], int]]:
        return [
            (
                [
                    token
                    for segment in [*request.prefix.segments()][::-1]
                    for token in self._codec.encode_segment(segment)
                ],
                tokens,
            )
            for request, tokens in self._searches.asked.generated
        ]


def main(
    device: Annotated[Device, typer.Option(help="cpu is for a tiny model.")] = Device.CUDA,
    searches: Annotated[int, typer.Option(min=1, help="Problems.")] = 256,
    width: Annotated[int, typer.Option(min=1, help="Of REBASE.")] = 16,
    rows: Annotated[int, typer.Option(min=1, help="Sequences at a time.")] = 256,
    cache_gigabytes: Annotated[float, typer.Option(help="Of keys and values that the embedded runtime keeps.")] = 16.0,
    repeats: Annotated[int, typer.Option(min=1, help="Runs of each, in turn.")] = 3,
    sglang: Annotated[
        bool | None, typer.Option(help="Over SGLang too. [default: where it is installed]", show_default=False)
    ] = None,
    output: Annotated[Path | None, typer.Option(help="Where the tables are written as JSON.")] = None,
) -> None:
    """Print the tables."""
    if device is Device.CUDA and not torch.cuda.is_available():
        typer.echo("there is no GPU here, so that there is nothing to measure; --device cpu runs a tiny model")
        return
    on_cpu = device is Device.CPU
    config = _TINY if on_cpu else _LLAMA
    report = Report("gpu", output)
    where = device if on_cpu else torch.cuda.get_device_name(device)
    with tempfile.TemporaryDirectory() as folder:
        directory = Path(folder) / "model"
        write_model(config, directory, device)
        embedded = Searches(
            lambda: LocalRuntime(
                directory,
                dtype=str(config.dtype).removeprefix("torch."),
                device=device,
                rows=rows,
                cache_bytes=int(cache_gigabytes * 2**30),
            ),
            searches,
            width,
        )
        others = Transformers(directory, device, rows, embedded)
        what = f"REBASE, width {width}, problems: {searches}"
        measure(
            report,
            f"the embedded runtime on {where}: {what}",
            {
                "asyncsearch": partial(anyio.run, embedded.run),
                "flood": partial(anyio.run, embedded.flood),
                "transformers, continuous batching": others.continuous,
                "transformers, static batches": others.static,
            },
            repeats,
        )
        if sglang if sglang is not None else importlib.util.find_spec("sglang") is not None:
            flags = ["--cpu"] if on_cpu else []
            with launched("policy", str(directory), *flags, "--port", str(_PORT)) as (address,):
                served = Searches(partial(SglangRuntime, address), searches, width)
                measure(
                    report,
                    f"SGLang on {where}: {what}",
                    {"asyncsearch": partial(anyio.run, served.run), "flood": partial(anyio.run, served.flood)},
                    repeats,
                )


def measure(report: Report, title: str, arms: dict[str, Callable[[], Speed]], repeats: int) -> None:
    """A line for each arm, after one run of each for nothing."""
    alternate(arms, repeats=1)
    samples = {name: [one.rate for one in found] for name, found in alternate(arms, repeats=repeats).items()}
    rows = [
        [name, f"{Spread.of(rates):,.0f}", f"{ratios(rates, samples['flood']):.2f}"] for name, rates in samples.items()
    ]
    report.add(title, ["who asks", "tokens/s", "of the flood's"], rows, samples=samples)


if __name__ == "__main__":
    run(main)
