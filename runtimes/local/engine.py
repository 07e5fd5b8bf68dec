"""The computation behind the local runtime: a decode loop that sequences join and leave, and step scores.

An engine is used by one thread at a time. It knows nothing of asyncio.
"""

from __future__ import annotations

import math
import threading
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import accumulate
from typing import TypeVar

import numpy as np
import torch
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from runtimes.base import (
    FinishReason,
    GenerateRequest,
    GenerateResult,
    HeadLabel,
    HeadMean,
    Prefix,
    Readout,
    Request,
    RequestAborted,
    RequestRejected,
    Result,
    RuntimeFailure,
    ScoreRequest,
    ScoreResult,
    Usage,
)
from runtimes.local.cache import BatchCache, PrefixStore, Segment
from runtimes.local.chain import Chain
from runtimes.local.forward import Forward
from runtimes.local.prefill import Goal, Prefill
from runtimes.local.sampling import draw_tokens, uniforms
from runtimes.text import TextCodec

__all__ = ["Engine", "Outcome"]

Outcome = tuple[Request, Result | RuntimeFailure]

RequestT = TypeVar("RequestT", bound=Request)

_SCORES_PER_TURN = 32
"""Score requests taken at a time, so that neither the decode loop nor a Ctrl-C waits long for them."""

_SCORE_DECIMALS = 7
"""Scores are rounded to hide how the last bits depend on the batch."""


@dataclass(slots=True, eq=False)
class _Sequence:
    """A generation in a row of the batch. ``last`` is the token whose keys and values are not computed yet."""

    request: GenerateRequest
    chain: Chain
    cached_tokens: int
    limit: int
    last: int
    tokens: list[int] = field(default_factory=list)

    @property
    def length(self) -> int:
        """Tokens so far, prefix included."""
        return self.chain.length + len(self.tokens)


@dataclass(slots=True, eq=False)
class _Scoring:
    """A score request under way: the positions whose outputs are read."""

    request: ScoreRequest
    chain: Chain
    positions: list[int]
    cached_tokens: int


