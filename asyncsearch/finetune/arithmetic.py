"""Make the bundled problems and models: ``python -m asyncsearch.finetune.arithmetic DIRECTORY``.

Two Llama-shaped models are trained from nothing. The policy learns worked solutions. The reward model starts
from the policy's weights and learns, on solutions that the policy samples, which steps are right; the labels
come from checking the arithmetic. Both are scored on the test problems, which neither has seen, and described
in a model card beside their weights. The same seed gives the same weights on the same machine.
"""

from __future__ import annotations

import asyncio
import json
import logging
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import orjson
import torch
import typer
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast, set_seed

from asyncsearch.datasets.arithmetic import TEST_SIZE, ArithmeticProblem, generate_problems, label_steps
from asyncsearch.finetune.policy import solution_example
from asyncsearch.finetune.reward import labelled_example, step_auc
from asyncsearch.finetune.tokenizer import train_tokenizer
from asyncsearch.finetune.training import Example, TrainingOptions, train
from asyncsearch.format import FORMATS
from asyncsearch.rewards.formats import REWARD_FORMATS
from runtimes.base import (
    GenerateRequest,
    GenerateResult,
    Prefix,
    Request,
    Result,
    RuntimeFailure,
    ScoreRequest,
    ScoreResult,
)
from runtimes.local import LocalRuntime

__all__ = ["Recipe", "make_bundle"]

_FORMAT = FORMATS["steps"]
_REWARD_FORMAT = REWARD_FORMATS["math-shepherd"]
_CONTEXT_LENGTH = 512
_LONGEST_SOLUTION = 300

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class PolicyRound:
    """One round of training the policy: on how many solved problems, none of them another round's, and how."""

    problems: int
    training: TrainingOptions


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """Everything that decides what comes out.

    Sizes are a Llama's; the heads have 64 dimensions, which every serving engine takes. The policy is trained
    in rounds, each with a warm-up and a decay of its own; the reward model once, on ``samples`` solutions of
    each of ``sampled_problems``.
    """

    seed: int = 0
    vocabulary_size: int = 400
    hidden_size: int = 128
    intermediate_size: int = 352
    layers: int = 4
    policy_rounds: tuple[PolicyRound, ...] = (
        PolicyRound(120_000, TrainingOptions(steps=3000, batch_size=64, learning_rate=3e-3)),
        PolicyRound(128_000, TrainingOptions(steps=2000, batch_size=64, learning_rate=2e-3, warmup_steps=100)),
    )
    sampled_problems: int = 5_000
    samples: int = 4
    reward: TrainingOptions = TrainingOptions(steps=1500, batch_size=64, learning_rate=1e-3)  # noqa: RUF009 - frozen


@dataclass(frozen=True, slots=True)
class Solution:
    """A sampled solution: its problem, its steps, and per step whether all is right up to it."""

    problem: ArithmeticProblem
    steps: tuple[str, ...]
    labels: tuple[bool, ...]
    finished: bool

    @property
    def right(self) -> bool:
        """Whether the whole solution is."""
        return self.finished and len(self.labels) == len(self.problem.operations) and all(self.labels)


def make_bundle(directory: Path, recipe: Recipe) -> None:
    """Write ``test.jsonl``, ``policy/`` and ``reward/`` with their model cards."""
    directory.mkdir(parents=True, exist_ok=True)
    write_test_problems(directory / "test.jsonl")
    policy_seconds = train_policy(directory / "policy", recipe)
    solutions = asyncio.run(
        sample_solutions(
            directory / "policy",
            list(
                generate_problems(recipe.sampled_problems, split="train", seed=recipe.seed + len(recipe.policy_rounds))
            ),
            samples=recipe.samples,
        )
    )
    reward_seconds = train_reward(directory / "reward", directory / "policy", solutions, recipe)
    write_cards(directory, recipe, policy_seconds=policy_seconds, reward_seconds=reward_seconds)


def _problems_to_sample(recipe: Recipe) -> list[ArithmeticProblem]:
    """Training problems that no round of the policy's training has seen."""
    seed = recipe.seed + len(recipe.policy_rounds)
    return list(generate_problems(recipe.sampled_problems, split="train", seed=seed))


def write_test_problems(path: Path) -> None:
    """Write the test split, one JSON object a line with ``id``, ``problem`` and ``answer``."""
    lines = [
        orjson.dumps({"id": f"arithmetic-{number}", "problem": problem.problem, "answer": problem.answer}) + b"\n"
        for number, problem in enumerate(generate_problems(TEST_SIZE, split="test"))
    ]
    path.write_bytes(b"".join(lines))


