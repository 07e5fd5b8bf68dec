"""How each family of process reward models is prompted and read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from asyncsearch.errors import ConfigurationError
from runtimes.base import Capabilities, HeadMean, Readout, TokenLabels

__all__ = ["REWARD_FORMATS", "RewardFormat", "recognise_reward_format", "reward_format_named"]


@dataclass(frozen=True, slots=True, kw_only=True)
class RewardFormat:
    """The text a process reward model reads: the problem, then each step closed by a tag.

    ``opening`` is a template with ``{problem}``; ``separator`` stands between two steps; ``tag`` ends a
    step, and ``readout`` says how the score is read at it. Whitespace around a step, and a tag that the
    policy itself has written anywhere in it, are taken off first; a tag that is white space itself may stand
    inside a step.
    """

    name: str
    opening: str
    separator: str
    tag: str
    readout: Readout

    def opening_for(self, problem: str) -> str:
        """The text before the first step."""
        return self.opening.format(problem=problem)

    def step(self, text: str, *, first: bool) -> str:
        """The text that one step adds. It ends with the tag, so that the score is read at its last token."""
        mark = self.tag.strip()
        body = text
        while mark and mark in body:  # again: what is left on both sides of a tag may be one
            body = body.replace(self.tag, "").replace(mark, "")
        return f"{'' if first else self.separator}{body.strip()}{self.tag}"


REWARD_FORMATS: Mapping[str, RewardFormat] = MappingProxyType(
    {
        format.name: format
        for format in (
            # Wang et al., Math-Shepherd (arXiv 2312.08935): softmax over "+" and "-" at the tag.
            RewardFormat(
                name="math-shepherd",
                opening="{problem} ",
                separator="\n",
                tag=" ки",
                readout=TokenLabels(good="+", bad="-"),
            ),
            # A policy's own layout, where each step is a line or ends with one; read at the line's end. A model
            # that began as such a policy knows every place of it.
            RewardFormat(
                name="lines",
                opening="{problem}\n",
                separator="",
                tag="\n",
                readout=TokenLabels(good="+", bad="-"),
            ),
            # The REBASE reference: Math-Shepherd's text, a head of two rows (hf_score.py; rebase.py).
            RewardFormat(
                name="reference-head",
                opening="{problem} ",
                separator="\n",
                tag=" ки",
                readout=HeadMean(),
            ),
        )
    }
)
"""The known reward formats by name."""

_REFERENCE_HEAD_ROWS = 2


def recognise_reward_format(name: str, capabilities: Capabilities) -> RewardFormat:
    """The reward format of that name; ``"auto"`` asks the model.

    A model that names its format is believed; one whose output has two rows is the reference's head; any
    other is read as Math-Shepherd's.

    Raises:
        ConfigurationError: the name, or the one the model gives, is unknown, or does not fit the model's output.
    """
    wanted = name
    if name == "auto":
        by_rows = "reference-head" if capabilities.output_rows == _REFERENCE_HEAD_ROWS else "math-shepherd"
        wanted = capabilities.reward_format or by_rows
    format = reward_format_named(wanted)
    if capabilities.output_rows is not None:
        two_rows = capabilities.output_rows == _REFERENCE_HEAD_ROWS
        if two_rows != isinstance(format.readout, HeadMean):
            raise ConfigurationError(
                f"reward format {format.name!r} does not fit {capabilities.model}: "
                f"its output has {capabilities.output_rows} rows"
            )
    return format


def reward_format_named(name: str) -> RewardFormat:
    """The reward format of that name.

    Raises:
        ConfigurationError: there is none.
    """
    try:
        return REWARD_FORMATS[name]
    except KeyError:
        known = ", ".join(["auto", *REWARD_FORMATS])
        raise ConfigurationError(f"unknown reward format {name!r}; known formats: {known}") from None
