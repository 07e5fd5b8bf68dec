"""Where problems come from: files of them, and the arithmetic set that ships here."""

from asyncsearch.datasets.jsonl import load_problems

__all__ = ["load_problems"]
