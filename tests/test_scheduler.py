from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence
from functools import partial
from weakref import WeakSet

import anyio
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asyncsearch.scheduler import Cost, LaneStatistics, Pending, Scheduler, open_scheduler
from runtimes.base import (
    Capabilities,
    Deliver,
    FinishReason,
    GenerateRequest,
    GenerateResult,
    Prefix,
    Request,
    RequestRejected,
    RetryableError,
    RuntimeFailure,
    RuntimeGone,
    ScoreRequest,
    TokenLabels,
    Usage,
)
from runtimes.simulated import Faults, SimulatedRuntime, World
from runtimes.virtual_clock import Deadlock, run_virtual


def request(number: int = 0, *, text: str = "problem") -> GenerateRequest:
    return GenerateRequest(prefix=Prefix(text), seed=number, max_new_tokens=500, stop=("Step 2",))


class Recorder(SimulatedRuntime):
    """Remembers the batches that it is sent."""

    def __init__(self, **options: object) -> None:
        super().__init__(**options)  # type: ignore[arg-type]
        self.batches: list[list[GenerateRequest]] = []

    async def generate(self, requests: Sequence[GenerateRequest], deliver: Deliver) -> None:
        self.batches.append(list(requests))
        await super().generate(requests, deliver)


def is_balanced(lane: LaneStatistics) -> bool:
    ended = lane.settled + lane.failed + lane.withdrawn + lane.aborted
    return lane.submitted == ended + lane.queued + lane.in_flight


def test_what_is_ready_together_is_sent_together() -> None:
    async def main() -> list[int]:
        runtime = Recorder()
        async with open_scheduler(runtime) as scheduler, anyio.create_task_group() as tasks:

            async def late(turns: int) -> None:
                for _ in range(turns):
                    await anyio.lowlevel.checkpoint()
                await scheduler.generate(request(turns), order=0)

            for turns in range(6):  # each is a few turns of the loop later than the one before
                tasks.start_soon(late, turns)
        return [len(batch) for batch in runtime.batches]

    assert run_virtual(main) == [6]


def test_the_oldest_problem_goes_first() -> None:
    async def main() -> list[int]:
        runtime = Recorder()
        async with open_scheduler(runtime, policy_limit=1) as scheduler, anyio.create_task_group() as tasks:
            for order in (5, 3, 4, 1, 2):

                async def submit(order: int = order) -> None:
                    await scheduler.generate(request(order), order=order)

                tasks.start_soon(submit)
        return [sent.seed for batch in runtime.batches for sent in batch]

    assert run_virtual(main) == [1, 2, 3, 4, 5]


def test_a_full_server_is_sent_a_group_at_a_time() -> None:
    """Each pass over prompts holds up all that is decoded: a place that is free waits for others."""

    async def main() -> list[int]:
        runtime = Recorder(world=World(spread=1.0))
        async with open_scheduler(runtime, policy_limit=30) as scheduler, anyio.create_task_group() as tasks:
            for number in range(100):
                tasks.start_soon(partial(scheduler.generate, request(number), order=0))
        return [len(batch) for batch in runtime.batches]

    first, *others, _ = run_virtual(main)
    assert first == 30
    assert min(others) >= 3


def test_what_nobody_wants_yet_waits_for_room() -> None:
    """It goes when others go, or when it is many, and not while somebody waits for a place or did so lately."""

    async def main() -> list[list[int]]:
        runtime = Recorder()
        settled: list[int] = []
        async with open_scheduler(runtime, policy_limit=4) as scheduler:

            def submit(number: int, *, wanted: bool) -> Pending[GenerateRequest, GenerateResult]:
                return scheduler.submit_generate(
                    request(number), order=0, cost=Cost(), wanted=wanted, settle=lambda _: settled.append(number)
                )

            unwanted = [submit(number, wanted=False) for number in (100, 101, 102)]
            for number in range(8):
                submit(number, wanted=True)
            unwanted[2].want()
            unwanted[1].withdraw()
            assert settled == [101]
            await scheduler.generate(request(8), order=1)
            assert 100 not in settled, "a moment ago somebody waited"
            for number in range(9, 20):
                await scheduler.generate(request(number), order=1)
            assert sorted(settled) == [*range(8), 100, 101, 102]
        return [[sent.seed for sent in batch] for batch in runtime.batches]

    batches = run_virtual(main)
    sent = [seed for batch in batches for seed in batch]
    assert sent[:10] == [*range(8), 102, 8]
    assert any(len(batch) > 1 for batch in batches if 100 in batch), "it goes beside another"
    assert sent.index(100) >= 10


