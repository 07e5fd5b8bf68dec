"""What every runtime is: requests in, results out as each is ready, and errors that say whether to retry.

RuntimeFailure
  + RetryableError      the same request may succeed later: an overloaded server, a broken answer
      - ServerUnreachable   nobody answers there at the moment: the connection was refused or broke
  + RequestRejected     this request can never succeed: too long, empty, ids outside the vocabulary
  + RequestAborted      the request was given up on purpose
  + RuntimeGone         the runtime is gone: nothing sent to it will be answered again
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Protocol, Self, TypeAlias, runtime_checkable

__all__ = [
    "BEGINNING_OF_SEQUENCE",
    "AppliesChatTemplate",
    "Capabilities",
    "ChatPrompt",
    "Deliver",
    "FinishReason",
    "GenerateRequest",
    "GenerateResult",
    "HeadLabel",
    "HeadMean",
    "Load",
    "ModelSize",
    "Prefix",
    "Readout",
    "ReportsLoad",
    "Request",
    "RequestAborted",
    "RequestRejected",
    "Result",
    "RetryableError",
    "Runtime",
    "RuntimeFailure",
    "RuntimeGone",
    "ScoreRequest",
    "ScoreResult",
    "ServerUnreachable",
    "TokenLabels",
    "Usage",
    "failure_concerning",
]


BEGINNING_OF_SEQUENCE = "\x02beginning of sequence\x03"
"""In markup, the token that a model's texts begin with; nothing where it has none."""


@dataclass(frozen=True, slots=True, eq=False, weakref_slot=True)
class Prefix:
    """A text shared by everything that continues it: a linked list of segments, newest last.

    Two prefixes are equal only if they are the same object, so that a runtime can keep what it knows of one
    (token ids, keys and values) for exactly as long as some tree still uses it.

    ``token_ids`` are the segment's tokens where the policy itself produced others than its text is encoded to;
    elsewhere None, and the runtime encodes ``text`` on its own. So a text is continued in the tokens it was
    written in. In ``markup`` the spelling of a special token means that token, and `BEGINNING_OF_SEQUENCE` the
    model's own, if it has one; elsewhere it is text like any other.
    """

    text: str
    parent: Prefix | None = None
    token_ids: tuple[int, ...] | None = field(default=None, repr=False)
    markup: bool = False

    def extend(self, text: str, token_ids: tuple[int, ...] | None = None, *, markup: bool = False) -> Prefix:
        """The prefix that adds one segment to this one."""
        return Prefix(text, self, token_ids, markup)

    def segments(self) -> Iterator[Prefix]:
        """This prefix and those it continues, newest first."""
        prefix: Prefix | None = self
        while prefix is not None:
            yield prefix
            prefix = prefix.parent

    def full_text(self) -> str:
        """The text from the very beginning."""
        return "".join([segment.text for segment in self.segments()][::-1])


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenLabels:
    """Read a step's score as softmax over two tokens, ``good`` against ``bad``, after its last token.

    This is how Math-Shepherd's reward models are read (Wang et al., arXiv 2312.08935).
    """

    good: str
    bad: str


@dataclass(frozen=True, slots=True, kw_only=True)
class HeadMean:
    """Read a step's score as the sigmoid of the mean of a reward head's logits at its last token.

    The REBASE reference's reward model has a language-model head of two rows (``hf_score.py``:
    ``logits.mean(dim=-1).sigmoid()``); of a head with one row it is the sigmoid of that.
    """


@dataclass(frozen=True, slots=True, kw_only=True)
class HeadLabel:
    """Read a step's score as the probability of one ``row`` of a reward head, softmax over all of them."""

    row: int


Readout: TypeAlias = TokenLabels | HeadMean | HeadLabel


class FinishReason(enum.Enum):
    """Why a generation ended."""

    STOP = "stop"
    """A stop string appeared; it is not part of the text."""
    END = "end"
    """The model ended the sequence by itself."""
    LENGTH = "length"
    """``max_new_tokens`` were generated."""
    CONTEXT = "context"
    """The model's context is full: nothing can continue this text."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class GenerateRequest:
    """Continue a prefix. The sequence drawn depends on ``prefix`` and ``seed`` alone.

    ``max_new_tokens`` counts tokens; ``temperature`` 0 takes the likeliest token every time; ``top_p`` keeps
    the smallest set of tokens with at least that probability; generation ends before any of ``stop``.
    """

    prefix: Prefix
    seed: int
    max_new_tokens: int
    temperature: float = 1.0
    top_p: float = 1.0
    stop: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """Tokens that a model has worked on for a request.

    ``prompt_tokens`` in the whole prefix, ``cached_tokens`` of them taken from a cache, ``generated_tokens`` newly
    drawn, those of a stop string or end of sequence included.
    """

    prompt_tokens: int = 0
    cached_tokens: int = 0
    generated_tokens: int = 0

    @property
    def new_tokens(self) -> int:
        """Tokens that were computed: all but the cached ones."""
        return self.prompt_tokens - self.cached_tokens + self.generated_tokens


@dataclass(frozen=True, slots=True, kw_only=True)
class GenerateResult:
    """A finished continuation: ``prefix`` is the request's prefix extended by ``text``."""

    prefix: Prefix
    finish: FinishReason
    usage: Usage

    @property
    def text(self) -> str:
        """The continuation, without the stop string that ended it."""
        return self.prefix.text


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ScoreRequest:
    """Score a text at the last token of each of some prefixes, as ``readout`` says.

    ``reads`` are these prefixes, each but the last on the way to the next.
    """

    reads: tuple[Prefix, ...]
    readout: Readout

    @property
    def prefix(self) -> Prefix:
        """The whole text."""
        return self.reads[-1]


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoreResult:
    """One score in [0, 1] per prefix asked for, in that order."""

    scores: tuple[float, ...]
    usage: Usage


