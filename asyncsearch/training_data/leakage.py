"""Whether what is learned from holds problems that are tested on."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from asyncsearch.errors import ConfigurationError
from asyncsearch.problem import Problem

__all__ = ["NEAR", "Leak", "Leakage", "normalised"]

NEAR = 0.5
"""The share of a test problem's word sequences from which on another text is a near duplicate of it."""

_SEQUENCE = 5
_FEWEST = 4
"""Sequences that a problem must have for others to be like it: what is shorter says what many do."""

_WORD = re.compile(r"\w+|[^\w\s]")
_PUNCTUATION = frozenset(".,;:!?'\"()$")


@dataclass(frozen=True, slots=True)
class Leak:
    """A test problem in a text: ``overlap`` is the share of its word sequences that the text has, 1 if it is the same.

    ``exact`` is whether the texts are the same but for capitals, white space and punctuation.
    """

    problem: str
    overlap: float
    exact: bool


class Leakage:
    """Tells texts that are test problems, or nearly.

    Near means that of the sequences of five words in the test problem so many are in the text, in any order: the text
    may have more around them. Numbers are words: the same story with other numbers has most of its sequences
    changed. A problem of fewer than eight words is only found where it is the same.
    """

    def __init__(self, problems: Iterable[Problem], *, near: float = NEAR) -> None:
        """Read the test problems; ``near`` is the share of sequences, above 0 up to 1.

        Raises:
            ConfigurationError: it is not.
        """
        if not 0 < near <= 1:
            raise ConfigurationError(f"a near duplicate has a share above 0 and up to 1 in common, not {near}")
        self._near = near
        self._exact: dict[str, str] = {}
        self._holders: dict[int, list[int]] = {}
        self._names: list[str] = []
        self._sizes: list[int] = []
        for problem in problems:
            words = _words(problem.text)
            self._exact.setdefault(" ".join(words), problem.id)
            found = _sequences(words)
            for sequence in found if len(found) >= _FEWEST else ():
                self._holders.setdefault(sequence, []).append(len(self._names))
            self._names.append(problem.id)
            self._sizes.append(len(found))

    def __len__(self) -> int:
        """How many test problems there are."""
        return len(self._names)

    def of(self, text: str) -> Leak | None:
        """The test problem that a text is or nearly is, the most alike of several; None if it is none."""
        words = _words(text)
        if (same := self._exact.get(" ".join(words))) is not None:
            return Leak(same, 1.0, exact=True)
        shared = Counter(holder for sequence in _sequences(words) for holder in self._holders.get(sequence, ()))
        overlaps = {holder: count / self._sizes[holder] for holder, count in shared.items()}
        if not overlaps:
            return None
        likest = max(overlaps, key=lambda holder: overlaps[holder])
        return Leak(self._names[likest], overlaps[likest], exact=False) if overlaps[likest] >= self._near else None


def normalised(text: str) -> str:
    """A text without what does not tell problems apart: capitals, white space, punctuation."""
    return " ".join(_words(text))


def _words(text: str) -> list[str]:
    return [word for word in _WORD.findall(text.casefold()) if word not in _PUNCTUATION]


def _sequences(words: list[str]) -> set[int]:
    return {hash(tuple(words[at : at + _SEQUENCE])) for at in range(len(words) - _SEQUENCE + 1)}
