"""Where problems come from: files of them, and the arithmetic set that ships here."""

from asyncsearch.datasets.arithmetic import bundled_model
from asyncsearch.datasets.jsonl import load_problems

__all__ = ["bundled_model", "load_problems"]
