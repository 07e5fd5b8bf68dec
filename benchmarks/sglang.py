"""A dataset on two real SGLang servers: asyncsearch against other ways to ask them, and against all at once.

    python -m benchmarks.sglang [POLICY REWARD] [--search NAME ...] [--problems N] [--width N] [--repeats N]

The servers run on this machine without a GPU, with the bundled models; unless the addresses of two that are running are
given, they are started and stopped by this command (`asyncsearch launch --cpu --prepare` first). They forget everything
before each measurement; those of a table are made in turn. REBASE is run by asyncsearch, and as its own scripts do
(`benchmarks.sglang_reference`); beam search by asyncsearch, and by its_hub (`pip install -e '.[benchmarks]'`), which
talks to the same policy by OpenAI's protocol, all problems at once, and is given scores by this project's client. Its
beam search copies what has finished, where others draw anew, and so takes fewer tokens: what compares is tokens/s.

The flood is what asyncsearch has just asked for, with prompts and lengths as they came out, when all of it is known and
sent at once to both servers: the limit, if one takes for the limit a server that is asked for everything. The prompts
are in the policy's cache beforehand, as the steps are that a search goes on from. A server that is asked for less at a
time can be faster: see `benchmarks.makespan`. Prompt tokens that had to be computed are by the policy's own count.
"""

from __future__ import annotations

import enum
import statistics
import subprocess
import tempfile
import time
import warnings
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import IO, Annotated, Any

import aiohttp
import anyio
import orjson
import typer
from transformers import AutoTokenizer

from asyncsearch import Problem, Rebase, Strategy, load_problems, solve_dataset
from asyncsearch.datasets.arithmetic import bundled_model
from asyncsearch.format import FORMATS
from asyncsearch.rewards import REWARD_FORMATS
from asyncsearch.strategies import Beam
from benchmarks.command import run
from benchmarks.launched import launched
from benchmarks.measuring import Report, Spread, alternate, ratios
from benchmarks.recorded import Recorded
from runtimes.base import Prefix, Request, Result, RetryableError, RuntimeFailure, ScoreRequest, ScoreResult
from runtimes.http import JsonSession
from runtimes.launch.environment import cpu_environment
from runtimes.sglang import SglangRuntime
from runtimes.sglang.messages import label_body

__all__ = ["main"]

_FORMAT = FORMATS["steps"]
_REWARD_FORMAT = REWARD_FORMATS["lines"]
_BEAMS = 4
_ROWS = 256
_PATIENCE = 60.0
_MOST_ANSWERED = 0.9
_NEVER = "~" * 100
"""What no text holds: looked for all the same, as the end of a step is."""

_PLAIN_TEMPLATE = "{% for message in messages %}{{ message['content'] }}{% endfor %}"
"""A chat is the texts of its messages: so a server of chats can be asked to continue any prompt."""


class Search(enum.Enum):
    """What is run by asyncsearch and by somebody else."""

    REBASE = "rebase"
    BEAM = "beam"


@dataclass(frozen=True, slots=True)
class Measured:
    """One run: its seconds, and the tokens that were generated, or computed of ``prompts`` by the policy."""

    seconds: float
    tokens: int
    prompts: int = 0

    @property
    def tokens_per_second(self) -> float:
        """What a server is worth."""
        return self.tokens / self.seconds


@dataclass(frozen=True, slots=True)
class Pair:
    """The addresses of a policy and a reward model."""

    policy: str
    reward: str

    async def forget(self) -> None:
        """Have both throw their caches away."""
        for address in (self.policy, self.reward):
            async with aiohttp.ClientSession(address) as session, session.post("/flush_cache?timeout=10") as answer:
                answer.raise_for_status()

    async def computed(self) -> int:
        """Tokens of prompts that the policy has computed since it started, by its own count."""
        async with aiohttp.ClientSession(self.policy) as session, session.get("/metrics") as answer:
            answer.raise_for_status()
            lines = (await answer.text()).splitlines()
        of, cached = (
            sum(float(line.split()[-1]) for line in lines if line.startswith(f"sglang:{name}_tokens_total{{"))
            for name in ("prompt", "cached")
        )
        return int(of - cached)


