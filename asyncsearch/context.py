"""What a strategy may do to its tree: expand nodes, and read what came of it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from random import Random
from typing import Protocol, TypeAlias

import anyio
from anyio.lowlevel import checkpoint

from asyncsearch.answers.voting import Ballot
from asyncsearch.format import Format
from asyncsearch.growth import Growth, Soil, grow_all
from asyncsearch.journal import NodeRecords, SearchJournal
from asyncsearch.problem import Problem
from asyncsearch.rewards import RewardFormat
from asyncsearch.scheduler import Scheduler
from asyncsearch.search_parameters import SearchParameters
from asyncsearch.seeds import DrawSeeds
from asyncsearch.speculation import Foresee, Speculation
from asyncsearch.step_scores import StepScores
from asyncsearch.tree import GREEDY, Node, NodeState, Tree

__all__ = ["Electorate", "SearchContext", "Watcher"]

Watcher: TypeAlias = Callable[[Node], Awaitable[None]]
"""Looks at a node that is settled."""


class Electorate(Protocol):
    """What the leaves vote for, and in which vote; see `asyncsearch.election.Leaves`."""

    vote: str

    async def ballot(self, leaf: Node) -> Ballot | None:
        """The ballot of a leaf, None where it has no answer."""


class SearchContext:
    """One strategy's view of one problem. Every node grows by itself, and belongs to the call that asked for it.

    ``root`` is the empty solution, ``tree`` all that has grown from it, and ``grown`` the children in the order in
    which they were asked for, whether they are settled or not. ``random`` is for a strategy's own choices: its numbers
    depend on the run's seed and the problem alone.
    """

    def __init__(
        self,
        problem: Problem,
        parameters: SearchParameters,
        *,
        scheduler: Scheduler,
        format: Format,
        reward_format: RewardFormat | None,
        seed: int,
        order: int,
        journal: SearchJournal | None = None,
        electorate: Electorate | None = None,
    ) -> None:
        """Prepare an empty tree; ``order`` is the problem's place in the scheduler's queues, lowest first.

        What ``journal`` says already is not generated or scored again; what happens is added to it. ``electorate``
        knows what the leaves will vote for, for strategies that want to know.
        """
        self.problem = problem
        self._journal = journal or SearchJournal()
        scores: StepScores | None = None
        if parameters.scored and reward_format is not None:
            scores = StepScores(problem.text, reward_format, scheduler=scheduler, order=order)
        seeds = DrawSeeds(seed, problem.id)
        self._soil = Soil(
            parameters=parameters,
            scheduler=scheduler,
            format=format,
            seeds=seeds,
            order=order,
            journal=self._journal,
            scores=scores,
        )
        self.random = Random(seeds.of(()))
        self.grown: list[Node] = []
        self._electorate = electorate
        self._watchers: list[Watcher] = []
        self._speculation: Speculation | None = None
        self.root = Node(
            parent=None,
            draw=0,
            depth=0,
            prefix=format.opening_for(problem.text),
            reward_prefix=None if scores is None else scores.opening,
        )
        self.tree = Tree(self.root)

    async def expand(
        self, nodes: Sequence[Node], counts: Sequence[int], *, whole_solutions: bool = False
    ) -> list[Node]:
        """Grow ``counts[i]`` children of ``nodes[i]``, each by itself, and wait until all are settled.

        A child is one step, or with ``whole_solutions`` everything up to the solution's end. A child whose
        generation or scoring fails is a leaf in state FAILED; it costs its draw and nothing else.

        Returns:
            The children in the order of ``nodes`` and, within one node, of draws; never in that of arrival.

        Raises:
            ValueError: a node is not OPEN, or the arguments' lengths differ; then nothing was grown.
            RuntimeGone: a model will not answer any more.

        Cancellation cancels the children still growing, which stay PENDING, and withdraws their requests.
        """
        if len(nodes) != len(counts):
            raise ValueError(f"{len(nodes)} nodes are to be expanded, with counts for {len(counts)}")
        wanted = list(zip(nodes, counts, strict=True))
        for node, _ in wanted:
            if node.state is not NodeState.OPEN:
                raise ValueError(f"node {node.path} is {node.state.value}: it cannot be expanded")
        children = [self._sprout(node, whole_solutions) for node, count in wanted for _ in range(count)]
        growths = self._growths_of(children, whole_solutions=whole_solutions)
        if self._speculation is not None:
            self.tree.dropped += self._speculation.expand(growths)
        await self._settle(children, growths)
        return children

    def discard(self, nodes: Iterable[Node]) -> None:
        """Take nodes out of the vote: those that were grown to look at, and not as candidates."""
        for node in nodes:
            node.multiplicity = 0

    async def look_ahead(self, nodes: Sequence[Node], steps: int) -> list[Node]:
        """Where greedy decoding gets from each node in so many steps, or less where its solution ends before or fails.

        What is grown for this is no candidate, and is grown once: a node has but one greedy continuation.

        Raises:
            RuntimeGone: as `expand`; cancellation likewise.
        """
        ends = list(nodes)
        for _ in range(steps):
            walking = [index for index, node in enumerate(ends) if node.state is NodeState.OPEN]
            further = [self._continue(ends[index]) for index in walking]
            await self._settle(further, self._growths_of(further))
            for index, node in zip(walking, further, strict=True):
                if node.state is not NodeState.FAILED:
                    ends[index] = node
        return ends

    @property
    def vote(self) -> str:
        """What the candidates will be put to."""
        return self._voters.vote

    async def ballot(self, leaf: Node) -> Ballot | None:
        """The ballot of a leaf in that vote, None where it has no answer. Equal answers have equal groups."""
        return await self._voters.ballot(leaf)

    @contextmanager
    def watched_by(self, watcher: Watcher) -> Iterator[None]:
        """Have ``watcher`` called with every child of an expansion as soon as it is settled, while the block runs.

        Nothing goes on from the child before that has returned.
        """
        self._watchers.append(watcher)
        try:
            yield
        finally:
            self._watchers.remove(watcher)

    @asynccontextmanager
    async def speculating(self, foresee: Foresee, *, ahead: int) -> AsyncIterator[None]:
        """While the block runs, continue what is settled of an expansion while the rest is not, as ``foresee`` says.

        They are the draws that the expansions after it would make, of which so many are looked ``ahead``, and are their
        children if they ask for them. Those that they do not ask for are aborted then, and are waste.
        """
        speculation = self._speculation = Speculation(foresee, self._foreseen, ahead=ahead)
        try:
            yield
        finally:
            self._speculation = None
            with anyio.CancelScope(shield=True):  # it is being given up, which is soon done
                self.tree.dropped += await speculation.end()

    def _foreseen(self, parent: Node, draw: int) -> Growth:
        return Growth(self._child_of(parent, draw), self._soil, wanted=False)

    @property
    def _voters(self) -> Electorate:
        assert self._electorate is not None, "nobody has said what the leaves will be put to"
        return self._electorate

    def _continue(self, node: Node) -> Node:
        """The greedy continuation of a node."""
        if node.greedy is None:
            node.greedy = self._child_of(node, GREEDY)
        return node.greedy

    def _sprout(self, parent: Node, whole_solution: bool) -> Node:
        draw = len(parent.children)
        child = None if self._speculation is None or whole_solution else self._speculation.take(parent, draw)
        if child is None:
            child = self._child_of(parent, draw)
        parent.children.append(child)
        self.grown.append(child)
        return child

    def _child_of(self, parent: Node, draw: int) -> Node:
        child = Node(
            parent=parent,
            draw=draw,
            state=NodeState.PENDING,
            depth=parent.depth + 1,
            prefix=parent.prefix,
            reward_prefix=parent.reward_prefix,
            steps=parent.steps,
            path_tokens=parent.path_tokens,
        )
        if self._journal.known:
            recorded = self._journal.of(child.path)
            child.policy, child.reward = recorded.policy, recorded.reward  # paid for, whatever becomes of the node
        return child

    def unvisited(self) -> Iterator[NodeRecords]:
        """What is recorded of nodes that were grown in vain, as the search did not come to them this time."""
        return self._journal.unvisited(node.path for node in self.tree.all_nodes())

    def _growths_of(self, nodes: Sequence[Node], *, whole_solutions: bool = False) -> list[Growth]:
        """What grows the nodes, but for those that were grown before."""
        return [growth for node in dict.fromkeys(nodes) if (growth := self._growth_of(node, whole_solutions))]

    async def _settle(self, nodes: Sequence[Node], growths: Sequence[Growth]) -> None:
        """Grow those of some nodes that are pending, side by side.

        Those that are recorded are settled before anything else, and before any watcher sees one of them: so a search
        that was ended by what came of them is ended again at once.
        """
        for growth in growths:
            if growth.is_recorded:
                growth.begin()
        settled = [growth for growth in growths if growth.ended]
        growing = [growth for growth in growths if not growth.ended]
        try:
            await grow_all(settled)
            for growth in settled:
                await self._look_at(growth.node)
            if settled:
                await checkpoint()  # if one of them has ended the search, nothing more is asked for
            for growth in growing:
                growth.begin()
            await self._wait_for(growing)
        finally:  # a search that is ended by what it has found had its tree in memory all the same
            self.tree.note_held(nodes)

    def _growth_of(self, node: Node, whole_solution: bool) -> Growth | None:
        """What grows a node, None where it was grown before."""
        ahead = None if self._speculation is None else self._speculation.growth_of(node)
        if ahead is None and node.state is NodeState.PENDING:
            return Growth(node, self._soil, whole_solution=whole_solution)
        return ahead

    async def _wait_for(self, growing: Sequence[Growth]) -> None:
        """Wait until all are settled and looked at."""
        if self._watchers:
            async with anyio.create_task_group() as watching:

                def begin_to_look_at(node: Node) -> None:
                    watching.start_soon(self._look_at, node)

                await grow_all(growing, each=begin_to_look_at)
        elif self._speculation is not None:
            await grow_all(growing, each=self._go_ahead)
        else:
            await grow_all(growing)

    async def _look_at(self, node: Node) -> None:
        """Have all watchers see a node before anything goes on from it."""
        if node.draw != GREEDY:
            for watcher in self._watchers:
                await watcher(node)
            self._go_ahead(node)

    def _go_ahead(self, node: Node) -> None:
        """Continue a node before anybody asks for it."""
        if self._speculation is not None and node.draw != GREEDY:
            self._speculation.note_settled(node)
