"""What stands on a terminal after something has been written to it: as much of one as live areas make use of."""

from __future__ import annotations

import re

__all__ = ["screen_after"]

_PIECES = re.compile(r"\x1b\[(\?25[lh]|[0-9;]*[A-Za-z])|(\r|\n)|([^\x1b\r\n]+)")


def screen_after(written: str) -> list[str]:
    """The lines, without what is blank at their ends; colours are passed over.

    Raises:
        ValueError: something was written that is not known here.
    """
    lines = [""]
    row = column = 0
    end = 0
    for piece in _PIECES.finditer(written):
        if piece.start() != end:
            raise ValueError(f"not known: {written[end : piece.start()]!r}")
        end = piece.end()
        control, move, text = piece.groups()
        if text is not None:
            line = lines[row].ljust(column)
            lines[row] = line[:column] + text + line[column + len(text) :]
            column += len(text)
        elif move == "\r":
            column = 0
        elif move == "\n":
            row, column = row + 1, 0
            if row == len(lines):
                lines.append("")
        elif control == "2K":
            lines[row] = ""
        elif control.endswith("A"):
            row = max(row - int(control[:-1] or 1), 0)
        elif not (control.startswith("?25") or control.endswith("m")):
            raise ValueError(f"not known: {piece.group()!r}")
    if end != len(written):
        raise ValueError(f"not known: {written[end:]!r}")
    lines = [line.rstrip() for line in lines]
    while lines and not lines[-1]:
        lines.pop()
    return lines