def train_policy(directory: Path, recipe: Recipe) -> float:
    """Train the policy from nothing and return how many seconds it took."""
    problems = _solved_problems(recipe, 0)
    texts = (_FORMAT.prompt_for(problem.problem) + "".join(problem.steps) for problem in problems[:5000])
    tokenizer = train_tokenizer(texts, vocabulary_size=recipe.vocabulary_size, context_length=_CONTEXT_LENGTH)
    set_seed(recipe.seed)
    model = _new_model(
        LlamaConfig(
            vocab_size=len(tokenizer),
            hidden_size=recipe.hidden_size,
            intermediate_size=recipe.intermediate_size,
            num_hidden_layers=recipe.layers,
            num_attention_heads=recipe.hidden_size // 64,
            num_key_value_heads=recipe.hidden_size // 64,
            head_dim=64,
            max_position_embeddings=_CONTEXT_LENGTH,
            tie_word_embeddings=True,
            # Small models start to copy and to look things up far sooner from larger weights than from 0.02.
            initializer_range=0.06,
            bos_token_id=None,
            eos_token_id=tokenizer.eos_token_id,
            pad_token_id=tokenizer.pad_token_id,
        )
    )
    seconds = 0.0
    for number, one in enumerate(recipe.policy_rounds):
        examples = [
            solution_example(tokenizer, _FORMAT.prompt_for(problem.problem), "".join(problem.steps))
            for problem in (problems if number == 0 else _solved_problems(recipe, number))
        ]
        seconds += _train(model, tokenizer, examples, one.training)
    _save(model, tokenizer, directory)
    return seconds


def _solved_problems(recipe: Recipe, number: int) -> list[ArithmeticProblem]:
    """The training problems of one round; some are shorter than any test problem, to begin with."""
    seed = recipe.seed + number
    count = recipe.policy_rounds[number].problems
    return list(generate_problems(count, split="train", seed=seed, minimum_operations=2))


def _new_model(config: LlamaConfig) -> LlamaForCausalLM:
    config._attn_implementation = "eager"  # on a CPU and at this length, faster than the fused kernels
    return LlamaForCausalLM(config)


def train_reward(directory: Path, policy: Path, solutions: Sequence[Solution], recipe: Recipe) -> float:
    """Train the reward model from the policy's weights and return how many seconds it took."""
    tokenizer = PreTrainedTokenizerFast.from_pretrained(policy)
    set_seed(recipe.seed)
    model = LlamaForCausalLM.from_pretrained(policy, dtype=torch.float32, attn_implementation="eager")
    model.config.reward_format = _REWARD_FORMAT.name
    examples: list[Example] = []
    for solution in solutions:
        text = solution.problem.problem
        example = labelled_example(
            tokenizer, text, solution.steps, solution.labels, _REWARD_FORMAT, learn_right_steps=True
        )
        if len(example.tokens) <= _CONTEXT_LENGTH:
            examples.append(example)
    seconds = _train(model, tokenizer, examples, recipe.reward)
    _save(model, tokenizer, directory)
    return seconds


def _train(
    model: LlamaForCausalLM, tokenizer: PreTrainedTokenizerFast, examples: Sequence[Example], options: TrainingOptions
) -> float:
    started = time.monotonic()
    with tempfile.TemporaryDirectory() as scratch:
        train(model, examples, options=options, output=Path(scratch), pad_token_id=tokenizer.pad_token_id)
    return time.monotonic() - started


def _save(model: LlamaForCausalLM, tokenizer: PreTrainedTokenizerFast, directory: Path) -> None:
    """Write half the bytes, as bfloat16; the model card measures what is written."""
    torch.nn.Module.to(model, torch.bfloat16)
    model.save_pretrained(directory)
    tokenizer.save_pretrained(directory)


async def sample_solutions(
    policy: Path, problems: Sequence[ArithmeticProblem], *, samples: int, temperature: float = 1.0
) -> list[Solution]:
    """Sample solutions of each problem and label their steps by checking the arithmetic."""
    requests: dict[Request, ArithmeticProblem] = {}
    for number, problem in enumerate(problems):
        prefix = Prefix(_FORMAT.prompt_for(problem.problem))
        for draw in range(samples):
            request = GenerateRequest(
                prefix=prefix,
                seed=number * samples + draw,
                max_new_tokens=_LONGEST_SOLUTION,
                temperature=temperature,
            )
            requests[request] = problem
    results: dict[Request, GenerateResult] = {}

    def deliver(request: Request, outcome: Result | RuntimeFailure) -> None:
        if isinstance(outcome, GenerateResult):
            results[request] = outcome

    # Training data need no float64: what is sampled is labelled for what it is.
    async with LocalRuntime(policy, dtype="float32", rows=512) as runtime:
        await runtime.generate([request for request in requests if isinstance(request, GenerateRequest)], deliver)
    solutions: list[Solution] = []
    for asked, problem in requests.items():
        result = results[asked]
        steps = _FORMAT.split_steps(result.text)
        labels = label_steps(problem, list(steps))
        solutions.append(Solution(problem, steps, tuple(labels), result.generated_tokens < _LONGEST_SOLUTION))
    return solutions