@contextmanager
def servers(port: int, running: Sequence[str]) -> Iterator[Pair]:
    """Two SGLang servers: those that are running, or new ones."""
    if running:
        yield Pair(*running)
        return
    with tempfile.TemporaryDirectory() as folder:
        template = Path(folder) / "plain.jinja"
        template.write_text(_PLAIN_TEMPLATE)
        flags = ["--enable-metrics", "--max-running-requests", str(_ROWS), "--chat-template", str(template)]
        with launched("pair", "--cpu", "--port", str(port), "--", *flags) as addresses:
            yield Pair(*addresses)


@dataclass(frozen=True, slots=True)
class Arm:
    """What is measured, and what is done before."""

    run: Callable[[], Awaitable[Measured]]
    prepare: Callable[[], Awaitable[None]] | None = None

    async def measure(self, pair: Pair) -> Measured:
        """Once, on servers that have forgotten what was before."""
        await pair.forget()
        if self.prepare is not None:
            await self.prepare()
        before = await pair.computed()
        measured = await self.run()
        return replace(measured, prompts=await pair.computed() - before)


class Searches:
    """One strategy over a dataset by asyncsearch, and the flood of what it has last asked for."""

    def __init__(self, pair: Pair, problems: Sequence[Problem], strategy: Strategy) -> None:
        self._pair = pair
        self._problems = problems
        self._strategy = strategy
        self._policy = Recorded(SglangRuntime(pair.policy))
        self._reward = Recorded(SglangRuntime(pair.reward))
        self._tokenizer = AutoTokenizer.from_pretrained(bundled_model("policy"))

    def arms(self) -> dict[str, Arm]:
        """What is measured: the search, and then its flood."""
        return {"asyncsearch": Arm(self.run), "flood": Arm(self.flood, prepare=self.remind)}

    async def run(self) -> Measured:
        """Search, and keep what was asked for."""
        policy, reward = (Recorded(SglangRuntime(address)) for address in (self._pair.policy, self._pair.reward))
        async with policy, reward:
            begun = time.perf_counter()
            run = await solve_dataset(self._problems, self._strategy, policy=policy, reward=reward)
            seconds = time.perf_counter() - begun
        if failed := [result.error for result in run.kept if result.error]:
            raise RuntimeError(failed[0])
        self._policy, self._reward = policy, reward
        return Measured(seconds, run.statistics.generate.generated_tokens)

    async def remind(self) -> None:
        """Have the policy's cache hold the prompts of the flood."""
        prompts = dict.fromkeys(request.prefix for request, _ in self._policy.generated)
        texts = [self._tokens_of(prompt) for prompt in prompts]
        await ask(self._pair.policy, {"input_ids": texts, "sampling_params": {"max_new_tokens": 1}})

    async def flood(self) -> Measured:
        """The same requests, each in its length, all at once."""
        texts = [self._tokens_of(request.prefix) for request, _ in self._policy.generated]
        parameters = [
            {
                "max_new_tokens": tokens,
                "ignore_eos": True,
                "temperature": request.temperature,
                "stop": [_NEVER[: len(stop)] for stop in request.stop],
            }
            for request, tokens in self._policy.generated
        ]
        generated = {"input_ids": texts, "sampling_params": parameters}
        judged = [self._tokens_of(request.prefix) for request in self._reward.scored]
        labels = labels_of(self._tokenizer)
        names = [f"flood-{number:06d}" for number in range(len(judged))]
        scored = label_body(judged, [len(text) - 1 for text in judged], [labels] * len(judged), names)

        begun = time.perf_counter()
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(ask, self._pair.policy, generated)
            tasks.start_soon(ask, self._pair.reward, scored)
        seconds = time.perf_counter() - begun
        return Measured(seconds, sum(tokens for _, tokens in self._policy.generated))

    def _tokens_of(self, prefix: Prefix) -> list[int]:
        found: list[int] = self._tokenizer.encode(prefix.full_text(), add_special_tokens=False)
        return found


async def ask(address: str, body: dict[str, Any]) -> None:
    """One request to a server, of all that there is to generate or to score."""
    async with JsonSession(address) as session:
        await session.post("/generate", body)


def labels_of(tokenizer: Any) -> tuple[int, int]:
    """The token ids that the reward model is read from."""
    good, bad = tokenizer.convert_tokens_to_ids(["+", "-"])
    return good, bad


