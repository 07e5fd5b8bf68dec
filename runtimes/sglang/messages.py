"""What is said to an SGLang server and what it answers: requests to JSON values, and JSON values to results."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, TypeVar

from runtimes.base import (
    FinishReason,
    GenerateRequest,
    GenerateResult,
    RequestRejected,
    RetryableError,
    Usage,
)
from runtimes.text import TextCodec

__all__ = [
    "classify_body",
    "generate_body",
    "label_body",
    "prefill_body",
    "read_generation",
    "read_head",
    "read_labels",
    "read_prompt_tokens",
    "read_usage",
]

T = TypeVar("T")

_MOST_HEAD_ROWS = 2
_SEEDS = 2**31
"""How many seeds a server tells apart."""


def generate_body(
    tokens: Sequence[int], request: GenerateRequest, *, max_new_tokens: int, rid: str, seeded: bool
) -> dict[str, Any]:
    """Continue ``tokens``; ``seeded`` for a server that honours seeds."""
    parameters: dict[str, Any] = {
        "max_new_tokens": max_new_tokens,
        "temperature": request.temperature,
        "top_p": request.top_p,
    }
    if request.stop:
        parameters["stop"] = list(request.stop)
    if seeded:
        parameters["sampling_seed"] = request.seed % _SEEDS
    return {"rid": rid, "input_ids": list(tokens), "sampling_params": parameters}


def prefill_body(tokens: Sequence[int]) -> dict[str, Any]:
    """Compute the keys and values of ``tokens``, and nothing else."""
    return {"input_ids": list(tokens), "sampling_params": {"max_new_tokens": 0}}


def label_body(
    texts: Sequence[Sequence[int]], first_tags: Sequence[int], labels: Sequence[tuple[int, int]], rids: Sequence[str]
) -> dict[str, Any]:
    """Ask for the log-probabilities of two labels at each position from a text's first tag on.

    The server reuses what it has cached only before that position, so it must not be an earlier one.
    """
    return {
        "rid": list(rids),
        "input_ids": [list(tokens) for tokens in texts],
        "sampling_params": {"max_new_tokens": 0},
        "return_logprob": True,
        "logprob_start_len": list(first_tags),
        "token_ids_logprob": [list(pair) for pair in labels],
    }


def classify_body(texts: Sequence[Sequence[int]], rids: Sequence[str] | None) -> dict[str, Any]:
    """Ask a reward head for its logits after each text."""
    body: dict[str, Any] = {"input_ids": [list(tokens) for tokens in texts]}
    return body if rids is None else {"rid": list(rids), **body}


def read_usage(answer: Any) -> tuple[int, int]:
    """How many tokens a prompt had, and how many of them were cached."""
    return read_prompt_tokens(answer), _field(_field(answer, "meta_info", dict), "cached_tokens", int)


def read_prompt_tokens(answer: Any) -> int:
    """How many tokens a prompt had. A reward head's answer does not say how many of them were cached."""
    return _field(_field(answer, "meta_info", dict), "prompt_tokens", int)


def read_generation(
    answer: Any, request: GenerateRequest, codec: TextCodec, *, shortened: bool, extra_tokens: int
) -> GenerateResult:
    """The result of a generation.

    Args:
        answer: the server's.
        request: what was asked for.
        codec: of the server's tokenizer.
        shortened: whether the server was asked for fewer tokens than the request, because the context ends.
        extra_tokens: computed before, to be paid for by this request: they count as not cached.

    Raises:
        RetryableError: the answer is not what a server should give, or the server gave the request up.
    """
    usage = _finished(answer)
    tokens = tuple(_field(answer, "output_ids", list))
    if not {*map(type, tokens)} <= {int}:
        raise RetryableError("the server's answer has an output_ids that are not token ids")
    reason = _field(usage, "finish_reason", dict)
    kind, matched = reason.get("type"), reason.get("matched")
    if kind == "stop" and isinstance(matched, str):
        if matched not in request.stop:  # it says so of logits that are not numbers
            raise RetryableError(f"the server ended the text for a reason of its own: {matched!r}")
        text = codec.decode(tokens)
        end = text.find(matched)
        text = text[:end] if end >= 0 else _field(answer, "text", str)
        kept, finish = codec.cut(tokens, text), FinishReason.STOP
    elif kind == "stop":
        # The token that ended it may or may not be among those given.
        kept = tokens[:-1] if tokens and tokens[-1] == matched else tokens
        text, finish = codec.decode(kept), FinishReason.END
    elif kind == "length":
        kept, text = tokens, codec.decode(tokens)
        finish = FinishReason.CONTEXT if shortened else FinishReason.LENGTH
    else:
        raise RetryableError(f"the server's answer has an unknown finish_reason: {kind!r}")
    prompt, cached = read_usage(answer)
    return GenerateResult(
        prefix=codec.extended(request.prefix, text, kept),
        finish=finish,
        usage=Usage(
            prompt_tokens=prompt,
            cached_tokens=max(cached - extra_tokens, 0),
            generated_tokens=_field(usage, "completion_tokens", int),
        ),
    )


