"""Equal steps of one tree are scored once, whoever asks and whoever gives up."""

from __future__ import annotations

from collections.abc import Sequence

import anyio
from hypothesis import given, settings
from hypothesis import strategies as st

from asyncsearch.rewards import REWARD_FORMATS
from asyncsearch.scheduler import Cost, open_scheduler
from asyncsearch.scheduler.answer import answer_to
from asyncsearch.step_scores import ScoredSteps, StepScores
from runtimes.base import Deliver, Prefix, Request, RequestRejected, RuntimeFailure, ScoreRequest
from runtimes.simulated import SimulatedRuntime
from runtimes.virtual_clock import run_virtual

FORMAT = REWARD_FORMATS["math-shepherd"]

# Few distinct steps, so that solutions have beginnings in common.
solutions = st.lists(st.lists(st.sampled_from(["a", "b"]), min_size=1, max_size=4), min_size=1, max_size=12)


class Recorder(SimulatedRuntime):
    """Remembers the text of each step that it was asked to score."""

    def __init__(self, *, refuse_first: bool = False) -> None:
        super().__init__()
        self.scored: list[str] = []
        self.refuse_first = refuse_first

    async def score(self, requests: Sequence[ScoreRequest], deliver: Deliver) -> None:
        taken: list[Request] = []
        for request in requests:
            segments = request.reads
            self.scored += [segment.full_text() for segment in segments]
            if self.refuse_first:
                self.refuse_first = False
                deliver(request, RequestRejected("not this one", request=request))
            else:
                taken.append(request)
        await super().score([request for request in requests if request in taken], deliver)


async def scores_of(scores: StepScores, prefix: Prefix, steps: list[str]) -> ScoredSteps:
    return await answer_to(lambda settle: scores.score(prefix, steps, cost=Cost(), settle=settle))


@given(solutions=solutions, delays=st.lists(st.floats(0, 0.2), min_size=12, max_size=12))
@settings(max_examples=40)
def test_each_step_is_scored_once(solutions: list[list[str]], delays: list[float]) -> None:
    runtime = Recorder()
    found: dict[int, ScoredSteps] = {}

    async def ask(scores: StepScores, index: int) -> None:
        await anyio.sleep(delays[index])
        found[index] = await scores_of(scores, scores.opening, solutions[index])

    async def main() -> None:
        async with open_scheduler(runtime, runtime) as scheduler:
            scores = StepScores("a problem", FORMAT, scheduler=scheduler, order=0)
            async with anyio.create_task_group() as tasks:
                for index in range(len(solutions)):
                    tasks.start_soon(ask, scores, index)

    run_virtual(main)
    assert len(runtime.scored) == len(set(runtime.scored))
    assert len(runtime.scored) == len({tuple(steps[:end]) for steps in solutions for end in range(1, len(steps) + 1)})
    for first, one in enumerate(solutions):
        assert len(found[first].scores) == len(one)
        for second, other in enumerate(solutions):
            if one == other:
                assert found[first].prefix is found[second].prefix
                assert found[first].scores == found[second].scores


@given(patience=st.floats(0, 0.1))
@settings(max_examples=20)
def test_giving_up_leaves_the_others_their_scores(patience: float) -> None:
    runtime = Recorder()
    kept: list[ScoredSteps] = []

    async def main() -> None:
        async with open_scheduler(runtime, runtime) as scheduler:
            scores = StepScores("a problem", FORMAT, scheduler=scheduler, order=0)

            async def impatient() -> None:
                with anyio.move_on_after(patience):
                    await scores_of(scores, scores.opening, ["a", "b"])

            async with anyio.create_task_group() as tasks:
                tasks.start_soon(impatient)
                await anyio.lowlevel.checkpoint()
                kept.append(await scores_of(scores, scores.opening, ["a"]))

    run_virtual(main)
    assert len(kept[0].scores) == 1


def test_a_refusal_is_that_of_all_who_wait_for_the_same_text() -> None:
    runtime = Recorder(refuse_first=True)
    outcomes: list[str] = []

    async def main() -> None:
        async with open_scheduler(runtime, runtime) as scheduler:
            scores = StepScores("a problem", FORMAT, scheduler=scheduler, order=0)

            async def ask(steps: list[str]) -> None:
                try:
                    await scores_of(scores, scores.opening, steps)
                    outcomes.append("scored")
                except RuntimeFailure as failure:
                    outcomes.append(str(failure))

            async with anyio.create_task_group() as tasks:
                for steps in (["a", "b"], ["a", "b"], ["a", "b", "c"], ["a"]):
                    tasks.start_soon(ask, steps)

    run_virtual(main)
    # What is shorter may not be refused: it is asked for once more.
    assert sorted(outcomes) == ["not this one", "not this one", "not this one", "scored"]
    assert len(runtime.scored) == 3, "two texts of the first request, one of the second"