class Reference:
    """REBASE as its scripts run it, in a process of SGLang's environment."""

    def __init__(self, process: subprocess.Popen[str], pair: Pair, problems: Sequence[Problem], width: int) -> None:
        self._process = process
        self._task = {
            "policy": pair.policy,
            "reward": pair.reward,
            "labels": labels_of(AutoTokenizer.from_pretrained(bundled_model("reward"))),
            "prompts": [_FORMAT.prompt_for(problem.text) for problem in problems],
            "options": {"width": width, "steps": Rebase().max_depth, "max_tokens": Rebase().max_step_tokens},
        }

    async def run(self) -> Measured:
        """Search."""
        return await anyio.to_thread.run_sync(self._answer)

    def _answer(self) -> Measured:
        writer, reader = self._process.stdin, self._process.stdout
        assert writer is not None
        assert reader is not None
        writer.write(orjson.dumps(self._task).decode() + "\n")
        writer.flush()
        found = answer_in(reader)
        if found["failures"]:
            raise RuntimeError(found["failures"][0])
        return Measured(found["seconds"], found["tokens"])


def answer_in(reader: IO[str]) -> dict[str, Any]:
    """The next line that is an answer; SGLang says other things beside."""
    for line in reader:
        if line.startswith('{"seconds"'):
            answer: dict[str, Any] = orjson.loads(line)
            return answer
    raise RuntimeError("the reference's process has ended")


