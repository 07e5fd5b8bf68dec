"""The pool of servers, where a server goes away at the worst of moments."""

from __future__ import annotations

from collections.abc import Sequence
from types import TracebackType
from typing import Self

import anyio
import anyio.lowlevel
import pytest
from outcomes import Outcomes

from runtimes.base import (
    Capabilities,
    Deliver,
    FinishReason,
    GenerateRequest,
    GenerateResult,
    Load,
    Prefix,
    Request,
    ScoreRequest,
    ServerUnreachable,
    Usage,
)
from runtimes.pool import RuntimePool
from runtimes.simulated import SimulatedRuntime

pytestmark = pytest.mark.anyio


class ComesAndGoes:
    """A server that is away at first, comes back when it is probed, and goes ``steps`` later for one more time."""

    address = "http://127.0.0.1:1"

    def __init__(self, steps: int) -> None:
        self._steps = steps
        self._probed = anyio.Event()
        self.probes = 0

    @property
    def capabilities(self) -> Capabilities:
        return SimulatedRuntime().capabilities

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        pass

    async def probe(self) -> str:
        self.probes += 1
        self._probed.set()
        return self.capabilities.model

    async def generate(self, requests: Sequence[GenerateRequest], deliver: Deliver) -> None:
        for request in requests:
            if request.seed == 0 and not self.probes:
                deliver(request, ServerUnreachable("away", request=request))
            elif request.seed == 1 and self.probes < 2:
                await self._probed.wait()
                for _ in range(self._steps):
                    await anyio.lowlevel.checkpoint()
                deliver(request, ServerUnreachable("away again", request=request))
            else:
                usage = Usage(prompt_tokens=1, generated_tokens=1)
                deliver(
                    request, GenerateResult(prefix=request.prefix.extend("a"), finish=FinishReason.LENGTH, usage=usage)
                )

    async def score(self, requests: Sequence[ScoreRequest], deliver: Deliver) -> None:
        raise NotImplementedError

    async def abort(self, requests: Sequence[Request]) -> None:
        pass


class Busy(ComesAndGoes):
    """A server that says how busy it is, unless it is gone."""

    def __init__(self, load: Load | None, *, is_gone: bool = False) -> None:
        super().__init__(0)
        self._load, self._is_gone = load, is_gone

    async def load(self) -> Load | None:
        if self._is_gone:
            raise ServerUnreachable("gone")
        return self._load


async def test_a_pool_is_as_busy_as_those_of_its_servers_that_are_there() -> None:
    busy = [Busy(Load(3, 1)), Busy(Load(9, 9), is_gone=True), Busy(Load(4, 2))]
    async with RuntimePool(busy) as pool:
        assert await pool.load() == Load(7, 3)
    async with RuntimePool([*busy, Busy(None)]) as pool:
        assert await pool.load() is None, "of one that does not say"
    async with RuntimePool([*busy, ComesAndGoes(0)]) as pool:
        assert await pool.load() is None, "of one that cannot"


@pytest.mark.parametrize("steps", range(12))
async def test_a_server_that_is_gone_again_at_once_is_waited_for(steps: int) -> None:
    outcomes = Outcomes()
    server = ComesAndGoes(steps)
    requests = [GenerateRequest(prefix=Prefix("problem"), seed=seed, max_new_tokens=1) for seed in (1, 0)]
    async with RuntimePool([server], probe_seconds=0.0) as pool, anyio.create_task_group() as tasks:
        for request in requests:
            tasks.start_soon(pool.generate, [request], outcomes.deliver)
    assert server.probes == 2
    assert [outcomes.generated(request).text for request in requests] == ["a", "a"]
