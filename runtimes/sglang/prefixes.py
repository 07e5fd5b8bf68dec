"""What a server has in its cache, as far as its client can know."""

from __future__ import annotations

from collections.abc import Iterable
from weakref import WeakSet

import anyio

from runtimes.base import Prefix, RuntimeFailure
from runtimes.http import JsonSession
from runtimes.sglang.messages import classify_body, prefill_body, read_prompt_tokens, read_usage
from runtimes.sglang.server import Server

__all__ = ["ServerPrefixes"]


class ServerPrefixes:
    """The prefixes that a server has computed, and the computing of one ahead of what continues it.

    A server forgets what has not been used for long, and everything when it is started again; it tells nobody.
    """

    def __init__(self, session: JsonSession, server: Server) -> None:
        self._session = session
        self._server = server
        self._held: WeakSet[Prefix] = WeakSet()
        self._under_way: dict[Prefix, anyio.Event] = {}

    def __contains__(self, prefix: Prefix) -> bool:
        return prefix in self._held

    def add(self, prefixes: Iterable[Prefix]) -> None:
        """The server has computed these."""
        self._held.update(prefixes)

    def clear(self) -> None:
        """The server has forgotten everything."""
        self._held.clear()

    def tokens_held(self, prefix: Prefix) -> int:
        """How many tokens from a prefix's beginning on the server need not compute; it always computes the last."""
        tokens = self._server.tokens
        held = next((segment for segment in prefix.segments() if segment in self._held), None)
        if held is None:
            return 0
        return len(tokens.of(held)) - (held is prefix)

    async def compute(self, prefix: Prefix) -> int:
        """Have a prefix computed that several requests are about to continue, unless the server holds it.

        Sequences whose prompts are computed in one batch do not share them, so it has to be done before. A failure
        is passed over: the requests themselves will meet with the same, and say so.

        Returns:
            The tokens that were computed.
        """
        if prefix in self._held:
            return 0
        if (done := self._under_way.get(prefix)) is not None:
            await done.wait()
            return 0
        done = self._under_way[prefix] = anyio.Event()
        try:
            computed = await self._compute(prefix)
        except RuntimeFailure:
            return 0
        finally:
            del self._under_way[prefix]
            done.set()
        self._held.add(prefix)
        return computed

    async def _compute(self, prefix: Prefix) -> int:
        tokens = self._server.checked(self._server.tokens.of(prefix))
        if self._server.has_head:
            held = self.tokens_held(prefix)
            (answer,) = await self._session.post("/classify", classify_body([tokens], None))
            return read_prompt_tokens(answer) - held
        prompt_tokens, cached_tokens = read_usage(await self._session.post("/generate", prefill_body(tokens)))
        return prompt_tokens - cached_tokens
