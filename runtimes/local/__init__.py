"""Hugging Face models in this process: the embedded default. Needs the ``local`` extra (torch, transformers)."""

from runtimes.local.loading import ModelLoadError
from runtimes.local.runtime import LocalRuntime

__all__ = ["LocalRuntime", "ModelLoadError"]
