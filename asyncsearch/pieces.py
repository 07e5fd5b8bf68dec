"""Parts of a prompt: text, and markup in which special tokens are spelled out."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from runtimes.base import Prefix

__all__ = ["Piece", "extended", "markup", "merged", "opened", "words"]


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of a prompt. In ``markup`` a special token's spelling means that token; elsewhere it is text."""

    text: str
    markup: bool


def words(text: str) -> Piece:
    """A piece that is plain text."""
    return Piece(text, markup=False)


def markup(text: str) -> Piece:
    """A piece that is encoded on its own, special tokens and all."""
    return Piece(text, markup=True)


def merged(pieces: Iterable[Piece]) -> list[Piece]:
    """Adjoining pieces of plain text as one; each piece of markup stays on its own."""
    together: list[Piece] = []
    for piece in pieces:
        if together and not (piece.markup or together[-1].markup):
            together[-1] = words(together[-1].text + piece.text)
        else:
            together.append(piece)
    return [piece for piece in together if piece.text] or [words("")]


def opened(pieces: Iterable[Piece]) -> Prefix:
    """A prefix of some pieces, as they are `merged`."""
    first, *rest = merged(pieces)
    return extended(Prefix(first.text, markup=first.markup), rest)


def extended(prefix: Prefix, pieces: Iterable[Piece]) -> Prefix:
    """A prefix that goes on with some pieces."""
    for piece in pieces:
        prefix = prefix.extend(piece.text, markup=piece.markup)
    return prefix
