"""Make the bundled problems and models: ``python -m asyncsearch.finetune.arithmetic DIRECTORY``.

Two Llama-shaped models are trained from nothing. The policy learns worked solutions. The reward model starts
from the policy's weights and learns, on solutions that the policy samples, which steps are right; the labels
come from checking the arithmetic. Both are scored on the test problems, which neither has seen, and described
in a model card beside their weights. The same seed gives the same weights on the same machine.
"""

from __future__ import annotations

import asyncio
import copy
import logging
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Annotated

import orjson
import torch
import typer
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast, set_seed

from asyncsearch.datasets.arithmetic import TEST_SIZE, ArithmeticProblem, generate_problems
from asyncsearch.finetune.cards import write_cards
from asyncsearch.finetune.policy import solution_example
from asyncsearch.finetune.reward import labelled_example
from asyncsearch.finetune.solutions import POLICY_FORMAT, Solution, sample_solutions
from asyncsearch.finetune.tokenizer import train_tokenizer
from asyncsearch.finetune.training import Example, TrainingOptions, train
from asyncsearch.rewards.formats import REWARD_FORMATS

__all__ = ["Recipe", "make_bundle"]

_REWARD_FORMAT = REWARD_FORMATS["math-shepherd"]
_CONTEXT_LENGTH = 512
_HEAD_SIZE = 64  # which every serving engine takes
_TOKENIZER_PROBLEMS = 5_000
_ATTENTION = "eager"  # on a CPU and at these lengths, faster to train than the fused kernels


