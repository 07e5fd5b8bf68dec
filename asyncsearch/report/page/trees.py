"""A tree as the page reads it: columns, with one value a node, and every text once."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from asyncsearch.format import Format
from asyncsearch.regrowth import voting_leaves
from asyncsearch.report.page.votes import Count
from asyncsearch.results import Candidate
from asyncsearch.scheduler import Cost
from asyncsearch.tree import Node, NodeState, Tree

__all__ = ["tree_columns"]

_STATES = {
    NodeState.OPEN: "o",
    NodeState.ANSWERED: "a",
    NodeState.TRUNCATED: "t",
    NodeState.FAILED: "f",
    NodeState.PENDING: "p",
}
_DECIMALS = 4
"""Of what is shown as a score or weight."""


@dataclass(slots=True)
class _Texts:
    """Numbers texts, equal ones alike."""

    numbers: dict[str, int] = field(default_factory=dict)

    def number_of(self, text: str) -> int:
        return self.numbers.setdefault(text, len(self.numbers))


def tree_columns(
    tree: Tree,
    candidates: Sequence[Candidate],
    count: Count,
    *,
    format: Format | None = None,
    note: str | None = None,
) -> dict[str, Any]:
    """The columns of a tree, as a JSON value.

    Nodes are numbered from 0, the root, parents before their children. Of each there are its ``parent``, its ``draw``,
    its ``state`` (the first letter of its name), its ``role``: ``n`` of the tree, ``g`` grown greedily to look ahead,
    ``d`` drawn ahead in vain; the numbers of its ``steps`` and of its ``answer`` (-1 for none) in ``texts``, the
    ``scores`` of the steps, and the ``group`` that it votes for (-1 for none). Tokens of both models are those of
    `ModelAccount`, and times are hundredths of seconds. What few nodes have stands beside these by their numbers:
    ``errors``, and ``votes`` of leaves that have not one.

    Args:
        tree: as it was grown.
        candidates: those of the result, which are its voting leaves.
        count: of their votes.
        format: the policy's, by which texts fall into steps; without it each is one.
        note: what there is to say of the tree.
    """
    texts = _Texts()
    nodes = [*_in_order(tree)]
    number_of = {node: number for number, (node, _) in enumerate(nodes)}
    leaves = voting_leaves(tree)
    voters = {leaf: index for index, leaf in enumerate(leaves)} if len(leaves) == len(candidates) else {}
    columns: dict[str, list[Any]] = {name: [] for name in ("parent", "draw", "steps", "answer", "scores", "group")}
    tokens: dict[str, list[int]] = {}
    states, roles = [], []
    for node, role in nodes:
        states.append(_STATES[node.state])
        roles.append(role)
        voter = voters.get(node)
        answer = None if voter is None else candidates[voter].answer
        group = None if voter is None or not count.groups else count.group_of[voter]
        for name, value in (
            ("parent", -1 if node.parent is None else number_of[node.parent]),
            ("draw", node.draw),
            ("steps", [texts.number_of(step) for step in _steps(node, format)]),
            ("answer", -1 if answer is None else texts.number_of(answer)),
            ("scores", [round(score, _DECIMALS) for score in node.step_scores]),
            ("group", -1 if group is None else group),
        ):
            columns[name].append(value)
        for name, number in _tokens(node):
            tokens.setdefault(name, []).append(number)
    return {
        **columns,
        **tokens,
        "state": "".join(states),
        "role": "".join(roles),
        "errors": {number_of[node]: texts.number_of(node.error) for node, _ in nodes if node.error is not None},
        "votes": {
            number_of[node]: node.multiplicity
            for node, role in nodes
            if role == "n" and node.is_leaf and node.multiplicity != 1 and node.state is not NodeState.FAILED
        },
        "groups": [
            {
                "answer": texts.number_of(group.answer),
                "weight": round(group.weight, _DECIMALS),
                "votes": group.votes,
                "right": group.right,
            }
            for group in count.groups
        ],
        "chosen": -1 if count.chosen is None or not voters else number_of[leaves[count.chosen]],
        "note": note,
        "texts": [*texts.numbers],
    }


def _steps(node: Node, format: Format | None) -> Sequence[str]:
    """What a node's text falls into: as many steps as it has scores, if it has any."""
    if not node.text:
        return ()
    before = 0 if node.parent is None else node.parent.steps
    steps = (node.text,) if format is None else format.split_steps(node.text, first=before + 1)
    return steps if len(node.step_scores) in (0, len(steps)) else (node.text,)


def _in_order(tree: Tree) -> Iterator[tuple[Node, str]]:
    """Every node with its role, depth first; what was grown beside a node's children comes behind them."""
    dropped: dict[Node | None, list[Node]] = {}
    for node in tree.dropped:
        dropped.setdefault(node.parent, []).append(node)
    stack = [(tree.root, "n")]
    while stack:
        node, role = stack.pop()
        yield node, role
        beside = [(one, "d") for one in dropped.get(node, ())]
        if node.greedy is not None:
            beside.append((node.greedy, "g"))
        stack.extend(reversed([*((child, role) for child in node.children), *beside]))


def _tokens(node: Node) -> Iterable[tuple[str, int]]:
    policy, reward = node.policy, node.reward
    return (
        ("prompted", policy.usage.prompt_tokens - policy.usage.cached_tokens),
        ("cached", policy.usage.cached_tokens),
        ("generated", policy.usage.generated_tokens),
        ("read", reward.usage.prompt_tokens - reward.usage.cached_tokens),
        ("remembered", reward.usage.cached_tokens),
        ("wasted", _wasted(policy) + _wasted(reward)),
        ("queued", _hundredths(policy.queue_seconds)),
        ("served", _hundredths(policy.runtime_seconds)),
        ("scoring_queued", _hundredths(reward.queue_seconds)),
        ("scoring_served", _hundredths(reward.runtime_seconds)),
    )


def _wasted(cost: Cost) -> int:
    return sum(attempt.new_tokens for attempt in (*cost.failed, *cost.aborted))


def _hundredths(seconds: float) -> int:
    return round(100 * seconds)
