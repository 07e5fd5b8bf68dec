"""How the bundled problems and models are made.

Llama-shaped models are trained one from the other. A beginner learns to read the problems, and as a pupil to
calculate. More of both makes the pupil the policy, and the policy with more layers the large one. Still more makes the
pupil a graduate and then an expert, which know what the policy does not. The expert with more layers is the reward
model: it compares what is written with what it would have written itself, and learns which steps are right on solutions
that the graduate samples; its mistakes are fewer than the policy's, and harder to see. The labels come from checking
the arithmetic. Policies and reward model are scored on the test problems, which none has seen, and described in a model
card beside their weights. The same seed gives the same problems and models equal but for rounding, which the samples
are drawn with.
"""

from __future__ import annotations

import asyncio
import random
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import orjson
import torch
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast, set_seed

from asyncsearch.datasets.arithmetic import (
    TEST_SIZE,
    ArithmeticProblem,
    Operation,
    generate_problems,
    label_steps,
    nearest_solution,
    write_steps,
)
from asyncsearch.errors import ConfigurationError
from asyncsearch.finetune.arithmetic.cards import write_cards
from asyncsearch.finetune.arithmetic.drills import drill_example
from asyncsearch.finetune.arithmetic.mistakes import mended, with_mistakes
from asyncsearch.finetune.arithmetic.solutions import POLICY_FORMAT, Solution, sample_solutions
from asyncsearch.finetune.growth import deepened, freeze_below, look_back, look_for, widened
from asyncsearch.finetune.policy import solution_example
from asyncsearch.finetune.reward import compared_example, labelled_example, labels_of
from asyncsearch.finetune.tokenizer import train_tokenizer
from asyncsearch.finetune.training import Example, TrainingOptions, train
from asyncsearch.rewards import REWARD_FORMATS

__all__ = ["Recipe", "make_bundle"]

_REWARD_FORMAT = REWARD_FORMATS["lines"]
_CONTEXT_LENGTH = 512
_HEAD_SIZE = 64  # which every serving engine takes
_TOKENIZER_PROBLEMS = 5_000
_ATTENTION = "eager"  # on a CPU and at these lengths, faster to train than the fused kernels


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """Everything that decides what comes out.

    All learn from problems of one operation up to the longest that the test problems have, each with one of its
    solutions. What teaches to calculate are ``drills`` of ``drill_length`` calculations each, among the problems.

    The reward model has ``comparing_layers`` on top of the expert's, which learn to say of each token whether it
    should stand there: from drills and worked solutions with mistakes put in, and from ``samples`` of the
    graduate's solutions of each of ``sampled_problems``. Then one more layer learns to say of each step whether
    all is right up to it, from the samples and more altered solutions.

    The large policy has ``large_layers`` on top of the policy's, and learns longer.
    """

    seed: int = 0
    vocabulary_size: int = 512
    hidden_size: int = 128
    intermediate_size: int = 352
    layers: int = 4
    stories: TrainingOptions = TrainingOptions(steps=2600, learning_rate=1e-2, warmup_steps=100)  # noqa: RUF009 - frozen
    drill_length: int = 8
    pupil_drills: int = 33_000
    pupil: TrainingOptions = TrainingOptions(steps=1500, learning_rate=6e-3, warmup_steps=50)  # noqa: RUF009 - frozen
    policy_drills: int = 52_500
    policy: TrainingOptions = TrainingOptions(steps=3000, learning_rate=6e-3, warmup_steps=50)  # noqa: RUF009 - frozen
    large_layers: int = 4
    large_drills: int = 24_000
    large: TrainingOptions = TrainingOptions(steps=1500, learning_rate=3e-3, warmup_steps=50)  # noqa: RUF009 - frozen
    graduate_drills: int = 70_000
    graduate: TrainingOptions = TrainingOptions(steps=4000, learning_rate=6e-3, warmup_steps=50)  # noqa: RUF009 - frozen
    expert_drills: int = 10_000
    expert: TrainingOptions = TrainingOptions(steps=5000, learning_rate=6e-3, warmup_steps=50)  # noqa: RUF009 - frozen
    sampled_problems: int = 6_000
    samples: int = 4
    identity_dimensions: int = 64
    comparing_layers: int = 2
    altered_drills: int = 12_000
    compare: TrainingOptions = TrainingOptions(steps=2600, learning_rate=3e-3, warmup_steps=100)  # noqa: RUF009 - frozen
    judge: TrainingOptions = TrainingOptions(steps=2000, learning_rate=3e-3, warmup_steps=100)  # noqa: RUF009 - frozen


