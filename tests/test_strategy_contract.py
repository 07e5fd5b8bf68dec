"""The conformance kit: every strategy passes, and what breaks the contract is found out."""

from __future__ import annotations

import asyncio
import random
from dataclasses import dataclass
from typing import ClassVar

import anyio
import pytest
from anyio.lowlevel import checkpoint

from asyncsearch import SearchContext, Strategy, make_strategy, strategy_names
from asyncsearch.testing import ContractViolation, check_strategy
from asyncsearch.tree import Node, NodeState

pytestmark = pytest.mark.anyio

VARIANTS: dict[str, dict[str, object]] = {
    "beam": {"beams": 2, "lookahead": 1},
    "dvts": {"subtrees": 3, "lookahead": 1},
    "mcts": {"selection": "puct", "evaluation": "rollout", "wave": 3},
    "particle-filter": {"resampling": "multinomial", "ess_threshold": 0.5, "iterations": 2},
    "ets": {"solver": "greedy"},
    "ab-mcts": {"posterior": "beta"},
    "tot": {"order": "depth", "threshold": 0.6},
    "rebase": {"truncate_ratio": 0.5},
    "sampling": {"scored": False},
    "early-stop": {"inner": "rebase", "confidence": 0.8},
    "speculative": {"inner": "dvts", "levels": 1},
}

STRATEGIES = [
    *(make_strategy(name, {"width": 6}) for name in strategy_names()),
    *(make_strategy(name, {"width": 7, **parameters}) for name, parameters in VARIANTS.items()),
    make_strategy("beam", {"width": 6, "refill": True}),
    *(
        make_strategy(name, {"width": 6, "max_depth": 3, "max_tokens": 45})
        for name in ("beam", "mcts", "ab-mcts", "ets")
    ),
]


@pytest.mark.parametrize("strategy", STRATEGIES, ids=lambda strategy: strategy.full_name)
def test_every_strategy_keeps_the_contract(strategy: Strategy) -> None:
    check_strategy(strategy, examples=12)


@dataclass(frozen=True, slots=True, kw_only=True)
class Broken(Strategy):
    source: ClassVar[str] = "what not to do"


class Leaking(Broken):
    name = "leaking"

    async def search(self, tree: SearchContext) -> None:
        asyncio.get_running_loop().create_task(tree.expand([tree.root], [self.width - 1]))
        await tree.expand([tree.root], [1], whole_solutions=True)


class Overspending(Broken):
    name = "overspending"

    async def search(self, tree: SearchContext) -> None:
        await tree.expand([tree.root], [self.width + 1], whole_solutions=True)


class FirstCome(Broken):
    """Goes on from the child that is there first."""

    name = "first-come"

    async def search(self, tree: SearchContext) -> None:
        settled: list[Node] = []

        async def note(node: Node) -> None:
            settled.append(node)

        with tree.watched_by(note):
            await tree.expand([tree.root], [3])
        if not settled[0].is_leaf:
            await tree.expand(settled[:1], [self.width - 3], whole_solutions=True)


class Dropping(Broken):
    """Cuts the worst leaf off."""

    name = "dropping"

    async def search(self, tree: SearchContext) -> None:
        await tree.expand([tree.root], [self.width], whole_solutions=True)
        tree.root.children.pop()


class Deaf(Broken):
    """Takes cancellation for a failure like any other."""

    name = "deaf"

    async def search(self, tree: SearchContext) -> None:
        for _ in range(self.width):
            try:
                await tree.expand([tree.root], [1], whole_solutions=True)
            except BaseException:  # noqa: BLE001 - that is what is wrong with it
                continue


class Hasty(Broken):
    """Ends when its time is up."""

    name = "hasty"

    async def search(self, tree: SearchContext) -> None:
        begun = anyio.current_time()
        for _ in range(self.width):
            if anyio.current_time() - begun < 2.0:
                await tree.expand([tree.root], [1], whole_solutions=True)


class Whimsical(Broken):
    """Draws from what is no seed of the run's."""

    name = "whimsical"

    async def search(self, tree: SearchContext) -> None:
        await tree.expand([tree.root], [random.SystemRandom().randint(1, self.width)], whole_solutions=True)


class Remembering(Broken):
    """Has one problem's search depend on another's."""

    name = "remembering"
    seen: ClassVar[list[str]] = []

    async def search(self, tree: SearchContext) -> None:
        self.seen.append(tree.problem.id)
        await tree.expand([tree.root], [1 + len(self.seen) % 3], whole_solutions=True)


