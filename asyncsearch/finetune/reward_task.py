"""The training of a reward model."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from asyncsearch.finetune.configuration import RewardFinetuning
from asyncsearch.finetune.heads import attach_head, head_for, require_single_tokens
from asyncsearch.finetune.learning import reward_learning
from asyncsearch.finetune.output import reward_config, reward_weights
from asyncsearch.finetune.sequences import UNLABELLED, reward_encoder
from asyncsearch.rewards import RewardFormat
from runtimes.base import TokenLabels
from runtimes.text import TextCodec

__all__ = ["RewardTask"]


class RewardTask:
    """Training on labelled steps, see `RewardFinetuning`."""

    def __init__(
        self, finetuning: RewardFinetuning, format: RewardFormat, tokenizer: PreTrainedTokenizerBase, *, model: str
    ) -> None:
        """Prepare the encoding; ``model`` is what messages call it.

        Raises:
            ConfigurationError: the tokenizer splits the step tag or a label, or the format does not read the head.
        """
        self._format = format
        self._head = head_for(finetuning.head, format)
        self._codec = TextCodec(tokenizer)
        self._language_head: torch.Tensor | None = None
        require_single_tokens(self._codec, format, model=model)
        last_only = not finetuning.train_on_every_token
        self.new_head = True
        self.encode = reward_encoder(self._codec, format, last_only=last_only)
        self.encode_evaluation = reward_encoder(self._codec, format, last_only=last_only, unlabelled=UNLABELLED)
        self.learning = reward_learning(self._head, loss=finetuning.loss)

    def prepare(self, model: PreTrainedModel) -> None:
        """See `Task`: the head is put in place."""
        self._language_head = attach_head(model, self._head, self._format, self._codec)

    def finish(self, model: PreTrainedModel, state: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        """See `Task`."""
        reward_config(model.config, self._head, architecture=type(model).__name__, format=self._format.name)
        if model.config.pad_token_id is None:
            model.config.pad_token_id = model.config.eos_token_id  # classifiers want one
        labels = None
        if isinstance(self._format.readout, TokenLabels):
            labels = (self._codec.label(self._format.readout.good), self._codec.label(self._format.readout.bad))
        return reward_weights(state, self._head, language_head=self._language_head, labels=labels)
