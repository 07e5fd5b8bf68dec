"""What an SGLang server says of itself."""

from __future__ import annotations

from dataclasses import dataclass

from anyio import to_thread

from runtimes.base import Capabilities, Load, RequestRejected, RuntimeGone, ScoreRequest, TokenLabels
from runtimes.http import JsonSession
from runtimes.model_files import find_model, read_model_config, weights_fingerprint
from runtimes.model_size import model_size
from runtimes.text import TextCodec
from runtimes.tokens import PrefixTokens

__all__ = ["Server", "meet_server", "read_load"]

_MODEL_INFO, _ROUTER_MODEL_INFO, _LOADS = "/model_info", "/get_model_info", "/v1/loads"
_LARGEST_BATCH = 256
"""Requests in flight to begin with, where a server says that it runs more, or nothing."""

_EMBEDDING_ROWS = 1
_UNKNOWN_LENGTH = 1 << 30
_RESERVED_TOKENS = 6
"""What a prompt must leave of the context (``max_req_input_len`` of SGLang 0.5)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """A server that has answered.

    A prompt may have fewer than ``prompt_limit`` tokens, and with what is generated ``context_length``;
    token ids are below ``vocabulary_size``. ``has_head`` is True of reward models that give one score per text, and
    ``about`` is where it says that it is there.
    """

    capabilities: Capabilities
    about: str
    tokens: PrefixTokens
    context_length: int
    prompt_limit: int
    vocabulary_size: int
    has_head: bool

    def checked(self, tokens: list[int]) -> list[int]:
        """The tokens of a prompt, if the server can take them: some of those that it cannot would end it.

        Raises:
            RequestRejected: there are none, too many, or ids outside the vocabulary.
        """
        if not tokens:
            raise RequestRejected("the prompt is empty")
        if len(tokens) >= self.prompt_limit:
            raise RequestRejected(
                f"the prompt has {len(tokens)} tokens; {self.capabilities.model} takes {self.prompt_limit - 1}"
            )
        if not 0 <= min(tokens) <= max(tokens) < self.vocabulary_size:
            raise RequestRejected(f"the prompt has token ids outside the vocabulary of {self.vocabulary_size}")
        return tokens

    def labels(self, request: ScoreRequest) -> tuple[int, int]:
        """The token ids that a request's scores are read from, good and bad.

        Raises:
            RequestRejected: it is not read from tokens, which is all that this server can do.
        """
        if not isinstance(request.readout, TokenLabels):
            raise RequestRejected(
                "a head of several rows cannot be read from an SGLang server; 'asyncsearch convert-reward' makes one "
                "that can, and the local runtime reads it as it is"
            )
        return self.tokens.codec.label(request.readout.good), self.tokens.codec.label(request.readout.bad)


async def meet_server(session: JsonSession, *, tokenizer: str | None, largest_batch: int | None) -> Server:
    """Ask a server what it is and what it can do, and load its tokenizer.

    An sglang-router passes on what model it is and nothing more: the rest is taken from the model's configuration, as
    far as that can be read here, and there are no aborts.

    Raises:
        RuntimeFailure: it does not answer, is no SGLang server, or its tokenizer cannot be read.
    """
    try:
        about, model = _MODEL_INFO, await session.get(_MODEL_INFO)
        settings = await session.get("/server_info")
        loads = await session.get(_LOADS)
    except RuntimeGone:
        about, model, settings, loads = _ROUTER_MODEL_INFO, await session.get(_ROUTER_MODEL_INFO), {}, None
    try:
        path, names = str(model["model_path"]), str(model["tokenizer_path"])
        has_head = not model["is_generation"]
        ranks = [] if loads is None else loads["loads"]
        running = sum(int(rank["max_running_requests"]) for rank in ranks) or None
        held = sum(int(rank.get("max_total_num_tokens") or 0) for rank in ranks) or None
        directory = await to_thread.run_sync(find_model, path)
        config = await to_thread.run_sync(read_model_config, directory)
        context_length = int(settings.get("context_length") or config.get("max_position_embeddings") or _UNKNOWN_LENGTH)
        prompt_limit = int(settings.get("max_req_input_len") or context_length - _RESERVED_TOKENS)
    except (AttributeError, TypeError, KeyError, IndexError, ValueError) as error:
        raise RuntimeGone(f"{session.address} does not answer as an SGLang server of version 0.5 does") from error
    codec, vocabulary_size = await to_thread.run_sync(_load_tokenizer, tokenizer or names)
    vocabulary_size = int(config.get("vocab_size", vocabulary_size))
    return Server(
        capabilities=Capabilities(
            model=path,
            honours_seeds=bool(settings.get("enable_deterministic_inference")),
            aborts=loads is not None,
            largest_batch=largest_batch or min(running or _LARGEST_BATCH, _LARGEST_BATCH),
            batch_is_guessed=largest_batch is None and (running is None or running > _LARGEST_BATCH),
            kv_tokens=held,
            output_rows=_EMBEDDING_ROWS if has_head else vocabulary_size,
            reward_format=config.get("reward_format"),
            architecture=next(iter(model.get("architectures") or config.get("architectures") or ()), None),
            size=model_size(config, output_rows=_EMBEDDING_ROWS if has_head else None),
            fingerprint=await to_thread.run_sync(weights_fingerprint, directory),
        ),
        about=about,
        tokens=PrefixTokens(codec),
        context_length=context_length,
        prompt_limit=prompt_limit,
        vocabulary_size=vocabulary_size,
        has_head=has_head,
    )


async def read_load(session: JsonSession) -> Load:
    """What a server has to do, on all its ranks.

    Raises:
        RuntimeFailure: it does not say.
    """
    answer = await session.get(_LOADS)
    try:
        ranks = answer["loads"]
        return Load(
            running=sum(int(rank["num_running_reqs"]) for rank in ranks),
            waiting=sum(int(rank["num_waiting_reqs"]) for rank in ranks),
        )
    except (TypeError, KeyError, ValueError) as error:
        raise RuntimeGone(f"{session.address} does not say what it has to do") from error


def _load_tokenizer(name: str) -> tuple[TextCodec, int]:
    from transformers import AutoTokenizer  # noqa: PLC0415 - slow to import, and not needed to name a runtime

    try:
        tokenizer = AutoTokenizer.from_pretrained(name)
    except (OSError, ValueError) as error:
        reason = str(error).partition("\n")[0]
        raise RuntimeGone(f"the server's tokenizer {name!r} cannot be read here: {reason}") from error
    return TextCodec(tokenizer), len(tokenizer)