def read_labels(answer: Any, tags: Sequence[int], length: int, labels: tuple[int, int]) -> tuple[float, ...]:
    """The score at each tag: softmax over two labels, the first of them good.

    Row i of ``input_token_ids_logprobs`` is about token i, so a tag's is the row after it, or the first row
    of ``output_token_ids_logprobs`` where the tag is the last token. The rows begin at the first tag.

    Args:
        answer: the server's.
        tags: positions in the text, in rising order, of which the first was the request's.
        length: tokens in the text.
        labels: token ids, good and bad.

    Raises:
        RetryableError: a row is missing or is no pair of numbers, or the server gave the request up.
    """
    usage = _finished(answer)
    rows = [
        *_field(usage, "input_token_ids_logprobs", list),
        *_field(usage, "output_token_ids_logprobs", list)[:1],
    ]
    if len(rows) != length - tags[0] + 1:
        raise RetryableError(f"the server's answer has {len(rows)} rows of log-probabilities")
    scores: list[float] = []
    for tag in tags:
        good, bad = _log_probabilities(rows[tag + 1 - tags[0]], labels)
        scores.append(1 / (1 + math.exp(min(bad - good, 700.0))))
    return tuple(scores)


def _log_probabilities(row: Any, labels: tuple[int, int]) -> tuple[float, float]:
    try:
        found = {int(entry[1]): float(entry[0]) for entry in row}
        pair = found[labels[0]], found[labels[1]]
    except (TypeError, ValueError, IndexError, KeyError):
        raise RetryableError("the server's answer has no log-probabilities of the labels at a tag") from None
    if not all(map(math.isfinite, pair)):
        raise RetryableError(f"the server's log-probabilities at a tag are {pair}")
    return pair


def read_head(answer: Any) -> float:
    """The score of a reward head, `runtimes.base.HeadMean`: the sigmoid of its logit, or of the mean of its two.

    Raises:
        RetryableError: there are none, they are not numbers, or the server gave the request up.
    """
    _finished(answer)
    logits = _field(answer, "embedding", list)
    try:
        mean = sum(map(float, logits)) / len(logits)
        if len(logits) > _MOST_HEAD_ROWS:
            raise RequestRejected(f"the server gives {len(logits)} numbers a text, which are no reward's")
    except (TypeError, ValueError, ZeroDivisionError):
        raise RetryableError(f"the server's answer has no score: {str(logits)[:80]}") from None
    if not math.isfinite(mean):
        raise RetryableError(f"the server's score is {mean}")
    return 1 / (1 + math.exp(-max(min(mean, 700.0), -700.0)))


def _finished(answer: Any) -> dict[str, Any]:
    """What is said beside an answer, unless the server gave the request up.

    Raises:
        RetryableError: it did.
    """
    usage: dict[str, Any] = _field(answer, "meta_info", dict)
    reason = _field(usage, "finish_reason", dict)
    if reason.get("type") == "abort":  # by us, which the caller knows, or by somebody else
        counts = (usage.get(name) for name in ("prompt_tokens", "cached_tokens", "completion_tokens"))
        prompt, cached, generated = (count if isinstance(count, int) else 0 for count in counts)
        raise RetryableError(
            f"the server gave it up: {reason.get('message') or 'aborted'}",
            usage=Usage(prompt_tokens=prompt, cached_tokens=min(cached, prompt), generated_tokens=generated),
        )
    return usage


def _field(record: Any, name: str, kind: type[T]) -> T:
    value = record.get(name) if isinstance(record, dict) else None
    if not isinstance(value, kind):
        raise RetryableError(f"the server's answer has no {name}")
    return value
