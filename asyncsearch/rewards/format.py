"""How a reward model is prompted: the text it reads, piece by piece."""

from __future__ import annotations

import re
from dataclasses import dataclass

from asyncsearch.pieces import Piece, extended, merged, opened, words
from runtimes.base import Capabilities, Prefix, Readout

__all__ = ["RewardFormat"]


@dataclass(frozen=True, slots=True, kw_only=True)
class RewardFormat:
    """The text that a reward model reads: the problem, then each step between its own pieces.

    ``opening`` stands before the first step, with ``{problem}`` for the question; ``between`` before every step
    but the first, which ``lead`` is put before; ``tag`` after each, and ``readout`` says how the score is read at its
    last token. White space around a step is taken off first, and so is a tag that the policy itself has written
    anywhere in it; a tag that is white space itself may stand inside a step.

    Plain text that adjoins is encoded as one. A model is recognised by its architecture, or by its name.
    """

    name: str
    opening: tuple[Piece, ...]
    readout: Readout
    tag: tuple[Piece, ...]
    between: tuple[Piece, ...] = ()
    lead: str = ""
    architectures: tuple[str, ...] = ()
    model_name: re.Pattern[str] | None = None

    def recognises(self, capabilities: Capabilities) -> bool:
        """Whether a model is of this family, as far as it shows."""
        if capabilities.architecture in self.architectures:
            return True
        return self.model_name is not None and self.model_name.search(capabilities.model) is not None

    def opening_for(self, problem: str) -> Prefix:
        """The text before the first step."""
        return opened(Piece(piece.text.replace("{problem}", problem), piece.markup) for piece in self.opening)

    def extend(self, prefix: Prefix, step: str, *, first: bool) -> Prefix:
        """The text with one more step; its score is read at the last token."""
        return extended(prefix, self.step_pieces(step, first=first))

    def step_text(self, step: str, *, first: bool) -> str:
        """What one step adds, as text."""
        return "".join([piece.text for piece in self.step_pieces(step, first=first)])

    def opening_text(self, problem: str) -> str:
        """What stands before the first step, as text."""
        return self.opening_for(problem).full_text()

    def step_pieces(self, step: str, *, first: bool) -> list[Piece]:
        """What one step adds, see `extended`."""
        tag = "".join(piece.text for piece in self.tag)
        mark = tag.strip()
        body = step
        while mark and mark in body:  # again: what is left on both sides of a tag may be one
            body = body.replace(tag, "").replace(mark, "")
        body = f"{self.lead if first else ''}{body.strip()}"
        return merged([*(() if first else self.between), words(body), *self.tag])
