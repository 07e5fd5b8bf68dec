"""Model cards of the bundled models, with figures measured on the test problems."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Iterable, Sequence
from pathlib import Path

from transformers import LlamaForCausalLM

from asyncsearch.datasets.arithmetic import TEST_SIZE, generate_problems
from asyncsearch.finetune.arithmetic.solutions import Solution, sample_solutions
from asyncsearch.finetune.metrics import step_auc

__all__ = ["write_cards"]

_SAMPLES = 16

_log = logging.getLogger(__name__)


def write_cards(
    directory: Path, *, policy_training: str, large_training: str, reward_training: str, command: str
) -> None:
    """Measure both policies and ``reward/`` on the test problems and write a card into each.

    Args:
        directory: of the models.
        policy_training: sentences on the policy's data and training.
        large_training: the same of the large policy.
        reward_training: the same of the reward model.
        command: what makes them.
    """
    policy, reward = directory / "policy", directory / "reward"
    problems = list(generate_problems(TEST_SIZE, split="test"))
    sampled = asyncio.run(sample_solutions(policy, problems, samples=_SAMPLES, reward=reward))
    steps = [(score, label) for one in sampled for score, label in zip(one.scores, one.labels, strict=True)]
    # What a search needs: of steps that follow only right ones, to know those that go wrong.
    fresh = list(_first_wrong_and_before(sampled))
    _log.info("step AUC %.4f, fresh %.4f", _auc(steps), _auc(fresh))
    _write_policy(policy, "Arithmetic policy", sampled, policy_training, command)
    large = directory / "policy-large"
    sampled_by_large = asyncio.run(sample_solutions(large, problems, samples=_SAMPLES))
    _write_policy(large, "Large arithmetic policy", sampled_by_large, large_training, command)
    _write(
        reward,
        "Arithmetic process reward model",
        "Scores each step of a solution: the probability of `+` against `-` at the end of its line. A score says "
        "whether the solution is right up to that step.",
        reward_training,
        f"Held out ({_SAMPLES} sampled solutions of each of {TEST_SIZE} test problems, {len(steps):,} steps, "
        f"{sum(label for _, label in steps) / len(steps):.1%} right): area under the ROC curve {_auc(steps):.4f}; "
        f"of the {len(fresh):,} steps that follow only right ones, {_auc(fresh):.4f}.",
        command,
    )


def _write_policy(directory: Path, title: str, sampled: Sequence[Solution], training: str, command: str) -> None:
    problems = list(generate_problems(TEST_SIZE, split="test"))
    greedy = asyncio.run(sample_solutions(directory, problems, samples=1, temperature=0.0))
    right, right_sampled = (sum(one.right for one in solutions) / len(solutions) for solutions in (greedy, sampled))
    _log.info("%s: greedy %.3f, sampled %.3f", title, right, right_sampled)
    _write(
        directory,
        title,
        "Writes step-by-step solutions of multi-step arithmetic word problems "
        '("Step 1: 90 * 8 = 720", ..., "The answer is: 337"). It knows nothing else.',
        training,
        f"Held out ({TEST_SIZE} test problems): {right:.1%} of greedy solutions are right in every step, "
        f"{right_sampled:.1%} of those sampled at temperature 1.",
        command,
    )


def _first_wrong_and_before(solutions: Iterable[Solution]) -> Iterable[tuple[float, bool]]:
    for solution in solutions:
        for score, label in zip(solution.scores, solution.labels, strict=True):
            yield score, label
            if not label:
                break


def _auc(steps: Iterable[tuple[float, bool]]) -> float:
    scores, labels = zip(*steps, strict=True)
    return step_auc(scores, labels)


def _write(directory: Path, title: str, purpose: str, training: str, held_out: str, command: str) -> None:
    config = json.loads((directory / "config.json").read_text())
    parameters = int(LlamaForCausalLM.from_pretrained(directory).num_parameters())
    shape = (
        f"A Llama with {config['num_hidden_layers']} layers, hidden size {config['hidden_size']}, "
        f"{config['num_attention_heads']} heads of {config['head_dim']} and {config['vocab_size']} tokens "
        f"(byte-level BPE, one token a digit); {parameters:,} parameters, stored as bfloat16."
    )
    front_matter = "---\nlicense: apache-2.0\nlibrary_name: transformers\n---"
    made = f"Made by `{command}`."
    paragraphs = [front_matter, f"# {title}", shape, purpose, training, held_out, made]
    (directory / "README.md").write_text("\n\n".join(paragraphs) + "\n")
