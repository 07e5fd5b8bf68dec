"""SGLang servers, as the package index gives them: a client of their native API."""

from runtimes.sglang.runtime import SglangRuntime
from runtimes.sglang.servers import sglang_servers

__all__ = ["SglangRuntime", "sglang_servers"]
