"""What a strategy may do to its tree: expand nodes, and read what came of it."""

from __future__ import annotations

from collections.abc import Sequence

import anyio

from asyncsearch.format import Format
from asyncsearch.journal import NodeRecords, SearchJournal
from asyncsearch.problem import Problem
from asyncsearch.rewards import RewardFormat
from asyncsearch.scheduler import Scheduler
from asyncsearch.search_parameters import SearchParameters
from asyncsearch.seeds import draw_seed
from asyncsearch.step_scores import StepScores
from asyncsearch.tree import Node, NodeState, Tree
from runtimes.base import (
    FinishReason,
    GenerateRequest,
    Prefix,
    RequestRejected,
    RuntimeFailure,
    RuntimeGone,
)

__all__ = ["SearchContext"]


class SearchContext:
    """One strategy's view of one problem. Every node that it grows is a task owned by the call that asked for it.

    ``root`` is the empty solution, ``tree`` all that has grown from it.
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
    ) -> None:
        """Prepare an empty tree; ``order`` is the problem's place in the scheduler's queues, lowest first.

        What ``journal`` says already is not generated or scored again; what happens is added to it.
        """
        self.problem = problem
        self._parameters = parameters
        self._scheduler = scheduler
        self._format = format
        self._seed = seed
        self._order = order
        self._journal = journal or SearchJournal()
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
        children = [self._sprout(node) for node, count in wanted for _ in range(count)]
        for child in children:  # what is recorded first, lest its scores be asked for by another with the same text
            if self._is_recorded(child, whole_solutions):
                await self._grow(child, whole_solutions)
        async with anyio.create_task_group() as growing:
            for child in children:
                if child.state is NodeState.PENDING:
                    growing.start_soon(self._grow, child, whole_solutions)
        self.tree.note_peak(children)
        return children

    def _sprout(self, parent: Node) -> Node:
        child = Node(
            parent=parent,
            draw=len(parent.children),
            state=NodeState.PENDING,
            depth=parent.depth + 1,
            prefix=parent.prefix,
            reward_prefix=parent.reward_prefix,
            steps=parent.steps,
            path_tokens=parent.path_tokens,
        )
        parent.children.append(child)
        return child

    def _is_recorded(self, node: Node, whole_solution: bool) -> bool:
        """Whether all that has become of a node is recorded, so that growing it waits for nobody."""
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
            node.error = str(failure)
            if recorded.failed is None:
                self._journal.add_failed(node.path, node.error, node.reward if generated else node.policy)
            return
        node.state = self._state_of(node, finish, whole_solution)

    async def _generate(self, node: Node, whole_solution: bool, recorded: NodeRecords) -> FinishReason:
        if (generated := recorded.generated) is not None and generated.whole_solution is whole_solution:
            text, finish = generated.text, generated.finish
            prefix = node.prefix.extend(text, generated.token_ids)
            node.policy = generated.cost
        elif recorded.failed is not None:
            node.policy = recorded.failed.cost
            raise RequestRejected(recorded.failed.error)
        else:
            if recorded.generated is None and recorded.spent is not None:
                node.policy = recorded.spent
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
            temperature=parameters.temperature,
            top_p=parameters.top_p,
            stop=() if whole_solution else (self._format.stop_before(node.depth + 1),),
        )

    async def _score(self, node: Node, scores: StepScores, recorded: NodeRecords) -> None:
        assert node.reward_prefix is not None
        steps = self._format.split_steps(node.text, first=node.steps + 1)
        node.steps += len(steps)
        if recorded.scored is not None:
            scored = scores.restore(node.reward_prefix, steps, recorded.scored.scores)
            node.reward = recorded.scored.cost
        elif recorded.failed is not None:
            node.reward = recorded.failed.cost
            raise RequestRejected(recorded.failed.error)
        else:
            if recorded.generated is not None and recorded.spent is not None:
                node.reward = recorded.spent
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
