"""Python functions in the place of models."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from random import Random
from types import TracebackType
from typing import Any, Self, TypeAlias

import anyio
from anyio import to_thread

from runtimes.base import (
    Capabilities,
    Deliver,
    FinishReason,
    GenerateRequest,
    GenerateResult,
    Prefix,
    Request,
    RequestAborted,
    RequestRejected,
    Result,
    RuntimeFailure,
    RuntimeGone,
    ScoreRequest,
    ScoreResult,
    Usage,
)

__all__ = ["FunctionPolicy", "FunctionReward", "PolicyFunction", "RewardFunction", "policy_named", "reward_named"]

PolicyFunction: TypeAlias = Callable[[str, Sequence[str], Random], str | Awaitable[str | None] | None]
"""Given the problem, a solution's steps so far and a source of chance, the next step; None where there is no more."""

RewardFunction: TypeAlias = Callable[[str, Sequence[str]], Sequence[float] | Awaitable[Sequence[float]]]
"""Given the problem and a solution's steps, one score in [0, 1] per step."""

_CALLS_AT_A_TIME = 64


class _FunctionRuntime:
    """Calls a function once or more a request. One that is not asynchronous runs on a worker thread."""

    def __init__(self, function: Callable[..., Any], capabilities: Capabilities) -> None:
        self.capabilities = capabilities
        self._function = function
        self._scopes: dict[Request, anyio.CancelScope] = {}

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.capabilities.model})"

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        pass

    async def generate(self, requests: Sequence[GenerateRequest], deliver: Deliver) -> None:
        """A function that scores generates nothing.

        Raises:
            RuntimeGone: always.
        """
        raise RuntimeGone(f"{self!r} is a reward function, which generates nothing")

    async def score(self, requests: Sequence[ScoreRequest], deliver: Deliver) -> None:
        """A function that generates scores nothing.

        Raises:
            RuntimeGone: always.
        """
        raise RuntimeGone(f"{self!r} is a policy function, which scores nothing")

    async def abort(self, requests: Sequence[Request]) -> None:
        """See `runtimes.base.Runtime.abort`. A call on a thread goes on; nobody waits for it."""
        for request in requests:
            if (scope := self._scopes.get(request)) is not None:
                scope.cancel()

    async def _answer_all(
        self, requests: Sequence[Request], answer: Callable[[Any], Coroutine[Any, Any, Result]], deliver: Deliver
    ) -> None:
        async with anyio.create_task_group() as tasks:
            for request in requests:
                tasks.start_soon(self._answer, request, answer, deliver)

    async def _answer(
        self, request: Request, answer: Callable[[Any], Coroutine[Any, Any, Result]], deliver: Deliver
    ) -> None:
        scope = self._scopes[request] = anyio.CancelScope()
        outcome: Result | RuntimeFailure = RequestAborted("aborted", request=request)
        try:
            with scope:
                outcome = await answer(request)
        except RequestRejected as rejected:
            outcome = rejected
        except Exception as error:  # noqa: BLE001 - the function is anybody's code; its error is this node's
            outcome = RequestRejected(f"{self!r} raised {type(error).__name__}: {error}", request=request)
        finally:
            del self._scopes[request]
        deliver(request, outcome)

    async def _call(self, *arguments: Any) -> Any:
        if inspect.iscoroutinefunction(self._function):
            return await self._function(*arguments)
        found = await to_thread.run_sync(self._function, *arguments, abandon_on_cancel=True)
        return await found if inspect.isawaitable(found) else found


