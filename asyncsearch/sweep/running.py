"""Running a sweep, model after model."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from pathlib import Path

from asyncsearch.comparison import Row, Spectator, compare
from asyncsearch.models import open_runtime
from asyncsearch.problem import Problem
from asyncsearch.run_directory import Resumption, locked, unwritable
from asyncsearch.sweep.plan import SweepModel
from runtimes.base import Runtime

__all__ = ["run_sweep"]


async def run_sweep(
    models: Sequence[SweepModel],
    problems: Sequence[Problem],
    *,
    directory: Path,
    resumption: Resumption | None = None,
    spectator: Spectator,
    ready: Callable[[], None] = lambda: None,
) -> list[list[Row]]:
    """Run all strategies of one model at all widths at once, over one scheduler, then those of the next.

    Each model's runs are written to a directory of its name in ``directory``. A reward model that several have is
    opened once. ``ready`` is called when the first run is about to begin or to go on.

    Returns:
        The rows of each model.

    Raises:
        UserError: as `compare`.

    Cancellation ends what runs; what was solved stays in its directory.
    """
    rows: list[list[Row]] = []
    rewards: dict[str, Runtime] = {}
    is_held = False

    def begin() -> None:
        nonlocal is_held
        if not is_held:  # also while nothing runs, between one model and the next
            try:
                stack.enter_context(locked(directory))
            except OSError as error:
                raise unwritable(directory, error) from error
            is_held = True
        ready()

    async with AsyncExitStack() as stack:
        for number, model in enumerate(models, 1):
            spectator.note(f"model {model.name}, {number} of {len(models)}")
            if any(entry.strategy.scored for entry in model.entries) and model.reward not in rewards:
                rewards[model.reward] = await stack.enter_async_context(open_runtime(model.reward))
            rows.append(
                await compare(
                    problems,
                    model.entries,
                    policy=model.policy,
                    reward=rewards.get(model.reward),
                    directory=directory / model.name,
                    options=model.options,
                    resumption=resumption,
                    together=True,
                    in_sweep=True,
                    spectator=spectator,
                    ready=begin,
                )
            )
    return rows
