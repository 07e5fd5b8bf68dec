"""The command ``convert-reward``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.text import Text

from asyncsearch.cli.console import out
from asyncsearch.errors import ConfigurationError

__all__ = ["convert_reward_command"]


def convert_reward_command(
    source: Annotated[Path, typer.Argument(help="Directory of a reward model with the reference's head of two rows.")],
    target: Annotated[Path, typer.Argument(help="Directory to write.")],
) -> None:
    """Turn the REBASE reference's reward model into one that an unmodified SGLang server serves."""
    try:
        from asyncsearch.rewards.conversion import convert_reward_head  # noqa: PLC0415 - needs torch
    except ImportError as error:
        raise ConfigurationError(
            f"converting needs the extra 'local': pip install 'asyncsearch[local]' ({error})"
        ) from None
    convert_reward_head(source, target)
    out.print(Text(f"{target}: asyncsearch launch reward {target}"), soft_wrap=True)