class FunctionPolicy(_FunctionRuntime):
    """Generates steps with a function, which may be asynchronous; one that is not runs on a worker thread.

    What it raises fails the node that was to be generated, and no other. It is shown problem and steps as they are,
    and begins each step itself as the policy format says. A token of it is a word.

    Args:
        function: given the problem's text, all of a solution's steps so far, and a source of chance that is the same
            for the same draw, gives the next step, or None where the solution has ended.
        calls_at_a_time: how many calls are useful in flight.
    """

    def __init__(self, function: PolicyFunction, *, calls_at_a_time: int = _CALLS_AT_A_TIME) -> None:
        super().__init__(
            function,
            Capabilities(
                model=_name_of(function),
                honours_seeds=True,
                aborts=True,
                largest_batch=calls_at_a_time,
                output_rows=None,
            ),
        )

    async def generate(self, requests: Sequence[GenerateRequest], deliver: Deliver) -> None:
        """See `runtimes.base.Runtime.generate`."""
        await self._answer_all(requests, self._write, deliver)

    async def _write(self, request: GenerateRequest) -> GenerateResult:
        """One step where there is something to stop before, and else all that are left."""
        problem, *steps = _texts_of(request.prefix)
        random = Random(request.seed if request.temperature else 0)
        text, words = "", 0
        finish = FinishReason.STOP
        while not (text and request.stop):
            step = await self._call(problem, tuple(steps), random)
            if step is None:
                finish = FinishReason.END
                break
            if not isinstance(step, str):
                raise RequestRejected(f"{self!r} gave {step!r}; wanted is a text, or None", request=request)
            words += len(step.split())
            if words > request.max_new_tokens:
                words, finish = request.max_new_tokens, FinishReason.LENGTH
                break
            steps.append(step.strip())
            text += step.strip() + "\n"
        usage = Usage(generated_tokens=words)
        return GenerateResult(prefix=request.prefix.extend(text), finish=finish, usage=usage)


class FunctionReward(_FunctionRuntime):
    """Scores steps with a function, which may be asynchronous; one that is not runs on a worker thread.

    What it raises fails the node that was to be scored, and no other. It is shown problem and steps as they are: the
    reward format has to be left to be recognised.

    Args:
        function: given the problem's text and all of a solution's steps so far, gives a score in [0, 1] for each.
        calls_at_a_time: how many calls are useful in flight.
    """

    def __init__(self, function: RewardFunction, *, calls_at_a_time: int = _CALLS_AT_A_TIME) -> None:
        super().__init__(
            function,
            Capabilities(
                model=_name_of(function),
                honours_seeds=True,
                aborts=True,
                largest_batch=calls_at_a_time,
                output_rows=1,
                reward_format="classifier",
            ),
        )

    async def score(self, requests: Sequence[ScoreRequest], deliver: Deliver) -> None:
        """See `runtimes.base.Runtime.score`."""
        await self._answer_all(requests, self._judge, deliver)

    async def _judge(self, request: ScoreRequest) -> ScoreResult:
        problem, *steps = _texts_of(request.prefix)
        scores = await self._call(problem, steps)
        wanted = tuple(float(score) for score in scores)[len(steps) - len(request.reads) :]
        if len(scores) != len(steps):
            raise RequestRejected(f"{self!r} gave {len(scores)} scores for {len(steps)} steps", request=request)
        return ScoreResult(scores=wanted, usage=Usage())


def policy_named(address: str) -> FunctionPolicy:
    """The policy of a function by ``MODULE:NAME``, which is imported.

    Raises:
        RuntimeGone: there is none.
    """
    return FunctionPolicy(_function_named(address))


def reward_named(address: str) -> FunctionReward:
    """The reward model of a function, likewise."""
    return FunctionReward(_function_named(address))


def _function_named(address: str) -> Callable[..., Any]:
    module, _, name = address.partition(":")
    try:
        function = getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError, ValueError) as error:
        raise RuntimeGone(f"{address!r} names no function, as MODULE:NAME would: {error}") from error
    if not callable(function):
        raise RuntimeGone(f"{address!r} is no function")
    return function  # type: ignore[no-any-return]


def _name_of(function: Callable[..., Any]) -> str:
    return getattr(function, "__qualname__", None) or repr(function)


def _texts_of(prefix: Prefix) -> list[str]:
    """The problem and the steps."""
    return [segment.text.strip() for segment in reversed([*prefix.segments()])]
