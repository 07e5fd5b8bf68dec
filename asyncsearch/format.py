"""How a policy is prompted and how its text falls into steps."""

from __future__ import annotations

from dataclasses import dataclass

from asyncsearch.errors import ConfigurationError

__all__ = ["FORMATS", "Format", "format_named"]


_PROBLEM, _STEP = "{problem}", "{step}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Format:
    """The convention that a policy was trained on.

    ``prompt`` is a template with ``{problem}``. A step ends where the next begins: ``step_start`` is the
    text a step begins with, with ``{step}`` for its number, counted from 1; without that it is a separator, a blank
    line for example, and belongs to the step before. A step that holds ``answer_marker`` is the last one.

    Raises:
        ConfigurationError: the prompt has no place for the problem, or steps begin with nothing.
    """

    name: str
    prompt: str
    step_start: str
    answer_marker: str

    def __post_init__(self) -> None:
        if _PROBLEM not in self.prompt:
            raise ConfigurationError(f"format {self.name!r}: its prompt has no {_PROBLEM}")
        if not self.step_start:
            raise ConfigurationError(f"format {self.name!r}: its step_start is empty")

    def prompt_for(self, problem: str) -> str:
        """The prompt that the policy continues."""
        return self.prompt.replace(_PROBLEM, problem)

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


FORMATS = {
    format.name: format
    for format in (
        # The bundled arithmetic policy, and anything trained on "problem, newline, steps".
        Format(name="steps", prompt="{problem}\n", step_start="Step {step}", answer_marker="The answer is"),
        # The policies of the REBASE reference continue the bare problem (rebase.py: ``s += question``).
        Format(name="llemma", prompt="{problem}", step_start="Step {step}", answer_marker="The answer is"),
        Format(name="mistral", prompt="{problem}", step_start="Step {step}", answer_marker="The answer is"),
        # MetaMath's wrapping, as the reference's baseline writes it (sgl_baseline.py).
        Format(
            name="metamath",
            prompt="# Question\n\n{problem}\n\n# Solution",
            step_start="Step {step}",
            answer_marker="The answer is",
        ),
    )
}
"""The known formats by name."""


def format_named(name: str) -> Format:
    """The format of that name.

    Raises:
        ConfigurationError: there is none.
    """
    try:
        return FORMATS[name]
    except KeyError:
        known = ", ".join(sorted(FORMATS))
        raise ConfigurationError(f"unknown policy format {name!r}; known formats: {known}") from None
