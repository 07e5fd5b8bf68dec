"""SGLang servers by their addresses."""

from __future__ import annotations

import os

from runtimes.http import split_addresses
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
    return RuntimePool([SglangRuntime(address, api_key=api_key) for address in split_addresses(addresses)])