async def score_solutions(reward: Path, solutions: Sequence[Solution]) -> list[tuple[float, ...] | None]:
    """The reward model's score of every step of every solution, None for one longer than its context."""
    requests: dict[Request, int] = {}
    for number, solution in enumerate(solutions):
        prefix = Prefix(_REWARD_FORMAT.opening_for(solution.problem.problem))
        for index, step in enumerate(solution.steps):
            prefix = prefix.extend(_REWARD_FORMAT.step(step, first=index == 0))
        requests[ScoreRequest(prefix=prefix, steps=len(solution.steps), readout=_REWARD_FORMAT.readout)] = number
    scores: dict[int, tuple[float, ...]] = {}

    def deliver(request: Request, outcome: Result | RuntimeFailure) -> None:
        if isinstance(outcome, ScoreResult):
            scores[requests[request]] = outcome.scores

    async with LocalRuntime(reward) as runtime:
        await runtime.score([request for request in requests if isinstance(request, ScoreRequest)], deliver)
    return [scores.get(number) for number in range(len(solutions))]


def write_cards(directory: Path, recipe: Recipe, *, policy_seconds: float, reward_seconds: float) -> None:
    """Measure both models on the test problems and write their model cards."""
    problems = list(generate_problems(TEST_SIZE, split="test"))
    greedy = asyncio.run(sample_solutions(directory / "policy", problems, samples=1, temperature=0.0))
    sampled = asyncio.run(sample_solutions(directory / "policy", problems, samples=16))
    scores = asyncio.run(score_solutions(directory / "reward", sampled))
    scored = [
        pair
        for solution, row in zip(sampled, scores, strict=True)
        if row is not None
        for pair in zip(solution.labels, row, strict=True)
    ]
    labels = [label for label, _ in scored]
    auc = step_auc([score for _, score in scored], labels)
    # What a search needs: of steps that follow only right ones, to know those that go wrong.
    fresh = [
        pair
        for solution, row in zip(sampled, scores, strict=True)
        if row is not None
        for index, pair in enumerate(zip(solution.labels, row, strict=True))
        if all(solution.labels[:index])
    ]
    fresh_auc = step_auc([score for _, score in fresh], [label for label, _ in fresh])
    right = sum(solution.right for solution in greedy) / len(greedy)
    right_sampled = sum(solution.right for solution in sampled) / len(sampled)
    _log.info("greedy %.3f, sampled %.3f, step AUC %.4f", right, right_sampled, auc)
    config = json.loads((directory / "policy" / "config.json").read_text())
    shape = (
        f"A Llama with {config['num_hidden_layers']} layers, hidden size {config['hidden_size']}, "
        f"{config['num_attention_heads']} heads of {config['head_dim']} and {config['vocab_size']} tokens "
        f"(byte-level BPE, one token a digit); {_parameters(directory / 'policy'):,} parameters, stored as bfloat16."
    )
    made = "Made by `python -m asyncsearch.finetune.arithmetic`, seed " + str(recipe.seed) + "."
    licence = "---\nlicense: apache-2.0\nlibrary_name: transformers\n---\n\n"
    (directory / "policy" / "README.md").write_text(
        f"{licence}# Arithmetic policy\n\n{shape}\n\n"
        "Writes step-by-step solutions of multi-step arithmetic word problems "
        '("Step 1: 90 * 8 = 720", ..., "The answer is: 337"). It knows nothing else.\n\n'
        f"Data: {sum(one.problems for one in recipe.policy_rounds):,} generated problems with worked solutions, "
        f"{' + '.join(f'{one.training.steps:,}' for one in recipe.policy_rounds)} steps of "
        f"{recipe.policy_rounds[0].training.batch_size} solutions ({policy_seconds / 60:.0f} minutes on two cores). "
        "No test problem is among them.\n\n"
        f"Held out ({TEST_SIZE} test problems): {right:.1%} of greedy solutions are right in every step, "
        f"{right_sampled:.1%} of those sampled at temperature 1.\n\n{made}\n"
    )
    (directory / "reward" / "README.md").write_text(
        f"{licence}# Arithmetic process reward model\n\n{shape}\n\n"
        "Scores each step of a solution: the probability of `+` against `-` after the step tag ` ки` "
        "(Math-Shepherd's form). A score says whether the solution is right up to that step.\n\n"
        f"Data: {recipe.samples} solutions of each of {recipe.sampled_problems:,} training problems, sampled from the "
        "policy and labelled by checking the arithmetic. Training starts from the policy's weights, "
        f"{recipe.reward.steps:,} steps of {recipe.reward.batch_size} "
        f"({reward_seconds / 60:.0f} minutes on two cores).\n\n"
        f"Held out (16 sampled solutions of each of {TEST_SIZE} test problems, {len(labels):,} steps, "
        f"{sum(labels) / len(labels):.1%} right): area under the ROC curve {auc:.4f}; "
        f"of the {len(fresh):,} steps that follow only right ones, {fresh_auc:.4f}.\n\n{made}\n"
    )


def _parameters(directory: Path) -> int:
    return int(LlamaForCausalLM.from_pretrained(directory).num_parameters())


def _main(
    directory: Annotated[Path, typer.Argument(help="Where to write test.jsonl, policy/ and reward/.")],
    seed: Annotated[int, typer.Option(help="Seed of the data and of the weights.")] = 0,
) -> None:
    """Make the bundled problems and models."""
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    make_bundle(directory, Recipe(seed=seed))


if __name__ == "__main__":
    typer.run(_main)
