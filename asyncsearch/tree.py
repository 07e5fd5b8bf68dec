"""The search tree: nodes, their states, and what always holds of them."""

from __future__ import annotations

import enum
import itertools
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from asyncsearch.scheduler import Cost
from runtimes.base import Prefix

__all__ = ["GREEDY", "Node", "NodeState", "Tree"]

GREEDY = -1
"""The draw of the greedy continuation of a node, which is none of its children."""


class NodeState(enum.Enum):
    """What has become of a node. The last three are a leaf's."""

    PENDING = "pending"
    """Not settled yet, or never: its search was left before."""
    OPEN = "open"
    """Can be expanded."""
    ANSWERED = "answered"
    """The policy finished its solution here."""
    TRUNCATED = "truncated"
    """The solution was cut off: no tokens or no depth were left."""
    FAILED = "failed"
    """The runtime could not generate or score it; ``error`` says why."""


@dataclass(slots=True, eq=False)
class Node:
    """One step of a solution, or the whole of it where a strategy samples solutions at once.

    ``draw`` is this node's index among its parent's children. ``greedy`` is what greedy decoding goes on with, where
    somebody has looked: no child. ``text`` is what it adds; ``prefix`` holds all
    the text up to it as the policy sees it, ``reward_prefix`` as the reward model does. ``step_scores`` has
    one score in [0, 1] per step in ``text``. ``tokens`` were generated for it; ``path_tokens`` from the root
    to it, itself included. A leaf is ``multiplicity`` candidates for the vote: one, unless its strategy says otherwise.
    ``policy`` and ``reward`` say what it cost to generate and to score: the latter nothing
    where another node had come to the same text before.
    """

    parent: Node | None
    draw: int
    depth: int
    prefix: Prefix
    reward_prefix: Prefix | None
    text: str = ""
    state: NodeState = NodeState.OPEN
    step_scores: tuple[float, ...] = ()
    steps: int = 0
    tokens: int = 0
    path_tokens: int = 0
    policy: Cost = field(default_factory=Cost)
    reward: Cost = field(default_factory=Cost)
    error: str | None = None
    multiplicity: int = 1
    children: list[Node] = field(default_factory=list)
    greedy: Node | None = None
    _path: tuple[int, ...] | None = field(default=None, init=False, repr=False)

    @property
    def is_leaf(self) -> bool:
        """Whether the node is settled and cannot be expanded."""
        return self.state not in (NodeState.PENDING, NodeState.OPEN)

    @property
    def score(self) -> float:
        """The score of the node's last step; 1.0 at the root, and 0.0 where steps are not scored."""
        if self.parent is None:
            return 1.0
        return self.step_scores[-1] if self.step_scores else 0.0

    @property
    def path(self) -> tuple[int, ...]:
        """The node's address in its tree: the draw indices from the root to it; the root's is empty."""
        if self._path is None:
            draws: list[int] = []
            node = self
            while node.parent is not None and node._path is None:
                draws.append(node.draw)
                node = node.parent
            self._path = (*(node._path or ()), *reversed(draws))
        return self._path

    def lineage(self) -> list[Node]:
        """The nodes from the root's child to this one."""
        nodes: list[Node] = []
        node = self
        while node.parent is not None:
            nodes.append(node)
            node = node.parent
        return nodes[::-1]

    def solution(self) -> str:
        """The text of the solution up to and including this node, without the prompt."""
        return "".join(node.text for node in self.lineage())

    def solution_scores(self) -> tuple[float, ...]:
        """The scores of all steps up to and including this node's."""
        return tuple(score for node in self.lineage() for score in node.step_scores)


@dataclass(slots=True, eq=False)
class Tree:
    """All the nodes that one strategy made for one problem.

    ``held_tokens`` is what the last expansion had to hold: prompt, nodes and children of the paths that it continued;
    ``peak_tokens`` the most that one had to.
    ``dropped`` nodes were begun before anybody asked for them, and nobody did: they are not in the tree.
    """

    root: Node
    held_tokens: int = 0
    peak_tokens: int = 0
    dropped: list[Node] = field(default_factory=list)

    def nodes(self) -> Iterator[Node]:
        """Every node, depth first, children in order of their draw; greedy continuations are left out."""
        stack = [self.root]
        while stack:
            node = stack.pop()
            yield node
            stack.extend(reversed(node.children))

    def greedy_nodes(self) -> Iterator[Node]:
        """Every node that was grown to look ahead."""
        for node in self.nodes():
            ahead = node.greedy
            while ahead is not None:
                yield ahead
                ahead = ahead.greedy

    def all_nodes(self) -> Iterator[Node]:
        """Every node that was begun, the root aside: of the tree, to look ahead, and dropped."""
        grown = (node for node in self.nodes() if node.parent is not None)
        return itertools.chain(grown, self.greedy_nodes(), self.dropped)

    def leaves(self) -> Iterator[Node]:
        """Every leaf, depth first, in order of draws. The order depends on no timing."""
        return (node for node in self.nodes() if node.is_leaf)

    def note_held(self, children: Iterable[Node]) -> None:
        """Note what had to be held for those of these nodes that are settled, which were grown at the same time.

        It stays what it was where there are none.
        """
        held: set[Node] = set()
        tokens = prompt = 0
        for child in children:
            if child.state is NodeState.PENDING:
                continue
            node = child
            while node.parent is not None and node not in held:
                held.add(node)
                tokens += node.tokens
                if node.depth == 1:
                    prompt = max(prompt, node.policy.usage.prompt_tokens)
                node = node.parent
        if held:
            self.held_tokens = prompt + tokens
        self.peak_tokens = max(self.peak_tokens, self.held_tokens)

    def fell(self) -> None:
        """Cut all nodes off their children, when nobody needs the tree any more.

        They refer to each other in circles, and would stay until the garbage collector has gone through everything.
        """
        for node in [*self.nodes(), *self.greedy_nodes()]:
            node.children.clear()
            node.greedy = None

    def check(self) -> None:
        """Verify the invariants.

        Raises:
            AssertionError: one of them is broken; the message names the node's path.
        """
        for node in self.nodes():
            for index, child in enumerate(node.children):
                assert child.draw == index, f"child {index} of {node.path} has draw {child.draw}"
                assert child.parent is node, f"child {index} of {node.path} has another parent"
                assert child.depth == node.depth + 1, f"depth of {child.path} does not follow its parent's"
                assert child.path_tokens == node.path_tokens + child.tokens, f"tokens do not add up at {child.path}"
            assert node.state is NodeState.OPEN or not node.children, f"{node.state.value} {node.path} has children"
            assert (node.error is not None) == (node.state is NodeState.FAILED), f"error and state of {node.path}"