Request: TypeAlias = GenerateRequest | ScoreRequest
Result: TypeAlias = GenerateResult | ScoreResult


class RuntimeFailure(Exception):
    """A runtime could not answer a request. ``request`` is the one concerned, None where it is all of them.

    ``usage`` is what it took all the same, as far as that is known.
    """

    def __init__(self, message: str, *, request: Request | None = None, usage: Usage = Usage()) -> None:
        super().__init__(message)
        self.request = request
        self.usage = usage


class RetryableError(RuntimeFailure):
    """The same request may succeed if it is sent again."""


class ServerUnreachable(RetryableError):
    """Nobody answers at the server's address; it may come back."""


class RequestRejected(RuntimeFailure):
    """The request can never succeed."""


class RequestAborted(RuntimeFailure):
    """The request was given up by the one who sent it."""


class RuntimeGone(RuntimeFailure):
    """The runtime will not answer anything any more."""


def failure_concerning(failure: RuntimeFailure, request: Request) -> RuntimeFailure:
    """A failure of several requests, told of one of them.

    A runtime's own subclasses may be made otherwise than these, so the nearest one known here stands for them.
    """
    kinds = (ServerUnreachable, RetryableError, RequestRejected, RequestAborted, RuntimeGone)
    kind = next((kind for kind in kinds if isinstance(failure, kind)), RuntimeFailure)
    told = kind(str(failure), request=request, usage=failure.usage if failure.request in (None, request) else Usage())
    told.__cause__ = failure
    return told


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelSize:
    """What makes a model's tokens expensive.

    ``parameters`` are those that a token is multiplied with: all but the input embedding, and of experts those that
    a token passes through. ``attention_width`` is the sum over layers of heads times their dimension.
    """

    parameters: int
    attention_width: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Capabilities:
    """What a runtime can do, as far as a scheduler or a reward model must know.

    ``model`` names what it serves; ``honours_seeds`` is True when equal seeds give equal text whatever else is in the
    batch; ``aborts`` when `Runtime.abort` frees resources at once; ``largest_batch`` is the number of requests that
    are useful in flight, and ``batch_is_guessed`` says that nobody knows it; ``kv_tokens`` is the number of tokens
    that its cache of keys and values can hold, None if unknown; ``output_rows`` the width of the model's output (the
    vocabulary, or the rows of a reward head), None if unknown; ``reward_format`` the name of the format its reward
    model was trained with, None if it does not say; ``architecture`` the model's class, ``size`` what its tokens
    cost, and ``fingerprint`` what tells its weights from others, each None if unknown.
    """

    model: str
    honours_seeds: bool
    aborts: bool
    largest_batch: int
    batch_is_guessed: bool = False
    kv_tokens: int | None = None
    output_rows: int | None = None
    reward_format: str | None = None
    architecture: str | None = None
    size: ModelSize | None = None
    fingerprint: str | None = None


@dataclass(frozen=True, slots=True)
class Load:
    """Requests that a model works on, and those that wait for it."""

    running: int
    waiting: int


Deliver: TypeAlias = Callable[[Request, Result | RuntimeFailure], None]
"""Called once per request, on the event loop, as soon as its outcome is known. Must not block."""


@runtime_checkable
class Runtime(Protocol):
    """A model somewhere that generates, scores, or both. Open it with ``async with`` before use."""

    @property
    def capabilities(self) -> Capabilities:
        """What this runtime can do; known once it is open."""
        ...

    async def __aenter__(self) -> Self: ...

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None: ...

    async def generate(self, requests: Sequence[GenerateRequest], deliver: Deliver) -> None:
        """Generate for each request and deliver each outcome as soon as it is there.

        Returns when every outcome has been delivered. A failure that concerns one request is delivered, one
        that concerns all is raised. Cancelling the call gives up the requests not yet delivered.
        """
        ...

    async def score(self, requests: Sequence[ScoreRequest], deliver: Deliver) -> None:
        """Score each request; otherwise as `generate`."""
        ...

    async def abort(self, requests: Sequence[Request]) -> None:
        """Give up requests in flight. Each is still delivered, as `RequestAborted` unless it was done already."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class ChatPrompt:
    """What a chat template makes of messages: a text, and which ``special_tokens`` are spelled out in it."""

    text: str
    special_tokens: tuple[str, ...]


@runtime_checkable
class AppliesChatTemplate(Protocol):
    """A runtime that knows its model's chat template."""

    def apply_chat_template(self, messages: Sequence[Mapping[str, str]]) -> ChatPrompt | None:
        """The prompt for an answer to messages, each with a ``role`` and its ``content``; None without a template.

        Raises:
            RequestRejected: the template does not take such messages.
            RuntimeGone: the runtime is not open.
        """
        ...


@runtime_checkable
class ReportsLoad(Protocol):
    """A runtime that can be asked how busy its model is."""

    async def load(self) -> Load | None:
        """What it is at just now, None if that is not known.

        Raises:
            RuntimeFailure: it does not answer.
        """
        ...
