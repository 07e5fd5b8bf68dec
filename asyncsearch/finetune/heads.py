"""The heads that a reward model is trained with, and as what they are written in the end."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

import torch
from torch import nn
from transformers import PreTrainedModel

from asyncsearch.errors import ConfigurationError
from asyncsearch.rewards import RewardFormat
from runtimes.base import HeadMean, TokenLabels
from runtimes.text import TextCodec

__all__ = ["HEADS", "RewardHead", "attach_head", "head_for", "logits_of", "require_single_tokens"]


@dataclass(frozen=True, slots=True, kw_only=True)
class RewardHead:
    """A linear layer in the place of the language head; a step's logit is its rows' sum with these weights.

    The score is the logit's sigmoid: so a head of any kind is trained and read alike. ``of_labels`` says that the rows
    are those of the good and the bad token in the language head, and go back there in the end.
    """

    name: str
    weights: tuple[float, ...]
    of_labels: bool = False

    @property
    def rows(self) -> int:
        """Outputs of the layer."""
        return len(self.weights)


HEADS: Mapping[str, RewardHead] = MappingProxyType(
    {
        head.name: head
        for head in (
            RewardHead(name="two-rows", weights=(0.5, 0.5)),  # the reference's `logits.mean(dim=-1)`
            RewardHead(name="one-row", weights=(1.0,)),
            # Softmax over two tokens is the sigmoid of their logits' difference.
            RewardHead(name="token-labels", weights=(1.0, -1.0), of_labels=True),
        )
    }
)


def head_for(name: str, format: RewardFormat) -> RewardHead:
    """The head of that name; ``auto`` is the one that the format reads.

    Raises:
        ConfigurationError: the format reads another one.
    """
    reads_labels = isinstance(format.readout, TokenLabels)
    if not (reads_labels or isinstance(format.readout, HeadMean)):
        raise ConfigurationError(
            f"reward format {format.name!r} reads one of several labels, which none of the heads is"
        )
    if name == "auto":
        name = "token-labels" if reads_labels else "one-row" if format.architectures else "two-rows"
    head = HEADS[name]
    if head.of_labels != reads_labels:
        fitting = ", ".join(one.name for one in HEADS.values() if one.of_labels == reads_labels)
        raise ConfigurationError(f"reward format {format.name!r} does not read the head {name!r}; it reads {fitting}")
    return head


def require_single_tokens(codec: TextCodec, format: RewardFormat, *, model: str) -> None:
    """Make sure that what a format reads at, and the labels it reads, are single tokens of a model.

    Raises:
        ConfigurationError: one is split; the message says into what.
    """
    tag = "".join(piece.text for piece in format.tag)
    ids = codec.encode_continuation(tag)
    if codec.piece(ids[-1]).strip() != tag.strip() if ids else tag:
        raise ConfigurationError(
            f"the tokenizer of {model} splits the step tag {tag!r} of reward format {format.name!r} into {len(ids)} "
            f"tokens, {', '.join(repr(codec.piece(token)) for token in ids)}; choose a format without a tag of its "
            "own, as 'lines' or 'classifier', or add the tag to the tokenizer"
        )
    if isinstance(format.readout, TokenLabels):
        for label in (format.readout.good, format.readout.bad):
            split = codec.encode_continuation(label)
            if len(split) > 1:
                raise ConfigurationError(
                    f"the tokenizer of {model} splits the label {label!r} of reward format {format.name!r} into "
                    f"{len(split)} tokens; a label must be one"
                )


def attach_head(
    model: PreTrainedModel, head: RewardHead, format: RewardFormat, codec: TextCodec
) -> torch.Tensor | None:
    """Put a head in the place of a model's language head, and cut it off the embeddings.

    A head that has been there is gone on with where it has as many rows. A new one begins with zeros: every score
    is a half.

    Returns:
        The language head's weights where some of its rows are trained, which go on in `asyncsearch.finetune.output`.
    """
    old = model.get_output_embeddings().weight.detach()
    layer = nn.Linear(old.shape[1], head.rows, bias=False, dtype=old.dtype, device=old.device)
    with torch.no_grad():
        if head.of_labels:
            assert isinstance(format.readout, TokenLabels)
            layer.weight.copy_(old[[codec.label(format.readout.good), codec.label(format.readout.bad)]])
        elif len(old) == head.rows:
            layer.weight.copy_(old)
        else:
            layer.weight.zero_()
    model.set_output_embeddings(layer)
    model.config.tie_word_embeddings = False
    return old.clone() if head.of_labels else None


def logits_of(rows: torch.Tensor, head: RewardHead) -> torch.Tensor:
    """The logits of steps, [...], from a head's outputs, [..., rows]."""
    return rows.float() @ torch.tensor(head.weights, device=rows.device)