def test_what_nobody_wants_any_more_is_let_go() -> None:
    """On a lane that is always full, where its turn never comes."""

    class Waiter:
        def settle(self, _: GenerateResult | RuntimeFailure) -> None:
            pass

    async def main() -> int:
        async with open_scheduler(SimulatedRuntime(), policy_limit=1) as scheduler:
            scheduler.submit_generate(request(), order=0, cost=Cost(), settle=Waiter().settle)
            waiters: WeakSet[Waiter] = WeakSet()
            for number in range(1000):
                waiter = Waiter()
                waiters.add(waiter)
                pending = scheduler.submit_generate(
                    request(number), order=0, cost=Cost(), settle=waiter.settle, wanted=False
                )
                pending.withdraw()
            return len(waiters)

    assert run_virtual(main) < 100


@given(
    count=st.integers(1, 60),
    limit=st.integers(1, 12),
    seed=st.integers(0, 1000),
    aborts=st.booleans(),
    retryable=st.sampled_from([0.0, 0.3]),
    lost=st.sampled_from([0.0, 0.2]),
)
@settings(max_examples=60)
def test_each_request_settles_once_under_random_cancellation(
    count: int, limit: int, seed: int, aborts: bool, retryable: float, lost: float
) -> None:
    """Requests are submitted and cancelled at random times; none is lost, leaked or over the limit."""

    async def main() -> None:
        source = random.Random(seed)
        runtime = SimulatedRuntime(
            seed=seed, aborts=aborts, faults=Faults(retryable=retryable, lost=lost, rejected=0.1)
        )
        outcomes: list[str] = []
        async with open_scheduler(runtime, policy_limit=limit) as scheduler:

            async def one(number: int) -> None:
                await anyio.sleep(source.uniform(0, 2))
                patience = source.choice([0.05, 0.5, 1000.0])
                outcome = "cancelled"
                with anyio.move_on_after(patience):
                    try:
                        result = await scheduler.generate(request(number), order=number)
                        outcome = "result"
                        assert result.usage.generated_tokens > 0
                    except RuntimeFailure:
                        outcome = "failure"
                outcomes.append(outcome)
                assert runtime.in_flight <= limit

            async with anyio.create_task_group() as tasks:
                for number in range(count):
                    tasks.start_soon(one, number)
            lane = scheduler.statistics().generate
            assert is_balanced(lane)
            assert len(outcomes) == count
            assert lane.settled == outcomes.count("result")
            assert lane.failed == outcomes.count("failure")
            assert lane.queued == 0
            assert lane.peak_in_flight <= limit
            assert runtime.peak <= limit
        # Leaving the block ended every task that the scheduler had.
        assert len(asyncio.all_tasks()) == 1
        assert runtime.in_flight == 0

    run_virtual(main)


class Prompt(SimulatedRuntime):
    """Delivers each outcome after a few turns of the event loop, as no clock tells."""

    def __init__(self, turns: Sequence[int], *, fails: bool) -> None:
        super().__init__(aborts=False)
        self.turns = turns
        self.fails = fails

    async def generate(self, requests: Sequence[GenerateRequest], deliver: Deliver) -> None:
        async def one(sent: GenerateRequest) -> None:
            for _ in range(self.turns[sent.seed]):
                await anyio.lowlevel.checkpoint()
            result = GenerateResult(
                prefix=sent.prefix.extend("x"),
                finish=FinishReason.END,
                usage=Usage(prompt_tokens=1, generated_tokens=1),
            )
            deliver(sent, RequestRejected("no", request=sent) if self.fails and sent.seed % 2 else result)

        async with anyio.create_task_group() as tasks:
            for sent in requests:
                tasks.start_soon(one, sent)


