"""The trees of a run, grown anew from its journal to be looked at."""

from __future__ import annotations

import dataclasses
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any, ClassVar

from asyncsearch.answers.grader import Grader
from asyncsearch.candidates import candidates_of
from asyncsearch.context import SearchContext
from asyncsearch.errors import ConfigurationError
from asyncsearch.journal import SearchJournal
from asyncsearch.journal.reading import Nodes
from asyncsearch.problem import Problem
from asyncsearch.replay import recorded_options, recorded_search
from asyncsearch.results import Candidate
from asyncsearch.scheduler import Cost
from asyncsearch.search_parameters import SearchParameters
from asyncsearch.strategies import Strategy, make_strategy
from asyncsearch.tree import GREEDY, Node, NodeState, Tree
from runtimes.base import Prefix, RuntimeGone, Usage

__all__ = ["Regrowth", "tree_of_candidates", "voting_leaves"]


class Regrowth:
    """Grows the trees of a run again, with no model.

    It is the run's own strategy that grows them: so they are what they were, node for node, and what was drawn in vain
    is told apart. Where it cannot be had, as its package is not installed or Python alone could give it, or does not go
    the way any more that it went, or has not come to its end, a tree is all the nodes that the journal has, and its
    leaves vote as the result's candidates say. ``format`` is the policy's.

    Args:
        config: the run's.
        grader: of the run; strategies may look at the vote.

    Raises:
        ConfigurationError: what the run is configured by is not known here, but for its strategy.
    """

    def __init__(self, config: Mapping[str, Any], grader: Grader) -> None:
        self._search = recorded_search(config, recorded_options(config), grader)
        self.format = self._search.format
        self._grader = grader
        self._parameters = config["parameters"]
        self._strategy: Strategy | None = None
        with suppress(ConfigurationError):
            self._strategy = make_strategy(config["strategy"], config["parameters"])

    async def tree_of(self, problem: Problem, nodes: Nodes, candidates: Sequence[Candidate] | None) -> Tree:
        """The tree that was grown for a problem, as far as its ``nodes`` are recorded.

        ``candidates`` are those of the result, None where there is no result yet. Whoever has looked at the tree fells
        it.
        """
        if self._strategy is not None and candidates is not None:
            context = await self._grow(problem, nodes, self._strategy)
            if _votes_as(context.tree, candidates):
                await _complete(context, nodes)
                return context.tree
            context.tree.fell()
        shared = {parameter.name for parameter in dataclasses.fields(SearchParameters)}
        parameters = {name: value for name, value in self._parameters.items() if name in shared}
        tree = (await self._grow(problem, nodes, _Recorded(nodes=nodes, **parameters))).tree
        if candidates is not None:
            _let_vote(tree, candidates)
        return tree

    def candidates(self, tree: Tree) -> tuple[Candidate, ...]:
        """What the leaves of a tree give, where no result says it."""
        return candidates_of(tree, self._grader, marker=self.format.answer_marker)

    async def _grow(self, problem: Problem, nodes: Nodes, strategy: Strategy) -> SearchContext:
        context = self._search.context_for(problem, strategy, order=0, journal=SearchJournal(0, nodes))
        with suppress(Exception):  # there it ends: what is not recorded is not there, and strategies are anybody's code
            await strategy.search(context)
        return context


def tree_of_candidates(candidates: Sequence[Candidate]) -> Tree:
    """A tree that has each solution as a leaf: what is left where there is no journal."""
    root = Node(parent=None, draw=0, depth=0, prefix=Prefix(""), reward_prefix=None)
    root.children = [
        Node(
            parent=root,
            draw=draw,
            depth=1,
            prefix=root.prefix,
            reward_prefix=None,
            text=candidate.text,
            state=NodeState.TRUNCATED if candidate.truncated else NodeState.ANSWERED,
            step_scores=candidate.step_scores,
            steps=len(candidate.step_scores),
            tokens=candidate.tokens,
            path_tokens=candidate.tokens,
            policy=Cost(usage=Usage(generated_tokens=candidate.tokens)),
            multiplicity=candidate.multiplicity,
        )
        for draw, candidate in enumerate(candidates)
    ]
    return Tree(root)


