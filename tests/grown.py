"""Trees grown outside of a run: on a simulated server, or one that answers as was worked out beforehand."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence

from anyio.lowlevel import checkpoint

from asyncsearch.answers import Grader
from asyncsearch.answers.math_grader import MathGrader
from asyncsearch.context import SearchContext
from asyncsearch.election import Leaves
from asyncsearch.format import FORMATS
from asyncsearch.problem import Problem
from asyncsearch.rewards import REWARD_FORMATS
from asyncsearch.scheduler import Scheduler, open_scheduler
from asyncsearch.strategies import Strategy
from asyncsearch.tree import Tree
from runtimes.base import (
    Deliver,
    FinishReason,
    GenerateRequest,
    GenerateResult,
    RequestRejected,
    ScoreRequest,
    ScoreResult,
    Usage,
)
from runtimes.simulated import SimulatedRuntime
from runtimes.virtual_clock import run_virtual

__all__ = ["PROBLEM", "Scripted", "context_of", "grow", "outline", "shape"]

PROBLEM = Problem(id="p", text="a problem", answer="1")


def context_of(
    scheduler: Scheduler,
    strategy: Strategy,
    *,
    problem: Problem = PROBLEM,
    seed: int = 0,
    grader: Grader | None = None,
    vote: str = "weighted",
) -> SearchContext:
    return SearchContext(
        problem,
        strategy,
        scheduler=scheduler,
        format=FORMATS["steps"],
        reward_format=REWARD_FORMATS["math-shepherd"],
        seed=seed,
        order=0,
        electorate=None if grader is None else Leaves(grader, vote=vote, aggregation="last"),
    )


def grow(
    strategy: Strategy,
    runtime: SimulatedRuntime,
    *,
    limit: int | None = None,
    seed: int = 0,
    vote: str = "weighted",
) -> Tree:
    async def main() -> Tree:
        async with (
            MathGrader() as grader,
            open_scheduler(runtime, runtime, policy_limit=limit, reward_limit=limit) as scheduler,
        ):
            context = context_of(scheduler, strategy, seed=seed, grader=grader, vote=vote)
            tasks = len(asyncio.all_tasks())
            await strategy.search(context)
            # The scheduler's own end soon, those of its last batches. Others would wait for ever, and be a deadlock.
            while len(asyncio.all_tasks()) > tasks:
                await checkpoint()
            return context.tree

    tree = run_virtual(main)
    tree.check()
    return tree


def shape(tree: Tree) -> list[tuple[object, ...]]:
    return [(node.path, node.state, node.text, node.step_scores, node.tokens) for node in tree.nodes()]


def outline(tree: Tree) -> str:
    """The texts of a tree, a line each, and how often a leaf votes where that is not once."""
    lines = []
    for node in tree.nodes():
        if node.parent is not None:
            votes = f" x{node.multiplicity}" if node.is_leaf and node.multiplicity != 1 else ""
            lines.append("  " * (node.depth - 1) + (node.text.strip() or node.state.value) + votes)
    return "\n".join(lines)


class Scripted(SimulatedRuntime):
    """Answers with steps and scores worked out beforehand, by the text so far and the draw's turn.

    A text that ends a solution has "answer" in it, and one that is "lost" never comes. The greedy continuation of a
    text stands behind that text and ">".
    """

    def __init__(self, steps: dict[str, list[tuple[str, float]]]) -> None:
        super().__init__()
        self.steps = {f"a problem\n{text}": children for text, children in steps.items()}
        self.scores = {text: score for children in steps.values() for text, score in children}
        self.turns: Counter[str] = Counter()

    async def generate(self, requests: Sequence[GenerateRequest], deliver: Deliver) -> None:
        # By seed a request cannot be told from its sibling; by the order in which they come it can.
        for sent in requests:
            before = sent.prefix.full_text() + ("" if sent.temperature else ">")
            text, _ = self.steps[before][self.turns[before]]
            self.turns[before] += 1
            if text == "lost":
                deliver(sent, RequestRejected("lost", request=sent))
                continue
            finish = FinishReason.END if "answer" in text else FinishReason.STOP
            usage = Usage(prompt_tokens=1, generated_tokens=10)
            deliver(sent, GenerateResult(prefix=sent.prefix.extend(text), finish=finish, usage=usage))

    async def score(self, requests: Sequence[ScoreRequest], deliver: Deliver) -> None:
        for sent in requests:
            text = sent.prefix.text.strip().removesuffix(" ки")
            score = next(score for step, score in self.scores.items() if step.strip() == text)
            deliver(sent, ScoreResult(scores=(score,), usage=Usage(prompt_tokens=1)))
            await checkpoint()  # one after the other, so that somebody can look at the first before the second is there