class Squeamish(Broken):
    """Cannot bear that a node fails."""

    name = "squeamish"

    async def search(self, tree: SearchContext) -> None:
        for child in await tree.expand([tree.root], [self.width], whole_solutions=True):
            if child.error:
                raise ValueError(child.error)


class Discarding(Broken):
    """Takes the worst leaf out of the vote, and says nothing of it."""

    name = "discarding"

    async def search(self, tree: SearchContext) -> None:
        leaves = await tree.expand([tree.root], [self.width], whole_solutions=True)
        tree.discard([min(leaves, key=lambda leaf: leaf.score)])


class Unbounded(Broken):
    """Goes on from what was cut off."""

    name = "unbounded"

    async def search(self, tree: SearchContext) -> None:
        frontier = [tree.root]
        while frontier and frontier[0].depth < self.max_depth + 1:
            children = await tree.expand(frontier, [1] * len(frontier))
            for child in children:
                child.state = NodeState.OPEN if child.state is NodeState.TRUNCATED else child.state
            frontier = [child for child in children if not child.is_leaf]


class Impatient(Broken):
    """Draws more where nothing has taken any time: where all of it is in the journal."""

    name = "impatient"

    async def search(self, tree: SearchContext) -> None:
        begun = anyio.current_time()
        await tree.expand([tree.root], [2], whole_solutions=True)
        if anyio.current_time() == begun:
            await tree.expand([tree.root], [1], whole_solutions=True)


class Dawdling(Broken):
    """Has something to finish when it is cancelled, which takes its time."""

    name = "dawdling"

    async def search(self, tree: SearchContext) -> None:
        try:
            await tree.expand([tree.root], [self.width], whole_solutions=True)
        finally:
            with anyio.CancelScope(shield=True):
                await anyio.sleep(100)


class Waiting(Broken):
    name = "waiting"

    async def search(self, tree: SearchContext) -> None:
        await tree.expand([tree.root], [1], whole_solutions=True)
        await anyio.Event().wait()


class Spinning(Broken):
    name = "spinning"

    async def search(self, tree: SearchContext) -> None:
        while True:
            await checkpoint()


class Sleeping(Broken):
    name = "sleeping"

    async def search(self, tree: SearchContext) -> None:
        while True:  # noqa: ASYNC110 - that is what is wrong with it
            await anyio.sleep(60)


class Endless(Broken):
    """Never has enough, and throws it all away."""

    name = "endless"

    async def search(self, tree: SearchContext) -> None:
        while True:
            tree.discard(await tree.expand([tree.root], [self.width], whole_solutions=True))


@pytest.mark.parametrize(
    ("broken", "words"),
    [
        (Leaking, "left .* (tasks|requests) behind"),
        (Overspending, "7 leaves vote, of a width of 6"),
        (FirstCome, "depends on timing or on other searches"),
        (Dropping, "1 nodes have grown and are not in the tree"),
        (Deaf, "was cancelled after .*: it went on as if nothing were"),
        (Hasty, "depends on timing or on other searches"),
        (Whimsical, "something else each time|depends on timing"),
        (Remembering, "something else each time|depends on timing"),
        (Squeamish, "raised ValueError: simulated rejection"),
        (Discarding, r"the leaf \(\d,\) votes 0 times"),
        (Unbounded, r"\(0, 0, 0\) is 3 steps and \d+ tokens long"),
        (Impatient, "was resumed from 100% of its journal: (other candidates vote|it grew otherwise)"),
        (Dawdling, "was cancelled after .*: it goes on 60 seconds later"),
        (Waiting, "had not ended after 100000 seconds"),
        (Spinning, "never ends: after 200000 turns of the loop no time has passed"),
        (Sleeping, "had not ended after 100000 seconds"),
        (Endless, r"had made 126 draws and had not ended"),
    ],
)
def test_what_breaks_the_contract_is_found_out(broken: type[Strategy], words: str) -> None:
    with pytest.raises(ContractViolation, match=words):
        check_strategy(broken(width=6, max_depth=2))


async def test_it_does_not_run_inside_of_a_loop() -> None:
    with pytest.raises(RuntimeError, match="call it from a function that is not async"):
        check_strategy(STRATEGIES[0])


def test_what_is_reported_is_the_smallest_case() -> None:
    with pytest.raises(ContractViolation) as found:
        check_strategy(Squeamish(width=6))
    assert "Model(seed=0, rejected=0.1)" in str(found.value)
    assert "retryable=0.0, lost=0.0, company=0" in str(found.value)
