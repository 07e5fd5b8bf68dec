"""The known families of reward models, and which of them a model belongs to."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from itertools import chain
from types import MappingProxyType

from asyncsearch.errors import ConfigurationError
from asyncsearch.plugins import REWARD_FORMAT_PLUGINS, load_plugin, plugin_names
from asyncsearch.rewards.classifier import CLASSIFIER
from asyncsearch.rewards.format import RewardFormat
from asyncsearch.rewards.lines import LINES
from asyncsearch.rewards.llemma import REFERENCE_HEAD
from asyncsearch.rewards.math_shepherd import MATH_SHEPHERD
from asyncsearch.rewards.qwen_math_prm import QWEN_MATH_PRM
from asyncsearch.rewards.rlhflow import RLHFLOW
from asyncsearch.rewards.skywork import SKYWORK
from runtimes.base import Capabilities, HeadLabel, HeadMean

__all__ = ["REWARD_FORMATS", "recognise_reward_format", "reward_format_named"]

REWARD_FORMATS: Mapping[str, RewardFormat] = MappingProxyType(
    {
        format.name: format
        for format in (MATH_SHEPHERD, LINES, REFERENCE_HEAD, RLHFLOW, QWEN_MATH_PRM, SKYWORK, CLASSIFIER)
    }
)
"""The reward formats that ship, by name; other packages may register more."""

_MOST_HEAD_ROWS = 2
"""A reward head has one row or two; a vocabulary has more."""


def recognise_reward_format(name: str, capabilities: Capabilities) -> RewardFormat:
    """The reward format of that name; ``"auto"`` asks the model.

    A model that names its format is believed; then its architecture and its name are looked at; of others, one
    with a reward head is the reference's. What a language model is that does not say so is not guessed: read in
    another way than it was trained for, it gives scores all the same.

    Raises:
        ConfigurationError: the name, or the one the model gives, is unknown, or does not fit the model's output; or
            the model is not recognised.
    """
    has_head = capabilities.output_rows is not None and capabilities.output_rows <= _MOST_HEAD_ROWS
    if name != "auto":
        format = reward_format_named(name)
    elif capabilities.reward_format is not None:
        format = reward_format_named(capabilities.reward_format)
    else:
        recognised = (one for one in chain(REWARD_FORMATS.values(), _plugins()) if one.recognises(capabilities))
        found = next(recognised, REFERENCE_HEAD if has_head else None)
        if found is None:
            raise ConfigurationError(
                f"how the reward model {capabilities.model} is to be prompted cannot be told: say it with "
                f"--reward-format, one of {', '.join(REWARD_FORMATS)}"
            )
        format = found
    reads_head = isinstance(format.readout, (HeadMean, HeadLabel))
    if capabilities.output_rows is not None and has_head != reads_head:
        raise ConfigurationError(
            f"reward format {format.name!r} does not fit {capabilities.model}: "
            f"its output has {capabilities.output_rows} rows"
        )
    if isinstance(format.readout, HeadLabel) and has_head and capabilities.output_rows == 1:
        raise ConfigurationError(
            f"reward format {format.name!r} reads one of several labels, and {capabilities.model} gives one score; "
            "where SGLang serves it, use --reward local:DIRECTORY instead"
        )
    return format


def reward_format_named(name: str) -> RewardFormat:
    """The reward format of that name.

    Raises:
        ConfigurationError: there is none, or its package cannot be imported or registers something else.
    """
    plugins = plugin_names(REWARD_FORMAT_PLUGINS)
    if name in REWARD_FORMATS:
        return REWARD_FORMATS[name]
    if name in plugins:
        return _plugin(name)
    known = ", ".join(["auto", *REWARD_FORMATS, *plugins])
    raise ConfigurationError(f"unknown reward format {name!r}; known formats: {known}")


def _plugins() -> Iterator[RewardFormat]:
    """Those of other packages that can be loaded; one that cannot spoils nothing for the rest."""
    for name in plugin_names(REWARD_FORMAT_PLUGINS):
        with suppress(ConfigurationError):
            yield _plugin(name)


def _plugin(name: str) -> RewardFormat:
    format = load_plugin(REWARD_FORMAT_PLUGINS, name, "reward format")
    if not isinstance(format, RewardFormat):
        raise ConfigurationError(f"reward format {name!r}: what is registered is no RewardFormat")
    return format
