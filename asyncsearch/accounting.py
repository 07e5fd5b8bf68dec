"""What a search cost: tokens, floating-point operations and seconds of both models."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from asyncsearch.journal import NodeRecords
from asyncsearch.scheduler import Cost
from asyncsearch.tree import NodeState, Tree
from runtimes.base import ModelSize, Usage

__all__ = ["Accounts", "ModelAccount", "account_for", "account_of", "forward_flops"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelAccount:
    """What one model did for one problem, or for many.

    Of the requests that it answered: ``prompt_tokens`` were computed and ``cached_tokens`` reused, ``generated_tokens``
    drawn, stop strings and ends of sequence included. ``speculated_tokens`` of them, the cached ones left out, were
    for nodes of which nothing came: they failed afterwards, or their search was left before they were settled.

    Beside these, ``aborted_tokens`` were computed for requests given up on the way, and ``failed_tokens`` for attempts
    that failed and were made again, each as far as the runtime told. ``flops`` are those of all computed tokens, see
    `forward_flops`, None where the model's size is unknown.

    The requests waited ``queue_seconds`` to be sent, and ``runtime_seconds`` for the runtime: sums over requests that
    wait side by side, and so more than the time that passed. What waits for the answer to another request, because it
    would ask the same, is queued.
    """

    prompt_tokens: int = 0
    cached_tokens: int = 0
    generated_tokens: int = 0
    speculated_tokens: int = 0
    aborted_tokens: int = 0
    failed_tokens: int = 0
    flops: float | None = 0.0
    queue_seconds: float = 0.0
    runtime_seconds: float = 0.0

    @property
    def computed_tokens(self) -> int:
        """All that the model computed, wasted tokens and all."""
        return self.prompt_tokens + self.generated_tokens + self.aborted_tokens + self.failed_tokens

    @property
    def wasted_tokens(self) -> int:
        """What nothing came of."""
        return self.speculated_tokens + self.aborted_tokens + self.failed_tokens

    def __add__(self, other: ModelAccount) -> ModelAccount:
        return ModelAccount(
            prompt_tokens=self.prompt_tokens + other.prompt_tokens,
            cached_tokens=self.cached_tokens + other.cached_tokens,
            generated_tokens=self.generated_tokens + other.generated_tokens,
            speculated_tokens=self.speculated_tokens + other.speculated_tokens,
            aborted_tokens=self.aborted_tokens + other.aborted_tokens,
            failed_tokens=self.failed_tokens + other.failed_tokens,
            flops=None if self.flops is None or other.flops is None else self.flops + other.flops,
            queue_seconds=round(self.queue_seconds + other.queue_seconds, _DECIMALS),
            runtime_seconds=round(self.runtime_seconds + other.runtime_seconds, _DECIMALS),
        )


_DECIMALS = 3
"""Of seconds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Accounts:
    """What both models did for one problem, or for many.

    ``peak_tokens`` is the most that had to be held at a time for one problem: prompt, nodes and new children of the
    paths that one expansion continued.
    """

    policy: ModelAccount = field(default_factory=ModelAccount)
    reward: ModelAccount = field(default_factory=ModelAccount)
    peak_tokens: int = 0

    @property
    def flops(self) -> float | None:
        """Of both models, None if one's are unknown."""
        return (self.policy + self.reward).flops

    def without_times(self) -> Accounts:
        """The same but for seconds, which no two runs share."""
        policy, reward = (
            replace(model, queue_seconds=0.0, runtime_seconds=0.0) for model in (self.policy, self.reward)
        )
        return replace(self, policy=policy, reward=reward)

    def __add__(self, other: Accounts) -> Accounts:
        return Accounts(
            policy=self.policy + other.policy,
            reward=self.reward + other.reward,
            peak_tokens=max(self.peak_tokens, other.peak_tokens),
        )


def forward_flops(size: ModelSize, usage: Usage) -> float:
    """Floating-point operations of a transformer's forward pass over the tokens of ``usage`` that are not cached.

    A token takes 2 N of them to be multiplied with N parameters (Kaplan et al. 2020, arXiv 2001.08361, table 1), and
    4 d to attend to each token up to itself, where d is the attention's width over all layers: 2 d to compare it, and
    2 d to take of it (Chowdhery et al. 2022, arXiv 2204.02311, appendix B: 12 d of training are three times that).
    The new tokens are taken for the last ones, and every generated one for computed, although the last of a sequence
    is computed only when it is continued, and counted then as new once more.
    """
    whole = usage.prompt_tokens + usage.generated_tokens
    attended = (whole * (whole + 1) - usage.cached_tokens * (usage.cached_tokens + 1)) // 2
    return float(2 * size.parameters * usage.new_tokens + 4 * size.attention_width * attended)


def account_for(
    tree: Tree, unvisited: Iterable[NodeRecords] = (), *, policy: ModelSize | None, reward: ModelSize | None
) -> Accounts:
    """The accounts of one search: its tree, what is recorded of ``unvisited`` nodes, and the sizes of both models."""
    dropped = set(tree.dropped)
    policy_costs: list[tuple[Cost, bool]] = []
    reward_costs: list[tuple[Cost, bool]] = []
    for node in tree.all_nodes():
        lost = node in dropped or node.state in (NodeState.PENDING, NodeState.FAILED)
        policy_costs.append((node.policy, lost))
        reward_costs.append((node.reward, lost))
    for records in unvisited:
        policy_costs.append((records.policy, True))
        reward_costs.append((records.reward, True))
    return Accounts(
        policy=account_of(policy_costs, policy), reward=account_of(reward_costs, reward), peak_tokens=tree.peak_tokens
    )


def account_of(costs: Iterable[tuple[Cost, bool]], size: ModelSize | None) -> ModelAccount:
    """The sum of what requests to one model cost, each with whether nothing came of its answer."""
    prompt = cached = generated = speculated = aborted = failed = 0
    flops = queue_seconds = runtime_seconds = 0.0
    for cost, lost in costs:
        usage = cost.usage
        prompt += usage.prompt_tokens - usage.cached_tokens
        cached += usage.cached_tokens
        generated += usage.generated_tokens
        speculated += usage.new_tokens if lost else 0
        aborted += sum(given_up.new_tokens for given_up in cost.aborted)
        failed += sum(attempt.new_tokens for attempt in cost.failed)
        queue_seconds += cost.queue_seconds
        runtime_seconds += cost.runtime_seconds
        if size is not None:
            flops += sum(forward_flops(size, each) for each in (usage, *cost.aborted, *cost.failed))
    known = size is not None or not prompt + cached + generated + aborted + failed
    return ModelAccount(
        prompt_tokens=prompt,
        cached_tokens=cached,
        generated_tokens=generated,
        speculated_tokens=speculated,
        aborted_tokens=aborted,
        failed_tokens=failed,
        flops=flops if known else None,
        queue_seconds=round(queue_seconds, _DECIMALS),
        runtime_seconds=round(runtime_seconds, _DECIMALS),
    )