def make_bundle(directory: Path, recipe: Recipe) -> None:
    """Write ``test.jsonl``, ``policy/``, ``policy-large/`` and ``reward/`` with their cards, and others on the way.

    A model that is there already is not trained again, so that an interrupted run can be taken up.

    Raises:
        ConfigurationError: the directory holds what another recipe made.
    """
    directory.mkdir(parents=True, exist_ok=True)
    _claim(directory, recipe)
    write_test_problems(directory / "test.jsonl")
    names = ("beginner", "pupil", "policy", "policy-large", "graduate", "expert", "comparer", "reward")
    beginner, pupil, policy, large, graduate, expert, comparer, reward = (directory / name for name in names)
    if not beginner.exists():
        train_beginner(beginner, recipe)
    if not pupil.exists():
        _train_on(pupil, beginner, recipe.pupil, recipe.pupil_drills, recipe, seed=recipe.seed + 1)
    if not policy.exists():
        _train_on(policy, pupil, recipe.policy, recipe.policy_drills, recipe, seed=recipe.seed + 7)
    if not large.exists():
        added = recipe.large_layers
        _train_on(large, policy, recipe.large, recipe.large_drills, recipe, seed=recipe.seed + 8, added_layers=added)
    if not graduate.exists():
        _train_on(graduate, pupil, recipe.graduate, recipe.graduate_drills, recipe, seed=recipe.seed + 2)
    if not expert.exists():
        _train_on(expert, graduate, recipe.expert, recipe.expert_drills, recipe, seed=recipe.seed + 6)
    if not (comparer.exists() and reward.exists()):
        solutions = sample_training_solutions(graduate, recipe)
        if not comparer.exists():
            train_comparer(comparer, expert, solutions, recipe)
        if not reward.exists():
            train_reward(reward, comparer, solutions, recipe)
    describe(directory, recipe)


def _claim(directory: Path, recipe: Recipe) -> None:
    """Leave the recipe in its directory, so that no other is mixed with it."""
    file = directory / "recipe.json"
    written = orjson.dumps(recipe, option=orjson.OPT_INDENT_2)
    if file.exists() and file.read_bytes() != written:
        raise ConfigurationError(f"{directory} holds models of another recipe ({file}); choose another directory")
    file.write_bytes(written)


def write_test_problems(path: Path) -> None:
    """Write the test split, one JSON object a line with ``id``, ``problem`` and ``answer``."""
    lines = [
        orjson.dumps({"id": f"arithmetic-{number}", "problem": problem.problem, "answer": problem.answer}) + b"\n"
        for number, problem in enumerate(generate_problems(TEST_SIZE, split="test"))
    ]
    path.write_bytes(b"".join(lines))


def train_beginner(directory: Path, recipe: Recipe) -> None:
    """Train a policy and its tokenizer from nothing, until it can read stories."""
    problems = list(_problems(recipe.stories.examples, seed=recipe.seed))
    tokenizer = train_tokenizer(
        (_worked_text(one) for one in problems[:_TOKENIZER_PROBLEMS]),
        vocabulary_size=recipe.vocabulary_size,
        context_length=_CONTEXT_LENGTH,
    )
    set_seed(recipe.seed)
    heads = recipe.hidden_size // _HEAD_SIZE
    model = _new_model(
        LlamaConfig(
            vocab_size=len(tokenizer),
            hidden_size=recipe.hidden_size,
            intermediate_size=recipe.intermediate_size,
            num_hidden_layers=recipe.layers,
            num_attention_heads=heads,
            num_key_value_heads=1,
            head_dim=_HEAD_SIZE,
            max_position_embeddings=_CONTEXT_LENGTH,
            tie_word_embeddings=False,  # a reward model has to remember the token it reads as it predicts the next
            # Small models start to copy and to look things up far sooner from larger weights than from 0.02.
            initializer_range=0.06,
            bos_token_id=None,
            eos_token_id=tokenizer.eos_token_id,
            pad_token_id=tokenizer.pad_token_id,
        )
    )
    _train(model, tokenizer, list(_solution_examples(tokenizer, problems, seed=recipe.seed)), recipe.stories)
    _save(model, tokenizer, directory)