@given(turns=st.lists(st.tuples(st.integers(0, 12), st.integers(0, 30)), min_size=1, max_size=8), fails=st.booleans())
def test_an_outcome_and_a_cancellation_may_come_at_the_same_moment(turns: list[tuple[int, int]], fails: bool) -> None:
    """Of each request the runtime delivers after some turns of the loop, and the waiter is cancelled after others."""

    async def main() -> None:
        outcomes: list[str] = []
        runtime = Prompt([turn for turn, _ in turns], fails=fails)
        async with open_scheduler(runtime, policy_limit=4) as scheduler:

            async def one(number: int, patience: int) -> None:
                outcome = "cancelled"
                async with anyio.create_task_group() as tasks:

                    async def lose_patience() -> None:
                        for _ in range(patience):
                            await anyio.lowlevel.checkpoint()
                        tasks.cancel_scope.cancel()

                    tasks.start_soon(lose_patience)
                    try:
                        await scheduler.generate(request(number), order=number)
                        outcome = "result"
                    except RequestRejected:
                        outcome = "failure"
                    assert is_balanced(scheduler.statistics().generate)
                    tasks.cancel_scope.cancel()
                outcomes.append(outcome)

            async with anyio.create_task_group() as tasks:
                for number, (_, patience) in enumerate(turns):
                    tasks.start_soon(one, number, patience)
            lane = scheduler.statistics().generate
            assert is_balanced(lane)
            # What settled in the turn in which its waiter was cancelled had been computed, and counts.
            assert lane.settled + lane.failed + lane.withdrawn + lane.aborted == len(turns)
            assert lane.settled >= outcomes.count("result")
            assert lane.failed >= outcomes.count("failure")
            assert lane.generated_tokens == lane.settled

    run_virtual(main)


def test_faults_that_pass_are_retried_and_change_no_result() -> None:
    async def texts(faults: Faults) -> tuple[list[str], int]:
        found: dict[int, str] = {}
        runtime = SimulatedRuntime(faults=faults)
        async with open_scheduler(runtime) as scheduler, anyio.create_task_group() as tasks:

            async def one(number: int) -> None:
                found[number] = (await scheduler.generate(request(number), order=number)).text

            for number in range(40):
                tasks.start_soon(one, number)
        return [found[number] for number in sorted(found)], scheduler.statistics().generate.retries

    clean, no_retries = run_virtual(lambda: texts(Faults()))
    faulty, retries = run_virtual(lambda: texts(Faults(retryable=0.15, lost=0.05)))
    assert clean == faulty
    assert no_retries == 0
    assert retries > 0


def test_a_fault_that_stays_fails_after_so_many_attempts() -> None:
    async def main() -> int:
        runtime = SimulatedRuntime(faults=Faults(retryable=1.0))
        async with open_scheduler(runtime) as scheduler:
            with pytest.raises(RetryableError):
                await scheduler.generate(request(), order=0)
        return runtime.attempts

    assert run_virtual(main) == 8


def test_a_rejection_is_not_retried() -> None:
    async def main() -> int:
        runtime = SimulatedRuntime(faults=Faults(rejected=1.0))
        async with open_scheduler(runtime) as scheduler:
            with pytest.raises(RequestRejected):
                await scheduler.generate(request(), order=0)
        return runtime.attempts

    assert run_virtual(main) == 1


def test_a_failure_of_the_whole_batch_reaches_every_request() -> None:
    class Gone(SimulatedRuntime):
        async def generate(self, requests: Sequence[GenerateRequest], deliver: Deliver) -> None:
            raise RuntimeGone("the server is gone")

    async def main() -> int:
        failures = 0
        async with open_scheduler(Gone()) as scheduler, anyio.create_task_group() as tasks:

            async def one(number: int) -> None:
                nonlocal failures
                with pytest.raises(RuntimeGone):
                    await scheduler.generate(request(number), order=0)
                failures += 1

            for number in range(5):
                tasks.start_soon(one, number)
        return failures

    assert run_virtual(main) == 5


def test_a_runtimes_own_kind_of_failure_is_retried_like_its_base() -> None:
    class Overloaded(RetryableError):
        def __init__(self, *, status: int) -> None:
            super().__init__(f"status {status}")

    class Busy(Recorder):
        busy = True

        async def generate(self, requests: Sequence[GenerateRequest], deliver: Deliver) -> None:
            if self.busy:
                self.busy = False
                raise Overloaded(status=503)
            await super().generate(requests, deliver)

    async def main() -> GenerateResult:
        async with open_scheduler(Busy()) as scheduler:
            return await scheduler.generate(request(), order=0)

    assert run_virtual(main).text


