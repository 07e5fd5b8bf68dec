"""Hugging Face models in this process: the embedded default. Needs the ``local`` extra (torch, transformers)."""

import os

# PyTorch's threads wait for their next piece of work by spinning, by default so long that two processes that share
# their cores take five times as long as they need. Waiting this long costs a process alone nothing. It is read when
# PyTorch is loaded.
os.environ.setdefault("GOMP_SPINCOUNT", "5000")

from runtimes.local.loading import ModelLoadError
from runtimes.local.runtime import LocalRuntime

__all__ = ["LocalRuntime", "ModelLoadError"]
