"""What tells the training of a policy from that of a reward model."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

import torch
from transformers import PreTrainedModel

from asyncsearch.finetune.sequences import Encode
from asyncsearch.finetune.trainer import Learning

__all__ = ["Task"]


class Task(Protocol):
    """One kind of training, with a tokenizer: how solutions are encoded, what is learned, what is written in the end.

    ``new_head`` says that the model's head is trained anew, beside matrices of low rank too.
    """

    encode: Encode
    encode_evaluation: Encode
    learning: Learning
    new_head: bool

    def prepare(self, model: PreTrainedModel) -> None:
        """Make of a language model the one that is trained."""

    def finish(self, model: PreTrainedModel, state: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        """The weights to write; the model's configuration is made to say what they are."""
