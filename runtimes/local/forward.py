"""One forward pass of a model over a batch whose rows have lengths of their own."""

from __future__ import annotations

from inspect import signature

import torch
from transformers import PreTrainedModel

from runtimes.local.cache import BatchCache

__all__ = ["Forward"]


class Forward:
    """Calls a causal language model on new tokens of the rows of a `BatchCache`.

    Args:
        model: in evaluation mode, on its device.
        context_length: tokens that a sequence may have.
    """

    def __init__(self, model: PreTrainedModel, *, context_length: int) -> None:
        self.context_length = context_length
        self.device = model.device
        self.layers = int(model.config.get_text_config().num_hidden_layers)
        self._model = model
        # Of transformers' attention functions only SDPA's takes a mask of truth values; the others add it.
        self._adds_mask = model.config._attn_implementation != "sdpa"
        # transformers 5.24 calls it otherwise than those before, and than what other packages bring.
        self._cache_argument = "cache" if "cache" in signature(model.forward).parameters else "past_key_values"

    def __call__(
        self, tokens: torch.Tensor, positions: torch.Tensor, batch: BatchCache, keep: torch.Tensor | int
    ) -> torch.Tensor:
        """Compute the logits of new tokens, and leave their keys and values in the batch.

        Args:
            tokens: [rows, tokens].
            positions: of each token in its sequence, [rows, tokens].
            batch: with the keys and values of all tokens before these.
            keep: the places in the second dimension whose logits are wanted, or how many of the last.

        Returns:
            Logits, [rows, places kept, vocabulary].
        """
        mask = batch.place(positions)
        if self._adds_mask:
            lowest = torch.finfo(self._model.dtype).min
            mask = torch.zeros(mask.shape, dtype=self._model.dtype, device=mask.device).masked_fill_(~mask, lowest)
        output = self._model(
            input_ids=tokens,
            # Padding may stand beyond the context; no token that counts does.
            position_ids=positions.clamp(max=self.context_length - 1),
            attention_mask=mask,
            use_cache=True,
            logits_to_keep=keep,
            **{self._cache_argument: batch},
        )
        logits: torch.Tensor = output.logits
        return logits
