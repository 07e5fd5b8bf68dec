"""SGLang servers by their addresses."""

from __future__ import annotations

import os

from runtimes.base import RuntimeGone
from runtimes.pool import RuntimePool
from runtimes.sglang.runtime import SglangRuntime

__all__ = ["API_KEY_VARIABLE", "sglang_servers"]

API_KEY_VARIABLE = "ASYNCSEARCH_API_KEY"
"""The environment variable that holds the servers' key, where they want one."""


def sglang_servers(addresses: str) -> RuntimePool:
    """One runtime over the servers at some addresses, separated by commas; one may be an sglang-router.

    A key is taken from the environment, see `API_KEY_VARIABLE`.

    Raises:
        RuntimeGone: there is no address.
    """
    api_key = os.environ.get(API_KEY_VARIABLE)
    servers = [address.strip() for address in addresses.split(",") if address.strip()]
    if not servers:
        raise RuntimeGone(f"{addresses!r} names no server; write sglang:http://127.0.0.1:30000")
    return RuntimePool([SglangRuntime(_with_scheme(address), api_key=api_key) for address in servers])


def _with_scheme(address: str) -> str:
    return address if "://" in address else f"http://{address}"