def _train_on(
    directory: Path,
    before: Path,
    options: TrainingOptions,
    drills: int,
    recipe: Recipe,
    *,
    seed: int,
    added_layers: int = 0,
) -> None:
    """Train a policy on, perhaps with more layers, with more problems and with drills among them."""
    tokenizer, model = _load(before)
    if added_layers:
        set_seed(recipe.seed)
        model = deepened(model, added_layers)
    examples = list(_solution_examples(tokenizer, _problems(options.examples - drills, seed=seed), seed=seed))
    examples += [drill_example(tokenizer, drill) for drill in _drills(drills, recipe, seed=seed)]
    _train(model, tokenizer, examples, options)
    _save(model, tokenizer, directory)


def _worked_text(problem: ArithmeticProblem) -> str:
    return POLICY_FORMAT.prompt_for(problem.problem) + "".join(write_steps(problem.operations))


def _solution_examples(
    tokenizer: PreTrainedTokenizerFast, problems: Iterable[ArithmeticProblem], *, seed: int
) -> Iterator[Example]:
    """One of each problem's solutions, whichever."""
    source = random.Random(seed)
    for problem in problems:
        solution = "".join(write_steps(source.choice(problem.solutions)))
        yield solution_example(tokenizer, POLICY_FORMAT.prompt_for(problem.problem), solution)


def _problems(count: int, *, seed: int) -> Iterator[ArithmeticProblem]:
    return generate_problems(count, split="train", seed=seed, minimum_operations=1)


def _drills(count: int, recipe: Recipe, *, seed: int) -> Iterator[tuple[Operation, ...]]:
    """Operations as they are in the problems, torn from their stories."""
    wanted = count * recipe.drill_length
    operations = list(
        islice((operation for one in _problems(wanted, seed=seed + 100) for operation in one.operations), wanted)
    )
    random.Random(seed).shuffle(operations)
    for begin in range(0, wanted, recipe.drill_length):
        yield tuple(operations[begin : begin + recipe.drill_length])


def _new_model(config: LlamaConfig) -> LlamaForCausalLM:
    config._attn_implementation = _ATTENTION
    return LlamaForCausalLM(config)


def sample_training_solutions(graduate: Path, recipe: Recipe) -> list[Solution]:
    """Solutions of problems that the graduate has not been trained on."""
    problems = list(generate_problems(recipe.sampled_problems, split="train", seed=recipe.seed + 3))
    return asyncio.run(sample_solutions(graduate, problems, samples=recipe.samples))


def train_comparer(directory: Path, expert: Path, solutions: Sequence[Solution], recipe: Recipe) -> None:
    """Teach an expert with more layers to say of each token whether it should stand there."""
    tokenizer, model = _load(expert)
    set_seed(recipe.seed)
    model = deepened(widened(model, recipe.identity_dimensions), recipe.comparing_layers)
    look_back(model.model.layers[-recipe.comparing_layers].self_attn)
    freeze_below(model, recipe.comparing_layers)
    _train(model, tokenizer, list(_comparisons(tokenizer, solutions, recipe)), recipe.compare)
    _save(model, tokenizer, directory)


def train_reward(directory: Path, comparer: Path, solutions: Sequence[Solution], recipe: Recipe) -> None:
    """Teach a comparer with one more layer to say of each step whether all is right up to it."""
    tokenizer, model = _load(comparer)
    set_seed(recipe.seed)
    model = deepened(model, 1)
    good, bad = labels_of(tokenizer, _REWARD_FORMAT)
    look_for(model, bad, rather_than=good)
    freeze_below(model, 1)
    _train(model, tokenizer, list(_judgements(tokenizer, solutions, recipe)), recipe.judge)
    model.config.reward_format = _REWARD_FORMAT.name
    _save(model, tokenizer, directory)


