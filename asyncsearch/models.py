"""Models by name: runtimes are opened from what a user writes."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from pathlib import Path

from asyncsearch.datasets.arithmetic import BUNDLED_MODELS, bundled_model
from asyncsearch.errors import ConfigurationError, ModelError
from asyncsearch.plugins import RUNTIMES, load_plugin, suggestion
from runtimes.base import Capabilities, ModelSize, Runtime, RuntimeFailure

__all__ = ["open_runtime", "size_of"]

_BUNDLED = "bundled"


@asynccontextmanager
async def open_runtime(runtime: Runtime | str) -> AsyncIterator[Runtime]:
    """Open a runtime, or the one that ``NAME:ADDRESS`` says; a directory alone is a local model.

    ``bundled:policy`` is a local model that ships, see `bundled_model`.

    Raises:
        ConfigurationError: the name is unknown.
        ModelError: what it names cannot be opened.
    """
    async with AsyncExitStack() as stack:
        try:
            opened = await stack.enter_async_context(_runtime_named(runtime) if isinstance(runtime, str) else runtime)
        except RuntimeFailure as error:
            raise ModelError(str(error)) from error
        yield opened


def size_of(model: Capabilities | None, *, parameters: float | None = None) -> ModelSize | None:
    """What a model's tokens cost, None if unknown; ``parameters`` that are given win over its configuration."""
    known = None if model is None else model.size
    if parameters is None or model is None:
        return known
    return replace(known or ModelSize(parameters=0), parameters=int(parameters))


def _runtime_named(text: str) -> Runtime:
    name, colon, address = text.partition(":")
    if name == _BUNDLED:
        if address not in BUNDLED_MODELS:
            raise ConfigurationError(f"no model {address!r} ships; {suggestion(address, [*BUNDLED_MODELS])}")
        name, address = "local", str(bundled_model(address))
    if not colon and Path(text).is_dir():
        name, address = "local", text
    elif not (name and address):
        raise ConfigurationError(f"{text!r} names no model; write NAME:ADDRESS, as in local:DIRECTORY")
    made: Runtime = load_plugin(RUNTIMES, name, "runtime")(address)
    return made