def voting_leaves(tree: Tree) -> list[Node]:
    """The leaves that are a result's candidates, in their order."""
    return [leaf for leaf in tree.leaves() if leaf.state is not NodeState.FAILED and leaf.multiplicity]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Recorded(Strategy):
    """Grows all that is recorded of a tree, beside what of it is there."""

    name: ClassVar[str] = "recorded"
    source: ClassVar[str] = "a journal"

    nodes: Nodes = field(default_factory=dict, hash=False)

    async def search(self, tree: SearchContext) -> None:
        """Grow what is recorded of each node's children, from the root on."""
        draws: defaultdict[tuple[int, ...], list[int]] = defaultdict(list)
        for path in self.nodes:
            draws[path[:-1]].append(path[-1])
        growing = [tree.root]
        while growing:
            node = growing.pop()
            if node.state is not NodeState.OPEN:
                continue
            recorded = draws[node.path]
            wanted = range(len(node.children), max(recorded, default=GREEDY) + 1)
            for whole_solutions, count in self._kinds(node.path, wanted):
                with suppress(RuntimeGone):  # of one of them nothing came
                    await tree.expand([node], [count], whole_solutions=whole_solutions)
            if GREEDY in recorded and node.greedy is None:
                with suppress(RuntimeGone):
                    await tree.look_ahead([node], 1)
            growing += node.children if node.greedy is None else [*node.children, node.greedy]

    def _kinds(self, parent: tuple[int, ...], draws: Iterable[int]) -> Iterator[tuple[bool, int]]:
        """How many of a node's draws in a row are whole solutions, and how many are not."""
        kinds: list[bool] = []
        for draw in draws:
            records = self.nodes.get((*parent, draw))
            if records is not None and records.generated is not None:
                kinds.append(records.generated.whole_solution)
            else:
                kinds.append(bool(kinds and kinds[-1]))
        return ((kind, len(list(group))) for kind, group in groupby(kinds))


async def _complete(context: SearchContext, nodes: Nodes) -> None:
    """Add what is recorded of a search and what it did not come to this time: it was drawn in vain."""
    tree = context.tree
    visited = {node.path: node for node in tree.all_nodes()}
    for path, node in visited.items():
        if node.state is NodeState.PENDING and path in nodes and (generated := nodes[path].generated) is not None:
            node.text, node.tokens = generated.text, generated.cost.usage.generated_tokens
    if nodes.keys() <= visited.keys():
        return
    await _Recorded(nodes=nodes).search(context)
    grown = [*tree.nodes(), *tree.greedy_nodes()]
    tree.dropped += [node for node in grown if node.path in nodes and node.path not in visited]
    for node in grown:
        node.children = [child for child in node.children if visited.get(child.path) is child]
        if node.greedy is not None and node.greedy.path not in visited:
            node.greedy = None


def _votes_as(tree: Tree, candidates: Sequence[Candidate]) -> bool:
    """Whether the leaves of a tree are just these candidates."""
    leaves = voting_leaves(tree)
    return len(leaves) == len(candidates) and all(
        leaf.multiplicity == candidate.multiplicity and _is(leaf, candidate)
        for leaf, candidate in zip(leaves, candidates, strict=True)
    )


def _let_vote(tree: Tree, candidates: Sequence[Candidate]) -> None:
    """Let leaves vote as often as candidates do, which are in the same order. Of equal leaves the first ones vote."""
    left = list(reversed(candidates))
    for leaf in voting_leaves(tree):
        leaf.multiplicity = left.pop().multiplicity if left and _is(leaf, left[-1]) else 0


def _is(leaf: Node, candidate: Candidate) -> bool:
    return (
        leaf.path_tokens == candidate.tokens
        and (leaf.state is NodeState.TRUNCATED) == candidate.truncated
        and leaf.solution() == candidate.text
        and leaf.solution_scores() == candidate.step_scores
    )