def test_a_defect_of_a_runtime_is_not_hidden() -> None:
    class Broken(SimulatedRuntime):
        async def generate(self, requests: Sequence[GenerateRequest], deliver: Deliver) -> None:
            raise ZeroDivisionError

    async def main() -> None:
        async with open_scheduler(Broken()) as scheduler:
            await scheduler.generate(request(), order=0)

    with pytest.raises(ExceptionGroup) as raised:
        run_virtual(main)
    assert raised.group_contains(ZeroDivisionError, depth=None)


def test_cancelling_in_flight_aborts_on_the_runtime() -> None:
    async def main() -> tuple[int, int, float]:
        runtime = SimulatedRuntime(world=World(median_step_tokens=10_000))
        async with open_scheduler(runtime) as scheduler:
            with anyio.move_on_after(0.5):
                await scheduler.generate(GenerateRequest(prefix=Prefix("p"), seed=0, max_new_tokens=10**6), order=0)
            with anyio.move_on_after(0.01):
                await anyio.sleep_forever()
            return runtime.in_flight, scheduler.statistics().generate.aborted, anyio.current_time()

    in_flight, aborted, now = run_virtual(main)
    assert (in_flight, aborted) == (0, 1)
    assert now < 1


def test_an_aborted_request_holds_its_place_until_the_runtime_lets_go() -> None:
    """A runtime that cannot abort still works on what nobody waits for: the limit counts it."""

    async def main() -> int:
        runtime = SimulatedRuntime(aborts=False)
        async with open_scheduler(runtime, policy_limit=2) as scheduler, anyio.create_task_group() as tasks:
            for number in range(30):

                async def one(number: int = number) -> None:
                    with anyio.move_on_after(0.02 * number):
                        await scheduler.generate(request(number), order=number)

                tasks.start_soon(one)
        return runtime.peak

    assert run_virtual(main) <= 2


def test_both_lanes_overlap_and_count_tokens() -> None:
    async def main() -> None:
        runtime = SimulatedRuntime()
        async with open_scheduler(runtime, runtime) as scheduler:
            prefix = Prefix("problem").extend("Step 1")
            score = ScoreRequest(reads=(prefix,), readout=TokenLabels(good="+", bad="-"))
            generated = await scheduler.generate(request(), order=0)
            scored = await scheduler.score(score, order=0)
            statistics = scheduler.statistics()
            assert statistics.generate.generated_tokens == generated.usage.generated_tokens
            assert statistics.score.prompt_tokens == scored.usage.prompt_tokens
            assert statistics.score.settled == 1
            assert 0 < statistics.score.idle_seconds < anyio.current_time()

    run_virtual(main)


def test_a_closed_scheduler_refuses() -> None:
    async def main() -> None:
        async with open_scheduler(SimulatedRuntime()) as scheduler:
            kept: Scheduler = scheduler
        with pytest.raises(RuntimeGone):
            await kept.generate(request(), order=0)

    run_virtual(main)


def test_a_slow_request_holds_up_no_fast_one() -> None:
    """The results of one batch arrive one by one."""

    class TwoSpeeds:
        capabilities = Capabilities(model="two", honours_seeds=True, aborts=True, largest_batch=8)

        async def generate(self, requests: Sequence[GenerateRequest], deliver: Deliver) -> None:
            for sent in sorted(requests, key=lambda sent: sent.seed):
                await anyio.sleep(1 + 99 * sent.seed)
                deliver(
                    sent,
                    GenerateResult(
                        prefix=sent.prefix.extend("x"),
                        finish=FinishReason.END,
                        usage=Usage(prompt_tokens=1, generated_tokens=1),
                    ),
                )

        async def abort(self, requests: Sequence[Request]) -> None:
            pass

    async def main() -> list[float]:
        times: list[float] = []
        async with open_scheduler(TwoSpeeds()) as scheduler, anyio.create_task_group() as tasks:  # type: ignore[arg-type]
            for number in (1, 0):

                async def one(number: int = number) -> None:
                    await scheduler.generate(request(number), order=0)
                    times.append(anyio.current_time())

                tasks.start_soon(one)
        return times

    assert run_virtual(main) == [pytest.approx(1), pytest.approx(101)]


def test_the_virtual_clock_tells_a_deadlock() -> None:
    with pytest.raises(Deadlock):
        run_virtual(anyio.Event().wait)
