"""A byte-level BPE tokenizer that never merges digits, for models trained from nothing."""

from __future__ import annotations

from collections.abc import Iterable

from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast

__all__ = ["BAD_TOKEN", "GOOD_TOKEN", "STEP_TAG", "train_tokenizer"]

STEP_TAG = "ки"
GOOD_TOKEN = "+"
BAD_TOKEN = "-"

_END = "<|end|>"
_PAD = "<|pad|>"

# A digit; an operator or a colon with the spaces that join it to numbers; a word with its space; other space.
_PIECES = Regex(r"\d| [*/+=-] (?=\d)|: (?=\d)| ?[^\s\d]+|\s")


def train_tokenizer(texts: Iterable[str], *, vocabulary_size: int, context_length: int) -> PreTrainedTokenizerFast:
    """Train a tokenizer on texts; every byte stays encodable, so no text is unknown to it.

    Each digit is a token of its own, and so are the step tag of a process reward model and its two labels.
    """
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Split(_PIECES, "isolated"), pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)]
    )
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.train_from_iterator(
        texts,
        trainers.BpeTrainer(
            vocab_size=vocabulary_size,
            special_tokens=[_END, _PAD],
            initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
            show_progress=False,
        ),
    )
    tokenizer.add_tokens([STEP_TAG])
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        eos_token=_END,
        pad_token=_PAD,
        model_max_length=context_length,
        clean_up_tokenization_spaces=False,
    )
