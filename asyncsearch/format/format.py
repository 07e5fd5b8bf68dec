"""How a policy is prompted and how its text falls into steps."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from asyncsearch.errors import ConfigurationError
from asyncsearch.pieces import Piece, markup, opened, words
from runtimes.base import Prefix

__all__ = ["Format"]


_PROBLEM, _STEP = "{problem}", "{step}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Format:
    """The convention that a policy was trained on.

    ``prompt`` is a template with ``{problem}``. A step ends where the next begins: ``step_start`` is the
    text a step begins with, with ``{step}`` for its number, counted from 1; without that it is a separator, a blank
    line for example, and belongs to the step before. A step that holds ``answer_marker`` is the last one.

    In a ``chat`` the prompt is what the user says, behind what the ``system`` does, and the policy's own chat template
    goes around both (`asyncsearch.format.in_chat`). What is spelled in the prompt like one of the ``special_tokens``
    is that token of the model; the same spelling in a problem is text.

    Raises:
        ConfigurationError: the prompt has no place for the problem, steps begin with nothing, or there is a system's
            message and no chat.
    """

    name: str
    prompt: str
    step_start: str
    answer_marker: str
    chat: bool = False
    system: str | None = None
    special_tokens: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if _PROBLEM not in self.prompt:
            raise ConfigurationError(f"format {self.name!r}: its prompt has no {_PROBLEM}")
        if not self.step_start:
            raise ConfigurationError(f"format {self.name!r}: its step_start is empty")
        if self.system is not None and not self.chat:
            raise ConfigurationError(f"format {self.name!r}: it has a system's message, and is no chat")

    def to_mapping(self) -> dict[str, Any]:
        """What describes it, as in a file: the fields that are not as they are where nothing is said."""
        fields = {field.name: (getattr(self, field.name), field.default) for field in dataclasses.fields(self)}
        return {name: value for name, (value, default) in fields.items() if value != default}

    def prompt_for(self, problem: str) -> str:
        """The prompt that the policy continues, as text."""
        return self.prompt.replace(_PROBLEM, problem)

    def opening_for(self, problem: str) -> Prefix:
        """The prompt that the policy continues, in which special tokens are told from text."""
        return opened(self._pieces(problem))

    def _pieces(self, problem: str) -> Iterator[Piece]:
        spellings = "|".join(map(re.escape, sorted(filter(None, self.special_tokens), key=len, reverse=True)))
        for part in re.split(f"({spellings})", self.prompt) if spellings else [self.prompt]:
            yield markup(part) if part in self.special_tokens else words(part.replace(_PROBLEM, problem))

    def stop_before(self, step: int) -> str:
        """The string whose appearance ends the step before ``step``."""
        return self.step_start.replace(_STEP, str(step))

    @property
    def separator(self) -> str:
        """What stands between two steps and is part of neither's text; nothing where a step has a beginning."""
        return "" if _STEP in self.step_start else self.step_start

    def states_answer(self, text: str, *, cut: bool) -> bool:
        """Whether a text states its final answer, and states it whole although it may be ``cut`` off."""
        _, marker, answer = text.rpartition(self.answer_marker)
        return bool(marker) and (not cut or "\n" in answer.lstrip(": \n"))

    def split_steps(self, text: str, first: int = 1) -> tuple[str, ...]:
        """Split a text into its steps, of which the first has number ``first``.

        The pieces joined give the text again. A number is looked for only after the one before it, so that
        "Step 2" inside the text of step 3 splits nothing. Separators in a row are one.
        """
        pieces: list[str] = []
        begin, step = 0, first + 1
        sought = 0
        while (found := text.find(self.stop_before(step), sought)) >= 0:
            end = found + len(self.separator)
            sought = found + len(self.stop_before(step))
            if self.separator and not text[begin:found].strip():
                continue
            if end > begin:
                pieces.append(text[begin:end])
            begin, step = end, step + 1
        if text[begin:].strip() or not pieces:
            pieces.append(text[begin:])
        return tuple(pieces)
