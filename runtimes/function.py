"""A Python function in a reward model's place."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Sequence
from types import TracebackType
from typing import Any, Self, cast

import anyio
from anyio import to_thread

from runtimes.base import (
    Capabilities,
    Deliver,
    GenerateRequest,
    Request,
    RequestAborted,
    RequestRejected,
    RuntimeGone,
    ScoreRequest,
    ScoreResult,
    Usage,
)

__all__ = ["FunctionReward", "RewardFunction"]

RewardFunction = Callable[[str, Sequence[str]], Sequence[float] | Awaitable[Sequence[float]]]
"""Given the problem and a solution's steps, one score in [0, 1] per step."""

_CALLS_AT_A_TIME = 64


class FunctionReward:
    """Scores steps with a function, which may be asynchronous; one that is not runs on a worker thread.

    What it raises fails the node that was to be scored, and no other. It is shown problem and steps as they are: the
    reward format has to be left to be recognised.

    Args:
        function: given the problem's text and all of a solution's steps so far, gives a score in [0, 1] for each.
        calls_at_a_time: how many calls are useful in flight.
    """

    def __init__(self, function: RewardFunction, *, calls_at_a_time: int = _CALLS_AT_A_TIME) -> None:
        self._function = function
        self._scopes: dict[Request, anyio.CancelScope] = {}
        self.capabilities = Capabilities(
            model=getattr(function, "__qualname__", repr(function)),
            honours_seeds=True,
            aborts=True,
            largest_batch=calls_at_a_time,
            output_rows=1,
            reward_format="classifier",
        )

    def __repr__(self) -> str:
        return f"FunctionReward({self.capabilities.model})"

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        pass

    async def generate(self, requests: Sequence[GenerateRequest], deliver: Deliver) -> None:
        """A function generates nothing.

        Raises:
            RuntimeGone: always.
        """
        raise RuntimeGone(f"{self!r} is a reward function, which generates nothing")

    async def score(self, requests: Sequence[ScoreRequest], deliver: Deliver) -> None:
        """See `runtimes.base.Runtime.score`."""
        async with anyio.create_task_group() as tasks:
            for request in requests:
                tasks.start_soon(self._score, request, deliver)

    async def abort(self, requests: Sequence[Request]) -> None:
        """See `runtimes.base.Runtime.abort`. A call on a thread goes on; nobody waits for it."""
        for request in requests:
            if (scope := self._scopes.get(request)) is not None:
                scope.cancel()

    async def _score(self, request: ScoreRequest, deliver: Deliver) -> None:
        problem, *steps = (segment.text.strip() for segment in reversed([*request.prefix.segments()]))
        scope = self._scopes[request] = anyio.CancelScope()
        try:
            with scope:
                scores = await self._call(problem, steps)
                wanted = tuple(float(score) for score in scores)[len(steps) - len(request.reads) :]
                if len(scores) != len(steps):
                    message = f"{self!r} gave {len(scores)} scores for {len(steps)} steps"
                    deliver(request, RequestRejected(message, request=request))
                else:
                    deliver(request, ScoreResult(scores=wanted, usage=Usage()))
                return
            deliver(request, RequestAborted("aborted", request=request))
        except Exception as error:  # noqa: BLE001 - the function is anybody's code; its error is this node's
            message = f"{self!r} raised {type(error).__name__}: {error}"
            deliver(request, RequestRejected(message, request=request))
        finally:
            del self._scopes[request]

    async def _call(self, problem: str, steps: Sequence[str]) -> Sequence[float]:
        function: Callable[[str, Sequence[str]], Any] = self._function
        if inspect.iscoroutinefunction(function):
            found = await function(problem, steps)
        else:
            found = await to_thread.run_sync(function, problem, steps, abandon_on_cancel=True)
            if inspect.isawaitable(found):
                found = await found
        return cast("Sequence[float]", found)
