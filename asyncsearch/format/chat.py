"""A policy's own chat template around a prompt."""

from __future__ import annotations

from dataclasses import replace

from asyncsearch.errors import ConfigurationError
from asyncsearch.format.format import Format
from runtimes.base import AppliesChatTemplate, RequestRejected

__all__ = ["in_chat"]


def in_chat(format: Format, policy: object, *, model: str) -> Format:
    """The format with the chat template of a policy around its prompt; one that is no chat stays as it is.

    ``policy`` is what applies the template, an open runtime for one, if it can; ``model`` is what messages call it.

    The template is applied once, to a prompt in which the place of the problem is marked. So what it would do to a
    problem itself, as taking off white space around it, is not done.

    Raises:
        ConfigurationError: no chat template of the policy is known, or it does not take these messages.
    """
    if not format.chat:
        return format
    system = [] if format.system is None else [{"role": "system", "content": format.system}]
    messages = [*system, {"role": "user", "content": format.prompt}]
    try:
        chat = policy.apply_chat_template(messages) if isinstance(policy, AppliesChatTemplate) else None
    except RequestRejected as error:
        raise ConfigurationError(f"format {format.name!r} is a chat that {model} does not take: {error}") from error
    if chat is None:
        raise ConfigurationError(
            f"format {format.name!r} is a chat, and no chat template of {model} is known; write the prompt out in a "
            "format of your own, with its special_tokens"
        )
    return replace(format, chat=False, system=None, prompt=chat.text, special_tokens=chat.special_tokens)
