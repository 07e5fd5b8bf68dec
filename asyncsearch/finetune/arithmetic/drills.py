"""Calculations without a story, from which a policy learns arithmetic alone."""

from __future__ import annotations

from collections.abc import Sequence

from transformers import PreTrainedTokenizerFast

from asyncsearch.datasets.arithmetic import Operation
from asyncsearch.finetune.training import IGNORED, Example

__all__ = ["drill_example"]


def drill_example(tokenizer: PreTrainedTokenizerFast, operations: Sequence[Operation]) -> Example:
    """Make the training sequence of calculations that have nothing to do with each other.

    They are written as the steps of a solution, and only the results carry a loss. A story takes more tokens
    than its solution does; here nearly every token is arithmetic.
    """
    tokens = tokenizer.encode(
        "".join(f"Step {number}: {operation}\n" for number, operation in enumerate(operations, 1)),
        add_special_tokens=False,
    )
    equals = tokenizer.encode(" = 1", add_special_tokens=False)[0]
    line_end = tokenizer.encode("\n", add_special_tokens=False)[0]
    labels: list[int] = []
    in_result = False
    for token in tokens:
        labels.append(token if in_result else IGNORED)
        in_result = token == equals or (in_result and token != line_end)
    return Example(tuple(tokens), tuple(labels))
