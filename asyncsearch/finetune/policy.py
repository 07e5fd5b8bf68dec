"""Supervised fine-tuning of a policy on step-formatted solutions, with the loss on the solution alone."""

from __future__ import annotations

from transformers import PreTrainedTokenizerFast

from asyncsearch.finetune.training import IGNORED, Example

__all__ = ["solution_example"]


def solution_example(tokenizer: PreTrainedTokenizerFast, prompt: str, solution: str) -> Example:
    """Make the training sequence of one solved problem: prompt, solution, end of sequence."""
    prompt_ids = tokenizer.encode(prompt)
    solution_ids = [*tokenizer.encode(solution, add_special_tokens=False), tokenizer.eos_token_id]
    return Example((*prompt_ids, *solution_ids), (*(IGNORED for _ in prompt_ids), *solution_ids))
