"""How a node grows: it is generated, then scored, and what came of it is written down before anybody sees it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import anyio

from asyncsearch.errors import printable
from asyncsearch.format import Format
from asyncsearch.journal import NodeRecords, SearchJournal
from asyncsearch.scheduler import Pending, Scheduler
from asyncsearch.search_parameters import SearchParameters
from asyncsearch.seeds import DrawSeeds
from asyncsearch.step_scores import ScoredSteps, Scoring, StepScores
from asyncsearch.tree import GREEDY, Node, NodeState
from runtimes.base import (
    FinishReason,
    GenerateRequest,
    GenerateResult,
    Prefix,
    RequestAborted,
    RequestRejected,
    RuntimeFailure,
    RuntimeGone,
)

__all__ = ["Growth", "Soil", "grow_all"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Soil:
    """What the nodes of one problem grow from.

    ``order`` is the problem's place in the scheduler's queues, lowest first; ``scores`` are None where steps are not
    scored.
    """

    parameters: SearchParameters
    scheduler: Scheduler
    format: Format
    seeds: DrawSeeds
    order: int
    journal: SearchJournal
    scores: StepScores | None


class Growth:
    """One pending node on its way to being settled.

    To a strategy each node is a task of its own. Underneath it waits in no task, but is called back with what it
    waits for: a task, and the futures and scopes that go with it, take many times the room and twice the time.

    ``error`` is what the search must be told: a model is gone, the journal cannot be written, or there is a defect.
    """

    __slots__ = (
        "_finish",
        "_on_end",
        "_pending",
        "_scoring",
        "_soil",
        "_wanted",
        "_whole_solution",
        "ended",
        "error",
        "node",
    )

    def __init__(self, node: Node, soil: Soil, *, whole_solution: bool = False, wanted: bool = True) -> None:
        """``wanted`` says whether anybody has asked for the node; what nobody has is drawn where there is room."""
        self.node = node
        self._wanted = wanted
        self.error: Exception | None = None
        self.ended = False
        self._soil = soil
        self._whole_solution = whole_solution
        self._finish: FinishReason | None = None
        self._pending: Pending[GenerateRequest, GenerateResult] | None = None
        self._scoring: Scoring | None = None
        self._on_end: Callable[[Growth], None] | None = None

    def when_ended(self, tell: Callable[[Growth], None]) -> None:
        """Have ``tell`` called when it has ended, and nobody else; at once if it has."""
        if self.ended:
            tell(self)
        else:
            self._on_end = tell

    @property
    def is_recorded(self) -> bool:
        """Whether all that has become of the node is recorded, so that it waits for nobody."""
        soil = self._soil
        if self.ended or not soil.journal.known:
            return False
        recorded = soil.journal.of(self.node.path)
        if recorded.failed is not None:
            return True
        drawn = recorded.generated is not None and recorded.generated.whole_solution is self._whole_solution
        return drawn and (recorded.scored is not None or soil.scores is None)

    def begin(self) -> None:
        """Ask for what is not recorded, unless that has been done. If all is, the node is settled at once."""
        if self._pending is None and self._scoring is None and not self.ended:
            self._go_on(self._begin)

    def _begin(self) -> None:
        soil, node = self._soil, self.node
        recorded = soil.journal.of(node.path)
        generated = recorded.generated
        if generated is not None and generated.whole_solution is self._whole_solution:
            prefix = node.prefix.extend(generated.text, generated.token_ids)
            self._take(generated.text, prefix, generated.finish)
        elif recorded.failed is not None:
            self._fail(RequestRejected(recorded.failed.error), recorded)
        else:
            pending = soil.scheduler.submit_generate(
                self._draw(), order=soil.order, cost=node.policy, settle=self._generated, wanted=self._wanted
            )
            if not self.ended:
                self._pending = pending

    def want(self) -> None:
        """Somebody has asked for the node."""
        self._wanted = True
        if self._pending is not None:
            self._pending.want()

    def withdraw(self) -> None:
        """Give the node up: it stays PENDING, unless it is settled. It has ended when its cost until then is known."""
        if self._scoring is not None:
            self._scoring.withdraw()
        elif self._pending is not None:
            self._pending.withdraw()

    def _go_on(self, step: Callable[..., None], *arguments: Any) -> None:
        """Take a step; whatever it raises is the node's failure, or for the search to be told."""
        try:
            try:
                step(*arguments)
            except RuntimeFailure as failure:
                self._fail(failure)
        except Exception as error:  # noqa: BLE001 - formats are anybody's code, and journals cannot always be written
            self._end(error)

    def _draw(self) -> GenerateRequest:
        soil, node = self._soil, self.node
        parameters = soil.parameters
        tokens_left = parameters.max_tokens - node.path_tokens
        return GenerateRequest(
            prefix=node.prefix,
            seed=soil.seeds.of(node.path),
            max_new_tokens=tokens_left if self._whole_solution else min(tokens_left, parameters.max_step_tokens),
            temperature=0.0 if node.draw == GREEDY else parameters.temperature,
            top_p=parameters.top_p,
            stop=() if self._whole_solution else (soil.format.stop_before(node.depth + 1),),
        )

    def _generated(self, outcome: GenerateResult | RuntimeFailure) -> None:
        if isinstance(outcome, RuntimeFailure):
            self._go_on(self._fail, outcome)
        else:
            self._go_on(self._write_generated, outcome)

    def _write_generated(self, result: GenerateResult) -> None:
        node, prefix = self.node, result.prefix
        text = prefix.text
        self._soil.journal.add_generated(
            node.path, text, prefix.token_ids, result.finish, node.policy, whole_solution=self._whole_solution
        )
        self._take(text, prefix, result.finish)

    def _take(self, text: str, prefix: Prefix, finish: FinishReason) -> None:
        """Take what was generated, and go on to have it scored."""
        soil, node = self._soil, self.node
        separator = soil.format.separator if finish is FinishReason.STOP else ""
        node.prefix = prefix.extend(separator) if separator else prefix
        node.text = text + separator
        node.tokens = node.policy.usage.generated_tokens
        node.path_tokens += node.tokens
        self._finish = finish
        self._pending = None
        if soil.scores is None:
            self._settle(finish)
        else:
            self._score(soil.scores)

    def _score(self, scores: StepScores) -> None:
        node = self.node
        assert node.reward_prefix is not None
        steps = self._soil.format.split_steps(node.text, first=node.steps + 1)
        node.steps += len(steps)
        recorded = self._soil.journal.of(node.path)
        if recorded.scored is not None:
            self._scored(scores.restore(node.reward_prefix, steps, recorded.scored.scores))
        elif recorded.failed is not None:
            self._fail(RequestRejected(recorded.failed.error), recorded)
        else:
            scoring = scores.score(node.reward_prefix, steps, cost=node.reward, settle=self._answered)
            if not self.ended:
                self._scoring = scoring

    def _answered(self, outcome: ScoredSteps | RuntimeFailure) -> None:
        if isinstance(outcome, RuntimeFailure):
            self._go_on(self._fail, outcome)
        else:
            self._go_on(self._write_scored, outcome)

    def _write_scored(self, scored: ScoredSteps) -> None:
        self._soil.journal.add_scored(self.node.path, scored.scores, self.node.reward)
        self._scored(scored)

    def _scored(self, scored: ScoredSteps) -> None:
        assert self._finish is not None
        self.node.reward_prefix = scored.prefix
        self.node.step_scores = scored.scores
        self._settle(self._finish)

    def _settle(self, finish: FinishReason) -> None:
        self.node.state = self._state_after(finish)
        self._end()

    def _state_after(self, finish: FinishReason) -> NodeState:
        node, parameters = self.node, self._soil.parameters
        if finish is FinishReason.END:
            return NodeState.ANSWERED
        if self._soil.format.states_answer(node.text, cut=finish is not FinishReason.STOP):
            return NodeState.ANSWERED
        spent = (
            self._whole_solution
            or finish is FinishReason.CONTEXT
            or node.path_tokens >= parameters.max_tokens
            or node.depth >= parameters.max_depth
        )
        return NodeState.TRUNCATED if spent else NodeState.OPEN

    def _fail(self, failure: RuntimeFailure, recorded: NodeRecords | None = None) -> None:
        """End without a generation or a score."""
        node = self.node
        cost = node.policy if self._finish is None else node.reward
        if isinstance(failure, RequestAborted):
            if cost.aborted or cost.failed:
                self._soil.journal.add_abandoned(node.path, cost)
            self._end()
        elif isinstance(failure, RuntimeGone):
            self._end(failure)  # no other node will fare better
        else:
            node.state = NodeState.FAILED
            node.error = printable(str(failure))
            if recorded is None:
                self._soil.journal.add_failed(node.path, node.error, cost)
            self._end()

    def _end(self, error: Exception | None = None) -> None:
        if self.ended:
            return
        self.ended = True
        self.error = error
        self._pending = self._scoring = None
        if self._on_end is not None:
            self._on_end(self)


async def grow_all(growths: Sequence[Growth], *, each: Callable[[Node], None] | None = None) -> None:
    """Wait until nodes that have begun to grow are settled, and call ``each`` with one as soon as it is.

    Raises:
        Exception: the first error of a growth, or of ``each``; the others are given up.

    Cancellation gives all up that are not settled, and returns when that is done.
    """
    loop = asyncio.get_running_loop()
    left = len(growths)
    all_ended = anyio.Event()
    settled: list[Node] = []
    errors: list[Exception] = []
    news = loop.create_future()

    def tell(growth: Growth) -> None:
        nonlocal left
        left -= 1
        if growth.error is not None:
            errors.append(growth.error)
        elif each is not None and growth.node.state is not NodeState.PENDING:
            settled.append(growth.node)
        if (settled or errors or not left) and not news.done():
            news.set_result(None)
        if not left:
            all_ended.set()

    for growth in growths:
        growth.when_ended(tell)
    try:
        while (left or settled) and not errors:
            await news
            news = loop.create_future()
            while settled and each is not None:
                each(settled.pop(0))
    finally:
        if left:
            for growth in growths:
                growth.withdraw()
            with anyio.CancelScope(shield=True):
                await all_ended.wait()
    if errors:
        raise errors[0]
