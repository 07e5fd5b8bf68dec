"""Make the bundled problems and models: ``python -m asyncsearch.finetune.arithmetic DIRECTORY``."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Annotated

import typer

from asyncsearch.errors import ConfigurationError
from asyncsearch.finetune.arithmetic.recipe import Recipe, make_bundle


def _main(
    directory: Annotated[Path, typer.Argument(help="Where to write test.jsonl, policy/, policy-large/ and reward/.")],
    seed: Annotated[int, typer.Option(help="Seed of the data and of the weights.")] = 0,
) -> None:
    """Make the bundled problems and models."""
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    try:
        make_bundle(directory, Recipe(seed=seed))
    except ConfigurationError as error:
        typer.echo(f"error: {error}", err=True)
        raise typer.Exit(2) from None


if __name__ == "__main__":
    typer.run(_main)
