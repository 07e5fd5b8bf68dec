"""Between text and tokens, segment by segment."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import lru_cache

from tokenizers import AddedToken, Tokenizer
from transformers import PreTrainedTokenizerBase

from runtimes.base import BEGINNING_OF_SEQUENCE, ChatPrompt, Prefix, RequestRejected

__all__ = ["TextCodec"]

_ANCHOR = "\n"
_ONE_DAY = "{%- macro strftime_now(format) -%}26 Jul 2024{%- endmacro %}"
"""What chat templates take for today, in Jinja. Else a run that is gone on with tomorrow would have another prompt."""


class TextCodec:
    """Encodes and decodes pieces of a text as they are in its middle.

    A text may be longer than the tokenizer thinks fit: what is too long is for others to say.

    Some tokenizers treat the beginning of whatever they are given in a special way (SentencePiece adds a
    space, and drops one when decoding). Every piece is therefore handled after an anchor, which is taken off.
    """

    def __init__(self, tokenizer: PreTrainedTokenizerBase) -> None:
        self._tokenizer = tokenizer
        self._plain = _plain_backend(tokenizer)
        self._plain_decoder = None if tokenizer.clean_up_tokenization_spaces else self._plain
        self._anchor = tuple(tokenizer.encode(_ANCHOR, add_special_tokens=False))
        self._anchor_text = str(self._tokenizer.decode(list(self._anchor)))
        # A step is encoded when it is cut, when its prefix is made, and when that is sent: soon after each other.
        self._encode = lru_cache(maxsize=1 << 12)(self._encode_anew)
        self.piece = lru_cache(maxsize=1 << 17)(self._piece)
        self.label = lru_cache(maxsize=64)(self._label)

    def encode_segment(self, segment: Prefix) -> tuple[int, ...]:
        """The tokens of a prefix's last segment."""
        if segment.token_ids is not None:
            return segment.token_ids
        if segment.markup:
            beginning = str(self._tokenizer.bos_token or "")
            text = segment.text.replace(BEGINNING_OF_SEQUENCE, beginning)
            return tuple(self._tokenizer.encode(text, add_special_tokens=False, verbose=False))
        if segment.parent is None:
            return self.encode_opening(segment.text)
        return self.encode_continuation(segment.text)

    def encode_opening(self, text: str) -> tuple[int, ...]:
        """The tokens of a text's beginning, with the beginning of sequence where the model has one."""
        return tuple(self._tokenizer.encode(text, split_special_tokens=True, verbose=False))

    def encode_continuation(self, text: str) -> tuple[int, ...]:
        """The tokens of a piece that continues a text."""
        tokens = self._encode(_ANCHOR + text)
        if tokens[: len(self._anchor)] == self._anchor:
            return tokens[len(self._anchor) :]
        return self._encode(text)

    def _encode_anew(self, text: str) -> tuple[int, ...]:
        # What a model or a problem says is text: spelling out a special token does not make one.
        if self._plain is not None:
            return tuple(self._plain.encode(text, add_special_tokens=False).ids)
        return tuple(self._tokenizer.encode(text, add_special_tokens=False, split_special_tokens=True, verbose=False))

    def decode(self, tokens: Sequence[int]) -> str:
        """The text of tokens that continue a text; special tokens have none."""
        anchored = [*self._anchor, *tokens]
        if self._plain_decoder is not None:
            text = self._plain_decoder.decode(anchored, skip_special_tokens=True)
        else:
            text = str(self._tokenizer.decode(anchored, skip_special_tokens=True))
        return text.removeprefix(self._anchor_text)

    def _piece(self, token: int) -> str:
        """The text of one token on its own, remembered: enough to see which characters it may contribute."""
        return self.decode((token,))

    def _label(self, text: str) -> int:
        """The token of a reward model's label, remembered: the last one, where a tokenizer puts a space before it."""
        return int(self._tokenizer.encode(text, add_special_tokens=False)[-1])

    def apply_chat_template(self, messages: Sequence[Mapping[str, str]]) -> ChatPrompt | None:
        """See `runtimes.base.AppliesChatTemplate`. Templates that write the date are given always the same one."""
        if not self._tokenizer.chat_template:
            return None
        try:
            template = self._tokenizer.get_chat_template()
            text = self._tokenizer.apply_chat_template(
                [dict(message) for message in messages],
                chat_template=f"{_ONE_DAY}{template}" if "strftime_now" in template else template,
                tokenize=False,
                add_generation_prompt=True,
            )
        except Exception as error:  # a template is a program that comes with the model
            raise RequestRejected(f"its chat template fails: {str(error).partition(chr(10))[0]}") from error
        special = [token for token in self._tokenizer.added_tokens_decoder.values() if token.special]
        text = _without_eaten_space(str(text), special)
        found = sorted(token.content for token in special if token.content in text)
        return ChatPrompt(text=text, special_tokens=tuple(found))

    def extended(self, prefix: Prefix, text: str, tokens: Sequence[int]) -> Prefix:
        """A prefix that ``text`` was written behind, which tells its tokens only where it is not encoded to just these.

        So it takes no more room than its text wherever it is kept.
        """
        return prefix.extend(text, None if self.encode_continuation(text) == tuple(tokens) else tuple(tokens))

    def cut(self, tokens: Sequence[int], text: str) -> tuple[int, ...]:
        """Tokens for ``text``, a beginning of what ``tokens`` decode to, keeping as many of them as it allows."""
        as_encoded = self.encode_continuation(text)
        if as_encoded == tuple(tokens[: len(as_encoded)]):
            return as_encoded
        # From the end, for what is cut off is short: a stop string. Not by bisection, since a beginning that
        # ends inside a character decodes to something else.
        for length in range(len(tokens), -1, -1):
            decoded = self.decode(tokens[:length])
            if text.startswith(decoded):
                break
        kept = tuple(tokens[:length])
        rest = text[len(decoded) :]
        return kept + self.encode_continuation(rest) if rest else kept


def _without_eaten_space(text: str, special: Sequence[AddedToken]) -> str:
    """A text without the white space that special tokens in it take for their own, as some models' do."""
    for token in special:
        spelling = re.escape(token.content)
        before, behind = (r"\s*" if token.lstrip else ""), (r"\s*" if token.rstrip else "")
        if before or behind:
            text = re.sub(before + spelling + behind, token.content.replace("\\", r"\\"), text)
    return text


def _plain_backend(tokenizer: PreTrainedTokenizerBase) -> Tokenizer | None:
    """What encodes text as text, special tokens spelled out and all; None where it is written in Python.

    A copy of its own: the tokenizer sets its options anew for every text, and takes most of the time for that.
    """
    backend: Tokenizer | None = getattr(tokenizer, "backend_tokenizer", None)
    if backend is None:
        return None
    plain = Tokenizer.from_str(backend.to_str())
    plain.no_truncation()
    plain.no_padding()
    plain.encode_special_tokens = True
    return plain
