"""A strategy's parameters as a user writes them: NAME=VALUE, the value as YAML has it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import yaml

from asyncsearch.errors import ConfigurationError

__all__ = ["parse_parameters"]


def parse_parameters(texts: Sequence[str]) -> dict[str, Any]:
    """The values by name.

    Raises:
        ConfigurationError: one is not of that form.
    """
    parameters: dict[str, Any] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not (name and equals):
            raise ConfigurationError(f"--param {text!r}: write NAME=VALUE, as in softmax_temperature=0.1")
        try:
            parameters[name.strip().replace("-", "_")] = yaml.safe_load(value)
        except yaml.YAMLError:
            raise ConfigurationError(f"--param {text!r}: the value cannot be read") from None
    return parameters
