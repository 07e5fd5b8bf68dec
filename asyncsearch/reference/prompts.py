"""Where in the reference's texts the problem ends and the solution begins."""

from __future__ import annotations

from asyncsearch.format import FORMATS

__all__ = ["problem_of", "solution_of"]

_PROBLEM = "{problem}"
_INSTRUCTION = f"\n{FORMATS['boxed'].system}"
"""What ``hf_score.py`` looks for behind the problem."""

_PROMPTS = (FORMATS["metamath"].prompt, f"{_PROBLEM}{_INSTRUCTION}", f"{_PROBLEM}\n")
"""What ``sgl_baseline.py`` and whoever goes on from it make of a problem, GSM8K's for one."""


def problem_of(question: str) -> str:
    """The problem in a ``question``, which is the prompt where the baseline wrote it."""
    for prompt in _PROMPTS:
        before, after = prompt.split(_PROBLEM)
        if len(question) > len(before + after) and question.startswith(before) and question.endswith(after):
            return question[len(before) : len(question) - len(after)]
    return question


def solution_of(text: str, question: str) -> str:
    """A ``text`` without the prompt, which is in front where the reference wrote it."""
    return text.removeprefix(question).removeprefix(_INSTRUCTION)