class Engine:
    """A causal language model that generates and scores, over a store of prefixes.

    Args:
        model: in evaluation mode, on its device.
        tokenizer: the model's.
        context_length: tokens that a sequence may have.
        end_tokens: ids that end a sequence.
        rows: sequences generated at the same time.
        cache_bytes: bound on the keys and values kept for prefixes.
    """

    def __init__(
        self,
        model: PreTrainedModel,
        tokenizer: PreTrainedTokenizerBase,
        *,
        context_length: int,
        end_tokens: Iterable[int],
        rows: int,
        cache_bytes: int,
    ) -> None:
        self.name = str(model.name_or_path)
        self.context_length = context_length
        self.rows = rows
        self.on_cpu = model.device.type == "cpu"
        self._forward = Forward(model, context_length=context_length)
        self.codec = TextCodec(tokenizer)
        self._end_tokens = frozenset(end_tokens)
        self._store = PrefixStore(cache_bytes)
        self._prefill = Prefill(self._forward, self._store)
        self._batch = BatchCache(self._forward.layers)
        self._running: list[_Sequence] = []
        self._waiting: deque[GenerateRequest] = deque()
        self._scores_waiting: deque[ScoreRequest] = deque()
        self._aborted: deque[Request] = deque()
        self._outcomes: deque[Outcome] = deque()
        self._at_work = threading.Lock()

    def submit(self, requests: Iterable[Request]) -> None:
        """Queue requests. May be called from another thread than `advance`."""
        for request in requests:
            if isinstance(request, ScoreRequest):
                self._scores_waiting.append(request)
            else:
                self._waiting.append(request)

    def abort(self, requests: Iterable[Request]) -> None:
        """Give up requests at the next turn. May be called from another thread than `advance`."""
        self._aborted.extend(requests)

    @torch.inference_mode()
    def advance(self, turns: int = 4) -> None:
        """Work for a while: take what is queued, then decode until something is finished, ``turns`` at most.

        What is finished is left for `collect`. A second thread waits until the first is through.
        """
        with self._at_work:
            self._take_turns(turns)

    def collect(self) -> Iterator[Outcome]:
        """Hand out what is finished, each once. May be called from another thread than `advance`."""
        while self._outcomes:
            yield self._outcomes.popleft()

    def _take_turns(self, turns: int) -> None:
        for _ in range(turns):
            self._drop_aborted()
            self._admit()
            if self._running and not self._outcomes:
                self._decode()
            if self._outcomes or not (self._running or self._scores_waiting):
                break

    # What comes in.

    def _drop_aborted(self) -> None:
        aborted: set[Request] = set()
        while self._aborted:
            aborted.add(self._aborted.popleft())
        if not aborted:
            return
        for row in reversed(range(len(self._running))):
            if self._running[row].request in aborted:
                given_up = self._running[row]
                self._finish(row, RequestAborted("aborted", request=given_up.request, usage=_usage_of(given_up)))
        self._drop(self._waiting, aborted)
        self._drop(self._scores_waiting, aborted)

    def _drop(self, waiting: deque[RequestT], aborted: set[Request]) -> None:
        for _ in range(len(waiting)):
            request = waiting.popleft()
            if request in aborted:
                self._outcomes.append((request, RequestAborted("aborted", request=request)))
            else:
                waiting.append(request)

    def _admit(self) -> None:
        """Start what is queued: some scores, and as many generations as there are rows."""
        sequences: list[_Sequence] = []
        scorings: list[_Scoring] = []
        claimed: set[Prefix] = set()
        while self._scores_waiting and len(scorings) < _SCORES_PER_TURN:
            scored = self._scores_waiting.popleft()
            try:
                scorings.append(self._prepare_scoring(scored, claimed))
            except RequestRejected as rejection:
                self._outcomes.append((scored, rejection))
        while self._waiting and len(self._running) + len(sequences) < self.rows:
            generated = self._waiting.popleft()
            try:
                sequences.append(self._prepare_sequence(generated, claimed))
            except RequestRejected as rejection:
                self._outcomes.append((generated, rejection))
        if sequences or scorings:
            self._compute_prefixes(sequences, scorings)
            self._start(sequences)
            self._store.shrink()  # not before: what was found in the store must stay until it is copied

    def _chain(self, prefix: Prefix, request: Request) -> Chain:
        prefixes = [*prefix.segments()][::-1]
        segments: list[Segment] = []
        for part in prefixes:
            segment = self._store.get(part)
            if segment is None:
                segment = self._store.add(part, self.codec.encode_segment(part))
            self._store.touch(segment)
            segments.append(segment)
        chain = Chain(prefixes, segments)
        if not chain.length:
            raise RequestRejected("the prompt is empty", request=request)
        if chain.length + isinstance(request, GenerateRequest) > self.context_length:
            raise RequestRejected(
                f"the prompt has {chain.length} tokens; the context of {self.name} has {self.context_length}",
                request=request,
            )
        return chain

    def _prepare_sequence(self, request: GenerateRequest, claimed: set[Prefix]) -> _Sequence:
        chain = self._chain(request.prefix, request)
        if request.max_new_tokens < 1:
            raise RequestRejected(f"max_new_tokens is {request.max_new_tokens}", request=request)
        limit = min(request.max_new_tokens, self.context_length - chain.length)
        cached = min(chain.claim(claimed), chain.length - 1)
        return _Sequence(request, chain, cached, limit, last=chain.slice(chain.length - 1, chain.length)[0])

    def _prepare_scoring(self, request: ScoreRequest, claimed: set[Prefix]) -> _Scoring:
        chain = self._chain(request.prefix, request)
        ends = dict(zip(chain.prefixes, accumulate(len(segment.tokens) for segment in chain.segments), strict=True))
        positions = [ends[prefix] - 1 for prefix in request.reads]
        return _Scoring(request, chain, positions, min(chain.claim(claimed), positions[0]))

    def _compute_prefixes(self, sequences: Sequence[_Sequence], scorings: Sequence[_Scoring]) -> None:
        """Compute what the store does not have, and read all scores."""
        by_goal = {Goal(one.chain, one.chain.length, one.positions): one for one in scorings}
        # The last token of a prompt is computed with the first that is drawn.
        goals = [*by_goal, *(Goal(one.chain, one.chain.length - 1) for one in sequences)]
        for goal, logits in self._prefill.reach(goals):
            scoring = by_goal[goal]
            self._outcomes.append((scoring.request, self._score(scoring, logits)))

    def _score(self, scoring: _Scoring, logits: torch.Tensor) -> ScoreResult | RequestRejected:
        scores = self._read(logits, scoring.request.readout)
        if not all(map(math.isfinite, scores)):
            return RequestRejected("the model's score is not a number", request=scoring.request)
        return ScoreResult(
            scores=scores, usage=Usage(prompt_tokens=scoring.chain.length, cached_tokens=scoring.cached_tokens)
        )

    def _read(self, logits: torch.Tensor, readout: Readout) -> tuple[float, ...]:
        logits = logits.double()
        if isinstance(readout, HeadMean):
            scores = logits.mean(dim=-1).sigmoid()
        elif isinstance(readout, HeadLabel):
            scores = logits.softmax(dim=-1)[:, readout.row]
        else:
            labels = [self.codec.label(readout.good), self.codec.label(readout.bad)]
            scores = logits[:, labels].softmax(dim=-1)[:, 0]
        return tuple(round(score, _SCORE_DECIMALS) for score in scores.tolist())

    # Generation.

    def _start(self, sequences: Sequence[_Sequence]) -> None:
        if not sequences:
            return
        longest = max(sequence.chain.length for sequence in sequences)
        self._batch.reserve(len(self._running) + len(sequences), longest)
        for sequence in sequences:
            sequence.chain.load_into(self._batch, len(self._running), sequence.chain.length - 1)
            self._running.append(sequence)

    def _decode(self) -> None:
        """Draw one token for every running sequence."""
        running = self._running
        device = self._forward.device
        self._batch.reserve(len(running), max(sequence.length for sequence in running))
        tokens = torch.tensor([[sequence.last] for sequence in running], device=device)
        positions = torch.tensor([[sequence.length - 1] for sequence in running], device=device)
        logits = self._forward(tokens, positions, self._batch, 1)[:, -1]
        requests = [sequence.request for sequence in running]
        numbers = uniforms(
            np.array([request.seed for request in requests], np.uint64),
            np.array([len(sequence.tokens) for sequence in running], np.uint64),
        )
        drawn = draw_tokens(
            logits,
            torch.tensor([request.temperature for request in requests], dtype=torch.float64, device=device),
            torch.tensor([request.top_p for request in requests], dtype=torch.float64, device=device),
            torch.as_tensor(numbers, device=device),
        ).tolist()
        sound: list[bool] = logits.isfinite().all(dim=-1).tolist()
        for row in reversed(range(len(running))):
            sequence, token = running[row], drawn[row]
            if not sound[row]:
                self._finish(row, RequestRejected("the model's logits are not numbers", request=sequence.request))
                continue
            sequence.tokens.append(token)
            sequence.last = token
            if (result := self._result_of(sequence)) is not None:
                self._keep(row, result.prefix)
                self._finish(row, result)
        if not all(sound):
            self._batch.heal()
            self._prefill.heal()  # where the prompt may have been no better
        self._store.shrink()

    def _result_of(self, sequence: _Sequence) -> GenerateResult | None:
        """The result of a sequence that has just ended, None where it goes on."""
        tokens, stops = sequence.tokens, sequence.request.stop
        ended = tokens[-1] in self._end_tokens
        if not ended and stops:
            # The last token completes a stop string only if it contributes that string's last character.
            piece = self.codec.piece(tokens[-1])
            if any(stop[-1] in piece for stop in stops) or "\ufffd" in piece:
                text = self.codec.decode(tokens)
                ends = [found for stop in stops if (found := text.find(stop)) >= 0]
                if ends:
                    text = text[: min(ends)]
                    return self._make_result(sequence, text, self.codec.cut(tokens, text), FinishReason.STOP)
        if ended:
            return self._make_result(sequence, self.codec.decode(tokens[:-1]), tuple(tokens[:-1]), FinishReason.END)
        if len(tokens) >= sequence.limit:
            full = sequence.length >= self.context_length
            finish = FinishReason.CONTEXT if full else FinishReason.LENGTH
            return self._make_result(sequence, self.codec.decode(tokens), tuple(tokens), finish)
        return None

    def _make_result(
        self, sequence: _Sequence, text: str, tokens: tuple[int, ...], finish: FinishReason
    ) -> GenerateResult:
        return GenerateResult(
            prefix=self.codec.extended(sequence.request.prefix, text, tokens),
            finish=finish,
            usage=_usage_of(sequence),
        )

    def _keep(self, row: int, prefix: Prefix) -> None:
        """Remember the keys and values of a finished row, for the sequences that will continue it."""
        sequence = self._running[row]
        tokens = self.codec.encode_segment(prefix)
        segment = self._store.add(prefix, tokens)
        same = 0  # a stop string inside a token leaves tokens that were never computed
        for kept, drawn in zip(tokens, sequence.tokens[:-1], strict=False):
            if kept != drawn:
                break
            same += 1
        begin = sequence.chain.length
        chain = Chain([*sequence.chain.prefixes, prefix], [*sequence.chain.segments, segment])
        chain.save_from(self._batch, row, begin - 1, begin + same, self._store)

    def _finish(self, row: int, outcome: Result | RuntimeFailure) -> None:
        """Take a sequence out of the batch; the last row takes its place."""
        self._outcomes.append((self._running[row].request, outcome))
        last = self._running.pop()
        if row < len(self._running):
            self._batch.move(len(self._running), row, last.length)
            self._running[row] = last


def _usage_of(sequence: _Sequence) -> Usage:
    return Usage(
        prompt_tokens=sequence.chain.length,
        cached_tokens=sequence.cached_tokens,
        generated_tokens=len(sequence.tokens),
    )
