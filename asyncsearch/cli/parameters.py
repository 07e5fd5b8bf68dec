"""Values by name, as a user writes them: NAME=VALUE."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import yaml

from asyncsearch.errors import ConfigurationError

__all__ = ["parse_fields", "parse_parameters"]


def parse_parameters(texts: Sequence[str]) -> dict[str, Any]:
    """A strategy's parameters by name; the values are read as YAML.

    Raises:
        ConfigurationError: one is not of that form.
    """
    parameters: dict[str, Any] = {}
    for text in texts:
        name, value = _parted(text, "--param", "softmax_temperature=0.1")
        try:
            parameters[name.replace("-", "_")] = yaml.safe_load(value)
        except yaml.YAMLError:
            raise ConfigurationError(f"--param {text!r}: the value cannot be read") from None
    return parameters


def parse_fields(texts: Sequence[str]) -> dict[str, str]:
    """What a dataset calls the fields of a problem.

    Raises:
        ConfigurationError: one is not of that form.
    """
    return dict(_parted(text, "--field", "answer=target") for text in texts)


def _parted(text: str, option: str, example: str) -> tuple[str, str]:
    name, _, value = text.partition("=")
    if not (name.strip() and value):
        raise ConfigurationError(f"{option} {text!r}: write NAME=VALUE, as in {example}")
    return name.strip(), value
