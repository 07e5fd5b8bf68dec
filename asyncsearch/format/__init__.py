"""How a policy is prompted, and how what it writes falls into steps and an answer."""

from asyncsearch.format.chat import in_chat
from asyncsearch.format.format import Format
from asyncsearch.format.registry import FORMATS, format_from, format_named

__all__ = ["FORMATS", "Format", "format_from", "format_named", "in_chat"]
