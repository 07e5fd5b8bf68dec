"""A byte-level BPE tokenizer that never merges digits, for models trained from nothing."""

from __future__ import annotations

from collections.abc import Iterable

from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast

__all__ = ["train_tokenizer"]

_STEP_TAG = "ки"  # of the reward formats that have a word for it
_END = "<|end|>"
_PAD = "<|pad|>"

# What opens a step or the answer, whole; a digit; an operator with its spaces; a word with its space; other space.
_PIECES = Regex(r" ?Step \d+: |The answer is: |\d| [*/+=-] (?=\d)| ?[^\s\d]+|\s")


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
    tokenizer.add_tokens([_STEP_TAG])
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        eos_token=_END,
        pad_token=_PAD,
        model_max_length=context_length,
        clean_up_tokenization_spaces=False,
    )
