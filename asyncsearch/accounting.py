"""What a search cost, in tokens."""

from __future__ import annotations

from dataclasses import dataclass

from asyncsearch.tree import Tree

__all__ = ["TokenCounts", "count_tokens"]


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenCounts:
    """Tokens of one problem or of many.

    ``generated`` by the policy, stop strings and ends of sequence included; ``prompt`` new to the policy,
    that is not cached; ``prompt_cached`` reused by it; ``reward`` computed, not cached, by the reward model.
    """

    generated: int = 0
    prompt: int = 0
    prompt_cached: int = 0
    reward: int = 0

    def __add__(self, other: TokenCounts) -> TokenCounts:
        return TokenCounts(
            generated=self.generated + other.generated,
            prompt=self.prompt + other.prompt,
            prompt_cached=self.prompt_cached + other.prompt_cached,
            reward=self.reward + other.reward,
        )


def count_tokens(tree: Tree) -> TokenCounts:
    """The tokens of all of a tree's nodes."""
    generated = prompt = cached = reward = 0
    for node in tree.nodes():
        generated += node.tokens
        prompt += node.prompt_tokens - node.cached_tokens
        cached += node.cached_tokens
        reward += node.reward_tokens
    return TokenCounts(generated=generated, prompt=prompt, prompt_cached=cached, reward=reward)
