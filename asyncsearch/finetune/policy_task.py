"""The training of a policy."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from asyncsearch.finetune.base_model import end_token
from asyncsearch.finetune.configuration import PolicyFinetuning
from asyncsearch.finetune.learning import policy_learning
from asyncsearch.finetune.output import policy_weights
from asyncsearch.finetune.sequences import policy_encoder
from asyncsearch.format import Format, in_chat
from runtimes.text import TextCodec

__all__ = ["PolicyTask"]


class PolicyTask:
    """Supervised training on solutions, see `PolicyFinetuning`."""

    new_head = False

    def __init__(
        self, finetuning: PolicyFinetuning, format: Format, tokenizer: PreTrainedTokenizerBase, *, model: str
    ) -> None:
        """Prepare the encoding; ``model`` is what messages call it.

        Raises:
            ConfigurationError: the tokenizer has no end of sequence, or no chat template where the format is a chat.
        """
        codec = TextCodec(tokenizer)
        self._end = end_token(tokenizer, finetuning.end_token, model=model)
        self.encode = policy_encoder(codec, in_chat(format, codec, model=model), end_token=self._end)
        self.encode_evaluation = self.encode
        self.learning = policy_learning()

    def prepare(self, model: PreTrainedModel) -> None:
        """See `Task`: a generation ends at the end token."""
        model.config.eos_token_id = self._end
        if model.generation_config is not None:
            model.generation_config.eos_token_id = self._end

    def finish(self, model: PreTrainedModel, state: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        """See `Task`."""
        model.config.architectures = [type(model).__name__]
        return policy_weights(state, tied=bool(model.config.get_text_config().tie_word_embeddings))
