"""Keys and values of prefixes, each segment computed once however many chains share it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from runtimes.base import Prefix
from runtimes.local.cache import BatchCache, PrefixStore
from runtimes.local.chain import Chain
from runtimes.local.forward import Forward

__all__ = ["Goal", "Prefill"]

_TOKENS_PER_PASS = 4096
"""Tokens computed in one forward pass, padding included; bounds memory and the reply to a Ctrl-C."""


@dataclass(slots=True, eq=False)
class Goal:
    """Keys and values of a chain's first ``end`` tokens, and the model's output at ``positions``, ascending."""

    chain: Chain
    end: int
    positions: Sequence[int] = ()

    def begin(self) -> int:
        """The first token that is still to be computed; ``end`` if there is none."""
        known = self.chain.covered()
        return min(known, self.positions[0]) if self.positions else min(known, self.end)


@dataclass(slots=True, eq=False)
class _Pass:
    """One row of a forward pass: tokens ``begin`` to ``end`` of a chain, for one goal or as a share of several."""

    chain: Chain
    begin: int
    end: int
    goal: Goal | None = None


class Prefill:
    """Reaches goals by as few forward passes as their common segments allow, and keeps what it computes."""

    def __init__(self, forward: Forward, store: PrefixStore) -> None:
        self._forward = forward
        self._store = store
        self._batch = BatchCache(forward.layers)  # kept, since fresh memory costs more than what is done in it

    def reach(self, goals: Iterable[Goal]) -> Iterator[tuple[Goal, torch.Tensor]]:
        """Reach every goal; yields those with positions, with logits [positions, vocabulary]."""
        # Two goals of the same prefix without positions are one.
        left = {goal if goal.positions else goal.chain.prefixes[-1]: goal for goal in goals}
        while left:
            shared = _shared_segments(left.values())
            passes: dict[Prefix | Goal, _Pass] = {}
            for key, goal in list(left.items()):
                begin = goal.begin()
                if begin >= goal.end:
                    del left[key]
                    continue
                prefix, end = goal.chain.segment_at(begin)
                if prefix in shared and end < (goal.positions[0] if goal.positions else goal.end):
                    passes.setdefault(prefix, _Pass(goal.chain, begin, end))
                else:
                    passes[key] = _Pass(goal.chain, begin, goal.end, goal)
                    del left[key]
            for group in _group(passes.values()):
                yield from self._compute(group)

    def heal(self) -> None:
        """Remove what is not a number from the batch that is kept."""
        self._batch.heal()

    def _compute(self, group: Sequence[_Pass]) -> Iterator[tuple[Goal, torch.Tensor]]:
        width = max(one.end - one.begin for one in group)
        batch = self._batch
        batch.restart(len(group), max(one.begin for one in group) + width)
        tokens = np.zeros((len(group), width), np.int64)
        begins = np.array([one.begin for one in group])
        for row, one in enumerate(group):
            tokens[row, : one.end - one.begin] = one.chain.slice(one.begin, one.end)
            one.chain.load_into(batch, row, one.begin)
        wanted = sorted({position - one.begin for one in group if one.goal for position in one.goal.positions}) or [0]
        device = self._forward.device
        logits = self._forward(
            torch.as_tensor(tokens, device=device),
            torch.as_tensor(begins[:, None] + np.arange(width), device=device),
            batch,
            torch.tensor(wanted, device=device),
        )
        for row, one in enumerate(group):
            one.chain.save_from(batch, row, one.begin, one.end, self._store)
            if one.goal is not None and one.goal.positions:
                columns = [wanted.index(position - one.begin) for position in one.goal.positions]
                yield one.goal, logits[row, columns]
        if not bool(logits.isfinite().all()):
            batch.heal()


def _shared_segments(goals: Iterable[Goal]) -> set[Prefix]:
    users = Counter(prefix for goal in goals for prefix in goal.chain.prefixes)
    return {prefix for prefix, count in users.items() if count > 1}


def _group(passes: Iterable[_Pass]) -> Iterator[list[_Pass]]:
    """Passes that go together, the short with the short, none too large."""
    group: list[_Pass] = []
    for one in sorted(passes, key=lambda one: one.end - one.begin):
        # Ascending, so the newest is the widest of its group.
        if group and (len(group) + 1) * (one.end - one.begin) > _TOKENS_PER_PASS:
            yield group
            group = []
        group.append(one)
    if group:
        yield group