@contextmanager
def reference(pair: Pair, problems: Sequence[Problem], width: int) -> Iterator[Reference]:
    """The process that runs REBASE's way."""
    environment = cpu_environment()
    # Without its own folder on the path, where this file has the name of the package.
    command = [str(environment.python), "-P", str(Path(__file__).with_name("sglang_reference.py"))]
    variables = {"PYTHONPATH": str(environment.shim), "PATH": "/usr/bin:/bin", "HF_HUB_OFFLINE": "1"}
    with subprocess.Popen(command, env=variables, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield Reference(process, pair, problems, width)
        finally:
            process.kill()


class ItsHub:
    """Beam search by its_hub."""

    def __init__(self, pair: Pair, problems: Sequence[Problem], width: int) -> None:
        self._pair = pair
        self._problems = problems
        self._width = width

    async def run(self) -> Measured:
        """Search all problems at once, as many requests in flight as it makes."""
        from its_hub.api import AbstractProcessRewardModel  # noqa: PLC0415 - an extra
        from its_hub.api.types import GenerationUsage  # noqa: PLC0415
        from its_hub.core.algorithms.beam_search import BeamSearch  # noqa: PLC0415
        from its_hub.core.lms.openai_lm import OpenAICompatibleLanguageModel  # noqa: PLC0415
        from its_hub.core.lms.step_generation import StepGeneration  # noqa: PLC0415

        usage = GenerationUsage()
        answered = 0

        class Counted(OpenAICompatibleLanguageModel):  # type: ignore[misc]
            async def agenerate(self, *arguments: Any, **options: Any) -> Any:
                return await super().agenerate(*arguments, **options, usage_accumulator=usage)

        class Scored(AbstractProcessRewardModel):  # type: ignore[misc]
            def score(self, prompt_or_messages: Any, steps: list[str]) -> list[float]:
                raise NotImplementedError("it is asked by coroutines")

            async def ascore(self, prompt_or_messages: str, steps: list[str]) -> list[float]:
                return await scores_of(reward, prompt_or_messages, steps)

        async with SglangRuntime(self._pair.reward) as reward:
            policy = Counted(f"{self._pair.policy}/v1", "none", "default", max_completion_tokens=Beam().max_step_tokens)
            steps = StepGeneration(Beam().max_depth, "\nStep", stop_token=_FORMAT.answer_marker, temperature=1.0)
            search = BeamSearch(steps, Scored(), beam_width=_BEAMS)

            async def solve(problem: Problem) -> None:
                nonlocal answered
                found = await search.ainfer(policy, _FORMAT.prompt_for(problem.text), self._width)
                answered += _FORMAT.answer_marker in found["content"]

            begun = time.perf_counter()
            async with anyio.create_task_group() as tasks:
                for problem in self._problems:
                    tasks.start_soon(solve, problem)
            seconds = time.perf_counter() - begun
        if answered < int(_MOST_ANSWERED * len(self._problems)):
            raise RuntimeError(f"its_hub has answered {answered} of {len(self._problems)} problems")
        return Measured(seconds, usage.completion_tokens)


async def scores_of(reward: SglangRuntime, prompt: str, solutions: Sequence[str]) -> list[float]:
    """The scores of the last steps of solutions."""
    requests = [
        ScoreRequest(reads=(Prefix(f"{prompt}{solution.rstrip()}\n"),), readout=_REWARD_FORMAT.readout)
        for solution in solutions
    ]
    found: dict[Request, float] = {}

    def deliver(request: Request, outcome: Result | RuntimeFailure) -> None:
        if isinstance(outcome, ScoreResult):
            found[request] = outcome.scores[-1]
        elif isinstance(outcome, RuntimeFailure) and not isinstance(outcome, RetryableError):
            raise outcome

    with anyio.fail_after(_PATIENCE):
        while left := [request for request in requests if request not in found]:
            await reward.score(left, deliver)
    return [found[request] for request in requests]


def compared(pair: Pair, arms: Mapping[str, Arm], *, repeats: int) -> dict[str, list[Measured]]:
    """All arms, in turn."""
    return alternate({name: partial(anyio.run, arm.measure, pair) for name, arm in arms.items()}, repeats=repeats)


def add_table(report: Report, title: str, found: dict[str, list[Measured]]) -> None:
    """What was measured, with ratios to what stands beside it."""
    ours, flood = found["asyncsearch"], found["flood"]
    rows = []
    for name, measured in found.items():
        rows.append(
            [
                name,
                f"{Spread.of([one.seconds for one in measured]):.1f}",
                f"{statistics.median(one.tokens for one in measured):,.0f}",
                f"{statistics.median(one.prompts for one in measured):,.0f}",
                f"{Spread.of([one.tokens_per_second for one in measured]):,.0f}",
                f"{ratios(*([one.tokens_per_second for one in arm] for arm in (measured, flood))):.2f}",
                f"{ratios(*([one.tokens_per_second for one in arm] for arm in (ours, measured))):.2f}",
            ]
        )
    headings = [
        "who asks",
        "s",
        "tokens",
        "prompt tokens computed",
        "tokens/s",
        "of the flood's",
        "asyncsearch's against it",
    ]
    samples = {name: [[one.seconds, one.tokens, one.prompts] for one in measured] for name, measured in found.items()}
    report.add(title, headings, rows, samples=samples)


def main(
    running: Annotated[
        list[str] | None,
        typer.Argument(help="Of a policy and a reward model that are there, with plain chats and --enable-metrics."),
    ] = None,
    search: Annotated[list[Search], typer.Option(help="What is measured.")] = [Search.REBASE, Search.BEAM],  # noqa: B006
    problems: Annotated[int, typer.Option(min=1, help="Problems of a run.")] = 160,
    width: Annotated[int, typer.Option(min=1, help="Of REBASE and of beam search, a multiple of four.")] = 16,
    repeats: Annotated[int, typer.Option(min=1, help="Runs of each, in turn.")] = 3,
    port: Annotated[int, typer.Option(min=1, help="Of the policy; the reward model's is the next.")] = 31700,
    output: Annotated[Path | None, typer.Option(help="Where the tables are written as JSON.")] = None,
) -> None:
    """Print the tables."""
    warnings.simplefilter("ignore", DeprecationWarning)  # its_hub warns of its own calls
    if running and len(running) != 2:
        raise typer.BadParameter("a policy's address and a reward model's")
    if width % _BEAMS:
        raise typer.BadParameter(f"--width {width} is no multiple of {_BEAMS}")
    chosen = load_problems("arithmetic", limit=problems)
    report = Report("sglang", output)
    with servers(port, running or ()) as pair:
        anyio.run(Searches(pair, chosen[:2], Rebase(width=width)).run)  # what is first is not measured
        if Search.REBASE in search:
            rebase = Searches(pair, chosen, Rebase(width=width))
            with reference(pair, chosen, width) as scripts:
                arms = {**rebase.arms(), "sgl.function, 8 threads": Arm(scripts.run)}
                found = compared(pair, arms, repeats=repeats)
            add_table(report, f"REBASE, width {width}, {problems} problems", found)
        if Search.BEAM in search:
            beam = Searches(pair, chosen, Beam(width=width, beams=_BEAMS))
            arms = {**beam.arms(), "its_hub": Arm(ItsHub(pair, chosen, width).run)}
            found = compared(pair, arms, repeats=repeats)
            add_table(report, f"beam search, {_BEAMS} beams, width {width}, {problems} problems", found)


if __name__ == "__main__":
    run(main)