def _comparisons(
    tokenizer: PreTrainedTokenizerFast, solutions: Sequence[Solution], recipe: Recipe
) -> Iterator[Example]:
    source = random.Random(recipe.seed)
    for drill in _drills(recipe.altered_drills, recipe, seed=recipe.seed + 4):
        written = with_mistakes(drill, source)
        yield compared_example(tokenizer, "", written, write_steps(drill), _REWARD_FORMAT)
    for problem in _problems(recipe.compare.examples - recipe.altered_drills - len(solutions), seed=recipe.seed + 4):
        worked = source.choice(problem.solutions)
        opening = _REWARD_FORMAT.opening_text(problem.problem)
        written = with_mistakes(worked, source, solutions=problem.solutions)
        worked_steps = mended(written, worked, problem.solutions)
        yield compared_example(tokenizer, opening, written, worked_steps, _REWARD_FORMAT)
    for one in solutions:
        opening = _REWARD_FORMAT.opening_text(one.problem.problem)
        worked_steps = nearest_solution(one.problem, one.steps)
        yield compared_example(tokenizer, opening, one.steps, worked_steps, _REWARD_FORMAT)


def _judgements(tokenizer: PreTrainedTokenizerFast, solutions: Sequence[Solution], recipe: Recipe) -> Iterator[Example]:
    source = random.Random(recipe.seed + 1)
    for one in solutions:
        yield labelled_example(tokenizer, one.problem.problem, one.steps, one.labels, _REWARD_FORMAT)
    for problem in _problems(recipe.judge.examples - len(solutions), seed=recipe.seed + 5):
        steps = with_mistakes(source.choice(problem.solutions), source, solutions=problem.solutions)
        yield labelled_example(tokenizer, problem.problem, steps, label_steps(problem, steps), _REWARD_FORMAT)


def _train(
    model: LlamaForCausalLM, tokenizer: PreTrainedTokenizerFast, examples: Sequence[Example], options: TrainingOptions
) -> None:
    with tempfile.TemporaryDirectory() as scratch:
        train(model, examples, options=options, output=Path(scratch), pad_token_id=tokenizer.pad_token_id)


def _load(directory: Path) -> tuple[PreTrainedTokenizerFast, LlamaForCausalLM]:
    tokenizer = PreTrainedTokenizerFast.from_pretrained(directory)
    return tokenizer, LlamaForCausalLM.from_pretrained(directory, dtype=torch.float32, attn_implementation=_ATTENTION)


def _save(model: LlamaForCausalLM, tokenizer: PreTrainedTokenizerFast, directory: Path) -> None:
    """Write half the bytes, as bfloat16; the model card measures what is written."""
    torch.nn.Module.to(model, torch.bfloat16)
    unfinished = directory.with_name(f"{directory.name}.unfinished")
    model.save_pretrained(unfinished)
    tokenizer.save_pretrained(unfinished)
    unfinished.rename(directory)


def describe(directory: Path, recipe: Recipe) -> None:
    """Write the model cards."""
    unseen = "No test problem is among them."
    policy_data = (
        f"Data: {_count(recipe.stories)}, then {_count(recipe.pupil, recipe.pupil_drills)} of {recipe.drill_length} "
        f"calculations without a story, then {_count(recipe.policy, recipe.policy_drills)} more"
    )
    write_cards(
        directory,
        policy_training=f"{policy_data}. {unseen}",
        large_training=(
            f"The policy with {recipe.large_layers} more layers, trained on. {policy_data}, and then, of all layers, "
            f"{_count(recipe.large, recipe.large_drills)} more. {unseen}"
        ),
        reward_training=(
            "Trained like the policy, but in the last part longer: on "
            f"{_count(recipe.graduate, recipe.graduate_drills)} (this is the graduate), then on "
            f"{_count(recipe.expert, recipe.expert_drills)}. On top of that, {recipe.comparing_layers} layers learn to "
            "say of each token whether it should stand there, then one more to say of each step whether all is right "
            f"up to it. Data: {recipe.samples} solutions of each of {recipe.sampled_problems:,} training problems, "
            "sampled from the graduate and labelled by checking the arithmetic, and worked solutions and calculations "
            f"with mistakes put in, {recipe.compare.examples:,} and {recipe.judge.examples:,} in all. {unseen}"
        ),
        command=f"python -m asyncsearch.finetune.arithmetic DIRECTORY --seed {recipe.seed}",
    )


def _count(options: TrainingOptions, drills: int = 0) -> str:
    told = f"{options.examples - drills:,} problems with worked solutions"
    return f"{told} and {drills:,} sequences" if drills else told