@dataclass(frozen=True, slots=True)
class Lesson:
    """A round of training on problems that no other round sees, each once; some are shorter than test problems."""

    training: TrainingOptions
    stock: range = range(100, 1000)

    @property
    def count(self) -> int:
        """How many problems it takes."""
        return self.training.steps * self.training.batch_size

    def problems(self, seed: int) -> Iterator[ArithmeticProblem]:
        """The problems themselves."""
        return generate_problems(
            self.count,
            split="train",
            seed=seed,
            minimum_operations=2,
            stock=self.stock,
        )

    def __str__(self) -> str:
        low, high, options = self.stock[0], self.stock[-1], self.training
        return (
            f"{self.count:,} problems with worked solutions on numbers from {low:,} to {high:,} "
            f"({options.steps:,} steps of {options.batch_size})"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """Everything that decides what comes out.

    The reward model is the policy with some more layers, for it has to compare what is written with what it
    would have written itself, which it knows only after the policy's last layer. It learns from ``samples``
    of the policy's solutions of each of ``sampled_problems``, and beside them goes on to learn to solve, from
    ``worked_problems``.
    """

    seed: int = 0
    vocabulary_size: int = 400
    hidden_size: int = 128
    intermediate_size: int = 352
    layers: int = 4
    policy: tuple[Lesson, ...] = (
        # Numbers of all lengths come first: from them the policy learns to find its way about a story.
        Lesson(TrainingOptions(steps=3000, batch_size=64, learning_rate=3e-3), range(1, 10_000)),
        Lesson(TrainingOptions(steps=2000, batch_size=64, learning_rate=2e-3, warmup_steps=100), range(1, 10_000)),
        Lesson(TrainingOptions(steps=700, batch_size=64, learning_rate=2e-3, warmup_steps=100)),
    )
    more_layers: int = 2
    sampled_problems: int = 7_000
    samples: int = 4
    worked_problems: int = 56_000
    reward: TrainingOptions = TrainingOptions(  # noqa: RUF009 - frozen
        steps=1400, batch_size=64, learning_rate=2e-3, warmup_steps=100
    )


def make_bundle(directory: Path, recipe: Recipe) -> None:
    """Write ``test.jsonl``, ``policy/`` and ``reward/`` with their model cards."""
    directory.mkdir(parents=True, exist_ok=True)
    write_test_problems(directory / "test.jsonl")
    policy_seconds = train_policy(directory / "policy", recipe)
    solutions = sample_training_solutions(directory / "policy", recipe)
    reward_seconds = train_reward(directory / "reward", directory / "policy", solutions, recipe)
    describe(directory, recipe, policy_seconds=policy_seconds, reward_seconds=reward_seconds)


def write_test_problems(path: Path) -> None:
    """Write the test split, one JSON object a line with ``id``, ``problem`` and ``answer``."""
    lines = [
        orjson.dumps({"id": f"arithmetic-{number}", "problem": problem.problem, "answer": problem.answer}) + b"\n"
        for number, problem in enumerate(generate_problems(TEST_SIZE, split="test"))
    ]
    path.write_bytes(b"".join(lines))


def train_policy(directory: Path, recipe: Recipe) -> float:
    """Train the policy and its tokenizer from nothing and return how many seconds the policy took."""
    texts = (
        POLICY_FORMAT.prompt_for(problem.problem) + "".join(problem.steps)
        for problem in islice(recipe.policy[0].problems(recipe.seed), _TOKENIZER_PROBLEMS)
    )
    tokenizer = train_tokenizer(texts, vocabulary_size=recipe.vocabulary_size, context_length=_CONTEXT_LENGTH)
    set_seed(recipe.seed)
    heads = recipe.hidden_size // _HEAD_SIZE
    model = _new_model(
        LlamaConfig(
            vocab_size=len(tokenizer),
            hidden_size=recipe.hidden_size,
            intermediate_size=recipe.intermediate_size,
            num_hidden_layers=recipe.layers,
            num_attention_heads=heads,
            num_key_value_heads=heads,
            head_dim=_HEAD_SIZE,
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
    for number, lesson in enumerate(recipe.policy):
        examples = [
            solution_example(tokenizer, POLICY_FORMAT.prompt_for(problem.problem), "".join(problem.steps))
            for problem in lesson.problems(recipe.seed + number)
        ]
        seconds += _train(model, tokenizer, examples, lesson.training)
    _save(model, tokenizer, directory)
    return seconds


def _new_model(config: LlamaConfig) -> LlamaForCausalLM:
    config._attn_implementation = _ATTENTION
    return LlamaForCausalLM(config)


def sample_training_solutions(policy: Path, recipe: Recipe) -> list[Solution]:
    """Solutions of problems that the policy has not been trained on."""
    seed = recipe.seed + len(recipe.policy)
    problems = list(generate_problems(recipe.sampled_problems, split="train", seed=seed))
    return asyncio.run(sample_solutions(policy, problems, samples=recipe.samples))


def train_reward(directory: Path, policy: Path, solutions: Sequence[Solution], recipe: Recipe) -> float:
    """Train the reward model from the policy's weights and return how many seconds it took."""
    tokenizer = PreTrainedTokenizerFast.from_pretrained(policy)
    set_seed(recipe.seed)
    model = _with_more_layers(
        LlamaForCausalLM.from_pretrained(policy, dtype=torch.float32, attn_implementation=_ATTENTION),
        recipe.more_layers,
    )
    model.config.reward_format = _REWARD_FORMAT.name
    labelled = [(solution.problem, solution.steps, solution.labels) for solution in solutions]
    seed = recipe.seed + len(recipe.policy) + 1
    for problem in generate_problems(recipe.worked_problems, split="train", seed=seed, minimum_operations=2):
        labelled.append((problem, problem.steps, (True,) * len(problem.steps)))
    examples = [
        labelled_example(tokenizer, problem.problem, steps, labels, _REWARD_FORMAT, learn_right_steps=True)
        for problem, steps, labels in labelled
    ]
    examples = [example for example in examples if len(example.tokens) <= _CONTEXT_LENGTH]
    seconds = _train(model, tokenizer, examples, recipe.reward)
    _save(model, tokenizer, directory)
    return seconds


def _with_more_layers(model: LlamaForCausalLM, more: int) -> LlamaForCausalLM:
    """A deeper model that computes the same, since its new layers add nothing to what passes through them yet."""
    config = copy.deepcopy(model.config)
    config.num_hidden_layers += more
    deeper = _new_model(config)
    torch.nn.Module.load_state_dict(deeper, model.state_dict(), strict=False)
    for layer in deeper.model.layers[-more:]:
        torch.nn.init.zeros_(layer.self_attn.o_proj.weight)
        torch.nn.init.zeros_(layer.mlp.down_proj.weight)
    return deeper


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


def describe(directory: Path, recipe: Recipe, *, policy_seconds: float, reward_seconds: float) -> None:
    """Write the model cards."""
    reward = recipe.reward
    write_cards(
        directory,
        policy_training=(
            f"Data: {', then '.join(map(str, recipe.policy))}; {_minutes(policy_seconds)}. "
            "No test problem is among them."
        ),
        reward_training=(
            f"Data: {recipe.samples} solutions of each of {recipe.sampled_problems:,} training problems, sampled from "
            f"the policy and labelled by checking the arithmetic, and {recipe.worked_problems:,} worked solutions. "
            f"Training starts from the policy with {recipe.more_layers} more layers, {reward.steps:,} steps of "
            f"{reward.batch_size}; {_minutes(reward_seconds)}. No test problem is among them."
        ),
        command=f"python -m asyncsearch.finetune.arithmetic DIRECTORY --seed {recipe.seed}",
    )


def _minutes(seconds: float) -> str:
    return f"{seconds / 60:.0f} minutes on two cores"


def _main(
    directory: Annotated[Path, typer.Argument(help="Where to write test.jsonl, policy/ and reward/.")],
    seed: Annotated[int, typer.Option(help="Seed of the data and of the weights.")] = 0,
) -> None:
    """Make the bundled problems and models."""
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    make_bundle(directory, Recipe(seed=seed))


if __name__ == "__main__":
    typer.run(_main)
