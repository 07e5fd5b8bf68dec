"""Where problems come from: files of them, a hub, and the sets that ship here."""

from asyncsearch.datasets.arithmetic import bundled_model
from asyncsearch.datasets.loading import load_problems

__all__ = ["bundled_model", "load_problems"]
