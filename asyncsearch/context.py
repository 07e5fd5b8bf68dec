"""What a strategy may do to its tree: expand nodes, and read what came of it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from random import Random
from typing import Protocol, TypeAlias

import anyio
from anyio.lowlevel import checkpoint

from asyncsearch.answers.voting import Ballot
from asyncsearch.errors import printable
from asyncsearch.format import Format
from asyncsearch.journal import NodeRecords, SearchJournal
from asyncsearch.problem import Problem
from asyncsearch.rewards import RewardFormat
from asyncsearch.scheduler import Scheduler
from asyncsearch.search_parameters import SearchParameters
from asyncsearch.seeds import draw_seed
from asyncsearch.speculation import Speculation
from asyncsearch.step_scores import StepScores
from asyncsearch.tree import GREEDY, Node, NodeState, Tree
from runtimes.base import (
    FinishReason,
    GenerateRequest,
    Prefix,
    RequestRejected,
    RuntimeFailure,
    RuntimeGone,
)

__all__ = ["Electorate", "SearchContext", "Watcher"]

Watcher: TypeAlias = Callable[[Node], Awaitable[None]]
"""Looks at a node that is settled."""


class Electorate(Protocol):
    """What the leaves vote for, and in which vote; see `asyncsearch.election.Leaves`."""

    vote: str

    async def ballot(self, leaf: Node) -> Ballot | None:
        """The ballot of a leaf, None where it has no answer."""


class SearchContext:
    """One strategy's view of one problem. Every node that it grows is a task owned by the call that asked for it.

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
        self._parameters = parameters
        self._scheduler = scheduler
        self._format = format
        self._seed = seed
        self._order = order
        self._journal = journal or SearchJournal()
        self.random = Random(draw_seed(seed, problem.id, ()))
        self.grown: list[Node] = []
        self._electorate = electorate
        self._watchers: list[Watcher] = []
        self._speculation: Speculation | None = None
        self._scores: StepScores | None = None
        if parameters.scored and reward_format is not None:
            self._scores = StepScores(problem.text, reward_format, scheduler=scheduler, order=order)
        self.root = Node(
            parent=None,
            draw=0,
            depth=0,
            prefix=Prefix(format.prompt_for(problem.text)),
            reward_prefix=None if self._scores is None else self._scores.opening,
        )
        self.tree = Tree(self.root)

    async def expand(
        self, nodes: Sequence[Node], counts: Sequence[int], *, whole_solutions: bool = False
    ) -> list[Node]:
        """Grow ``counts[i]`` children of ``nodes[i]``, each a task of its own, and wait until all are settled.

        A child is one step, or with ``whole_solutions`` everything up to the solution's end. A child whose
        generation or scoring fails is a leaf in state FAILED; it costs its draw and nothing else.

        Returns:
            The children in the order of ``nodes`` and, within one node, of draws; never in that of arrival.

        Raises:
            ValueError: a node is not OPEN, or the arguments' lengths differ; then nothing was grown.
            RuntimeGone: in an exception group; a model will not answer any more.

        Cancellation cancels the children still growing, which stay PENDING, and withdraws their requests.
        """
        if len(nodes) != len(counts):
            raise ValueError(f"{len(nodes)} nodes are to be expanded, with counts for {len(counts)}")
        wanted = list(zip(nodes, counts, strict=True))
        for node, _ in wanted:
            if node.state is not NodeState.OPEN:
                raise ValueError(f"node {node.path} is {node.state.value}: it cannot be expanded")
        children = [self._sprout(node, whole_solutions) for node, count in wanted for _ in range(count)]
        self._drop_speculation()
        await self._settle(children, whole_solutions=whole_solutions)
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
            await self._settle([self._continue(ends[index]) for index in walking], whole_solutions=False)
            for index in walking:
                further = ends[index].greedy
                if further is not None and further.state is not NodeState.FAILED:
                    ends[index] = further
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
    async def speculating(self, draws: int) -> AsyncIterator[None]:
        """While the block runs, continue what is settled in an expansion by so many draws, while the rest is not.

        They are the draws that the next expansion would make, and are its children if it asks for them. Those it does
        not ask for are aborted then, and are waste.
        """
        async with anyio.create_task_group() as tasks:
            self._speculation = Speculation(tasks, self._speculate, draws=draws)
            try:
                yield
            finally:
                self._drop_speculation()
                self._speculation = None

    def _drop_speculation(self) -> None:
        if self._speculation is not None:
            self.tree.dropped += self._speculation.drop()

    async def _speculate(self, node: Node) -> None:
        if node.state is NodeState.PENDING:  # it may have been taken, and found recorded
            await self._grow(node, whole_solution=False)

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
        recorded = self._journal.of(child.path)
        child.policy, child.reward = recorded.policy, recorded.reward  # paid for, whatever becomes of the node
        return child

    def unvisited(self) -> Iterator[NodeRecords]:
        """What is recorded of nodes that were grown in vain, as the search did not come to them this time."""
        return self._journal.unvisited(node.path for node in self.tree.all_nodes())

    async def _settle(self, nodes: Sequence[Node], *, whole_solutions: bool) -> None:
        """Grow nodes that are pending, side by side.

        Those that are recorded are settled before anything else, and before any watcher sees one of them: so a search
        that was ended by what came of them is ended again at once.
        """
        recorded = dict.fromkeys(node for node in nodes if self._is_recorded(node, whole_solutions))
        for node in recorded:
            await self._grow(node, whole_solutions)
        waiting = dict.fromkeys(node for node in nodes if node not in recorded)
        unsettled = {node for node in waiting if node.state is NodeState.PENDING}

        async def settle(node: Node) -> None:
            if self._speculation is not None:
                await self._speculation.wait(node)
            if node.state is NodeState.PENDING:
                await self._grow(node, whole_solutions)
            unsettled.discard(node)
            await look_at(node)

        async def look_at(node: Node) -> None:
            if node.draw == GREEDY:
                return
            for watcher in self._watchers:
                await watcher(node)
            if self._speculation is not None and unsettled and node.state is NodeState.OPEN:
                first = len(node.children)
                self._speculation.begin(
                    node, [self._child_of(node, first + draw) for draw in range(self._speculation.draws)]
                )

        try:
            for node in recorded:
                await look_at(node)
            if recorded:
                await checkpoint()  # if one of them has ended the search, nothing more is asked for
            async with anyio.create_task_group() as growing:
                for node in waiting:
                    growing.start_soon(settle, node)
        finally:  # a search that is ended by what it has found had its tree in memory all the same
            self.tree.note_peak(nodes)

    def _is_recorded(self, node: Node, whole_solution: bool) -> bool:
        """Whether all that has become of a pending node is recorded, so that growing it waits for nobody."""
        if node.state is not NodeState.PENDING:
            return False
        recorded = self._journal.of(node.path)
        if recorded.failed is not None:
            return True
        drawn = recorded.generated is not None and recorded.generated.whole_solution is whole_solution
        return drawn and (recorded.scored is not None or self._scores is None)

    async def _grow(self, node: Node, whole_solution: bool) -> None:
        recorded = self._journal.of(node.path)
        generated = False
        try:
            finish = await self._generate(node, whole_solution, recorded)
            generated = True
            if self._scores is not None:
                await self._score(node, self._scores, recorded)
        except RuntimeGone:
            raise  # no other node will fare better
        except RuntimeFailure as failure:
            node.state = NodeState.FAILED
            node.error = printable(str(failure))
            if recorded.failed is None:
                self._journal.add_failed(node.path, node.error, node.reward if generated else node.policy)
            return
        except anyio.get_cancelled_exc_class():
            cost = node.reward if generated else node.policy
            if cost.aborted or cost.failed:
                self._journal.add_abandoned(node.path, cost)
            raise
        node.state = self._state_of(node, finish, whole_solution)

    async def _generate(self, node: Node, whole_solution: bool, recorded: NodeRecords) -> FinishReason:
        if (generated := recorded.generated) is not None and generated.whole_solution is whole_solution:
            text, finish = generated.text, generated.finish
            prefix = node.prefix.extend(text, generated.token_ids)
        elif recorded.failed is not None:
            raise RequestRejected(recorded.failed.error)
        else:
            request = self._draw(node, whole_solution)
            result = await self._scheduler.generate(request, order=self._order, cost=node.policy)
            text, finish, prefix = result.text, result.finish, result.prefix
            self._journal.add_generated(
                node.path, text, prefix.token_ids, finish, node.policy, whole_solution=whole_solution
            )
        separator = self._format.separator if finish is FinishReason.STOP else ""
        node.prefix = prefix.extend(separator) if separator else prefix
        node.text = text + separator
        node.tokens = node.policy.usage.generated_tokens
        node.path_tokens += node.tokens
        return finish

    def _draw(self, node: Node, whole_solution: bool) -> GenerateRequest:
        parameters = self._parameters
        tokens_left = parameters.max_tokens - node.path_tokens
        return GenerateRequest(
            prefix=node.prefix,
            seed=draw_seed(self._seed, self.problem.id, node.path),
            max_new_tokens=tokens_left if whole_solution else min(tokens_left, parameters.max_step_tokens),
            temperature=0.0 if node.draw == GREEDY else parameters.temperature,
            top_p=parameters.top_p,
            stop=() if whole_solution else (self._format.stop_before(node.depth + 1),),
        )

    async def _score(self, node: Node, scores: StepScores, recorded: NodeRecords) -> None:
        assert node.reward_prefix is not None
        steps = self._format.split_steps(node.text, first=node.steps + 1)
        node.steps += len(steps)
        if recorded.scored is not None:
            scored = scores.restore(node.reward_prefix, steps, recorded.scored.scores)
        elif recorded.failed is not None:
            raise RequestRejected(recorded.failed.error)
        else:
            scored = await scores.score(node.reward_prefix, steps, cost=node.reward)
            self._journal.add_scored(node.path, scored.scores, node.reward)
        node.reward_prefix = scored.prefix
        node.step_scores = scored.scores

    def _state_of(self, node: Node, finish: FinishReason, whole_solution: bool) -> NodeState:
        if finish is FinishReason.END:
            return NodeState.ANSWERED
        if self._format.states_answer(node.text, cut=finish is not FinishReason.STOP):
            return NodeState.ANSWERED
        parameters = self._parameters
        spent = (
            whole_solution
            or finish is FinishReason.CONTEXT
            or node.path_tokens >= parameters.max_tokens
            or node.depth >= parameters.max_depth
        )
        return NodeState.TRUNCATED if spent else NodeState.OPEN
