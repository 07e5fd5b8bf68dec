"""One long-lived HTTP session with a model server that speaks JSON."""

from __future__ import annotations

import re
from types import TracebackType
from typing import Any, Self

import aiohttp
import orjson

from runtimes.base import RequestRejected, RetryableError, RuntimeGone, ServerUnreachable

__all__ = ["JsonSession", "split_addresses"]

_CONNECT_SECONDS = 10.0
_LONGEST_WORDS = 300
_RUNTIME_NAME = re.compile(r"^(sglang|openai):(?!//|\d+$)")
_REJECTED = frozenset({400, 413, 422})
_FORBIDDEN = frozenset({401, 403})
_OVERLOADED = frozenset({408, 425, 429})


class JsonSession:
    """Asks one server, and tells its failures apart as `runtimes.base` does.

    Args:
        address: of the server, as ``http://127.0.0.1:30000``.
        api_key: sent as a bearer token; never shown.
        deadline_seconds: after which an answer is given up.
    """

    def __init__(self, address: str, *, api_key: str | None = None, deadline_seconds: float = 600.0) -> None:
        self.address = address.rstrip("/")
        self._headers = {} if api_key is None else {"Authorization": f"Bearer {api_key}"}
        self._deadline_seconds = deadline_seconds
        self._session: aiohttp.ClientSession | None = None

    def __repr__(self) -> str:
        return f"JsonSession({self.address!r})"

    async def __aenter__(self) -> Self:
        # The scheduler bounds what is in flight; a second bound here would hide requests from the server's queue.
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0),
            headers=self._headers,
            timeout=aiohttp.ClientTimeout(total=self._deadline_seconds, sock_connect=_CONNECT_SECONDS),
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    async def get(self, path: str) -> Any:
        """The JSON value that a path answers with; errors and cancellation as in `post`."""
        return await self._ask("GET", path, None)

    async def post(self, path: str, body: Any) -> Any:
        """Send a JSON value and return the one that comes back, None where the answer is empty.

        Raises:
            ServerUnreachable: the connection was refused or broke.
            RetryableError: the server is overloaded or failed, took too long, or its answer is no JSON.
            RequestRejected: the server refuses this request; the message has its words.
            RuntimeGone: the server is none of the expected kind, or wants another key.

        Cancellation hangs up.
        """
        return await self._ask("POST", path, orjson.dumps(body))

    async def _ask(self, method: str, path: str, body: bytes | None) -> Any:
        if self._session is None:
            raise RuntimeGone(f"{self!r} is not open: use 'async with'")
        where = f"{self.address}{path}"
        headers = {} if body is None else {"Content-Type": "application/json"}
        try:
            async with self._session.request(method, where, data=body, headers=headers) as response:
                status, answer = response.status, await response.read()
        except aiohttp.ConnectionTimeoutError as error:
            raise ServerUnreachable(f"{where} cannot be reached: no connection in {_CONNECT_SECONDS:g} s") from error
        except TimeoutError as error:
            raise RetryableError(f"{where} gave no answer in {self._deadline_seconds:g} s") from error
        except aiohttp.InvalidURL as error:
            raise RuntimeGone(f"{self.address!r} is no address of a server, as http://127.0.0.1:30000 is") from error
        except aiohttp.ClientConnectionError as error:
            reason = error.strerror if isinstance(error, OSError) and error.strerror else error
            raise ServerUnreachable(f"{where} cannot be reached: {reason}") from error
        except aiohttp.ClientError as error:  # a body cut short, above all
            raise RetryableError(f"{where} broke off its answer: {error}") from error
        if not 200 <= status < 300:
            raise _failure(where, status, answer)
        if not answer:
            return None
        try:
            value = orjson.loads(answer)
        except orjson.JSONDecodeError as error:
            raise RetryableError(f"{where} answered with something that is no JSON: {_short(answer)!r}") from error
        if isinstance(value, dict) and value.get("error"):  # found out too late for the status to say so
            told = value["error"].get("code") if isinstance(value["error"], dict) else None
            raise _failure(where, told if isinstance(told, int) else 500, answer)
        return value


def split_addresses(addresses: str) -> list[str]:
    """Servers' addresses, separated by commas; one without a scheme is taken for http.

    Each may have the runtime's name before it, as the first of them has it in front of all.

    Raises:
        RuntimeGone: there is none.
    """
    found = [_RUNTIME_NAME.sub("", address.strip()).rstrip("/") for address in addresses.split(",") if address.strip()]
    if not found:
        raise RuntimeGone(f"{addresses!r} names no server; write one as http://127.0.0.1:30000")
    return [address if "://" in address else f"http://{address}" for address in found]


def _failure(where: str, status: int, answer: bytes) -> Exception:
    words = f"{where} answered {status}: {_words(answer)}"
    if status in _REJECTED:
        return RequestRejected(words)
    if status in _OVERLOADED or status >= 500:
        return RetryableError(words)
    if status in _FORBIDDEN:
        return RuntimeGone(f"{words} (is the API key right?)")
    return RuntimeGone(words)


def _words(answer: bytes) -> str:
    """What an error's body says. Servers have at least four ways to put it."""
    try:
        record = orjson.loads(answer)
    except orjson.JSONDecodeError:
        return _short(answer)
    while isinstance(record, dict):
        record = next((record[key] for key in ("error", "message", "detail") if key in record), str(record))
    return str(record)[:_LONGEST_WORDS]


def _short(answer: bytes) -> str:
    return answer[:_LONGEST_WORDS].decode("utf-8", "replace")
