"""The known formats, and those in files."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from types import MappingProxyType
from typing import Any

import yaml

from asyncsearch.errors import ConfigurationError
from asyncsearch.format.format import Format
from asyncsearch.plugins import suggestion
from asyncsearch.yaml_files import read_yaml

__all__ = ["FORMATS", "format_from", "format_named"]

_FILES = (".yaml", ".yml")
_KINDS = MappingProxyType({"chat": "true or false", "special_tokens": "a list of texts"})
"""What a field has to be where that is no text."""


def format_from(content: Any, *, name: str) -> Format:
    """The format that a mapping describes: the fields of `Format`, but for its name if that is ``name``.

    Raises:
        ConfigurationError: a field is missing, unknown or wrong; the message names it.
    """
    where = f"format {name!r}"
    if not isinstance(content, dict):
        raise ConfigurationError(f"{where}: must be a mapping with a prompt, a step_start and an answer_marker")
    fields = {field.name: field for field in dataclasses.fields(Format)}
    values = {"name": name, **content}
    for key, value in values.items():
        if key not in fields:
            raise ConfigurationError(f"{where}: has no {key!r}; {suggestion(str(key), [*fields])}")
        if not _fits(key, value):
            raise ConfigurationError(f"{where}: {key} must be {_KINDS.get(key, 'a text')}, not {value!r}")
    required = [name for name, field in fields.items() if field.default is dataclasses.MISSING]
    if missing := [name for name in required if name not in values]:
        raise ConfigurationError(f"{where}: has no {' and no '.join(missing)}")
    return Format(**{**values, "special_tokens": tuple(values.get("special_tokens", ()))})


def _fits(field: str, value: Any) -> bool:
    if field == "special_tokens":
        return isinstance(value, list | tuple) and all(isinstance(one, str) for one in value)
    return isinstance(value, bool if field == "chat" else str)


def format_named(name: str) -> Format:
    """The known format of that name, or the one that a YAML file of that name describes.

    Raises:
        ConfigurationError: there is none, or the file is wrong.
    """
    if name in FORMATS:
        return FORMATS[name]
    path = Path(name)
    if path.suffix not in _FILES:
        raise ConfigurationError(
            f"unknown policy format {name!r}; {suggestion(name, [*FORMATS])}; or name a YAML file of one"
        )
    content = read_yaml(path)
    try:
        return format_from(content, name=path.stem)
    except ConfigurationError as error:
        raise ConfigurationError(f"{path}: {error}") from None


def _shipped() -> dict[str, Format]:
    content = yaml.safe_load(files("asyncsearch.format").joinpath("formats.yaml").read_text(encoding="utf-8"))
    return {name: format_from(fields, name=name) for name, fields in content.items()}


FORMATS: Mapping[str, Format] = MappingProxyType(_shipped())
"""The formats that ship, by name."""
