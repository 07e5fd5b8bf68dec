"""A Hugging Face causal language model, served to the scheduler from a worker thread of this process."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import anyio
import torch
from anyio import to_thread

from runtimes.base import Capabilities, ChatPrompt, Deliver, GenerateRequest, Request, RuntimeGone, ScoreRequest
from runtimes.local.cache import token_bytes
from runtimes.local.cpu_thread import run_on_cpu_thread
from runtimes.local.engine import Engine
from runtimes.local.heads import head_rows
from runtimes.local.loading import SMALL_MODEL_PARAMETERS, context_length, load_model
from runtimes.model_files import weights_fingerprint
from runtimes.model_size import model_size
from runtimes.opening import SharedOpening

__all__ = ["LocalRuntime"]


class LocalRuntime(SharedOpening):
    """Generates and scores with any causal language model directory, batching continuously.

    Sequences join and leave the batch as they come and end; forks of one prefix share its computation, and
    a prefix's keys and values are kept while a tree still uses it, so that a new step costs only its own
    tokens.

    What is drawn depends on seed and prefix. Floating-point sums depend on the shape of the batch in their
    last bits, though, and in float32 that can change a token. So models of less than 50 million parameters
    run in float64 on a CPU, where it takes a coincidence of about one in 10^11 per token to matter; larger
    ones, and those on a GPU, keep their own type, and there equal seeds give equal text only as long as
    batches are equal too. ``capabilities.honours_seeds`` says which.

    Args:
        directory: of a Hugging Face causal language model with its tokenizer.
        dtype: one of `runtimes.local.loading.DTYPES`; ``"auto"`` as above.
        device: ``"auto"`` (a GPU if there is one), or what torch calls it.
        rows: sequences generated at the same time; by default 256 for small models, 32 for others.
        cache_bytes: bound on keys and values kept for prefixes.
        trust_remote_code: run code that the model's directory brings. Off unless asked for.
    """

    def __init__(
        self,
        directory: str | Path,
        *,
        dtype: str = "auto",
        device: str = "auto",
        rows: int | None = None,
        cache_bytes: int = 2 << 30,
        trust_remote_code: bool = False,
    ) -> None:
        super().__init__()
        self.directory = Path(directory)
        self._dtype = dtype
        self._device = device
        self._rows = rows
        self._cache_bytes = cache_bytes
        self._trust_remote_code = trust_remote_code
        self._engine: Engine | None = None
        self._turn = anyio.Lock()
        self._delivers: dict[Request, Deliver] = {}

    def __repr__(self) -> str:
        return f"LocalRuntime({str(self.directory)!r})"

    async def _open(self) -> Capabilities:
        """Load the model.

        Raises:
            ModelLoadError: the directory holds none that can be served.
        """
        return await run_on_cpu_thread(self._load)

    async def _close(self) -> None:
        self._engine = None

    async def generate(self, requests: Sequence[GenerateRequest], deliver: Deliver) -> None:
        """See `runtimes.base.Runtime.generate`."""
        await self._serve(requests, deliver)

    async def score(self, requests: Sequence[ScoreRequest], deliver: Deliver) -> None:
        """See `runtimes.base.Runtime.score`."""
        await self._serve(requests, deliver)

    async def abort(self, requests: Sequence[Request]) -> None:
        """See `runtimes.base.Runtime.abort`."""
        if self._engine is not None:
            self._engine.abort([request for request in requests if request in self._delivers])

    def apply_chat_template(self, messages: Sequence[Mapping[str, str]]) -> ChatPrompt | None:
        """See `runtimes.base.AppliesChatTemplate`."""
        if self._engine is None:
            raise RuntimeGone(f"{self!r} is not open")
        return self._engine.codec.apply_chat_template(messages)

    async def _serve(self, requests: Sequence[Request], deliver: Deliver) -> None:
        """Have requests computed.

        Whoever holds the turn drives the engine for everybody, until its own requests are done; so there is
        no background task that could outlive its owner.
        """
        engine = self._engine
        if engine is None:
            raise RuntimeGone(f"{self!r} is not open")
        for request in requests:
            self._delivers[request] = deliver
        engine.submit(requests)
        try:
            async with self._turn:
                while any(request in self._delivers for request in requests):
                    await self._advance(engine)
                    for request, outcome in engine.collect():
                        if (waiting := self._delivers.pop(request, None)) is not None:
                            waiting(request, outcome)
        finally:
            left = [request for request in requests if self._delivers.pop(request, None) is not None]
            if left:
                engine.abort(left)

    async def _advance(self, engine: Engine) -> None:
        """Let the engine work on a thread. If it fails, everybody who waits for it fails, and it is not used again."""
        try:
            if engine.on_cpu:
                await run_on_cpu_thread(engine.advance)
            else:
                await to_thread.run_sync(engine.advance)
        except Exception as error:  # noqa: BLE001 - whatever a model raises: out of memory, above all
            self._engine = None
            reason = str(error).partition("\n")[0]
            gone = f"{self!r} failed: {type(error).__name__}: {reason}"
            delivers, self._delivers = self._delivers, {}
            for request, deliver in delivers.items():
                deliver(request, RuntimeGone(gone, request=request))

    def _load(self) -> Capabilities:
        model, tokenizer = load_model(
            self.directory, dtype=self._dtype, device=self._device, trust_remote_code=self._trust_remote_code
        )
        config = model.config.get_text_config()
        small = model.num_parameters() < SMALL_MODEL_PARAMETERS
        rows = self._rows or (256 if small else 32)
        end_tokens = {tokenizer.eos_token_id}
        configured = getattr(model.generation_config, "eos_token_id", None)
        end_tokens.update(configured if isinstance(configured, list) else [configured])
        self._engine = Engine(
            model,
            tokenizer,
            context_length=context_length(config),
            end_tokens={token for token in end_tokens if token is not None},
            rows=rows,
            cache_bytes=self._cache_bytes,
        )
        head = model.get_output_embeddings()
        rows_of_head = None if head is None else head_rows(head)
        return Capabilities(
            model=str(self.directory),
            honours_seeds=model.dtype == torch.float64,
            aborts=True,
            largest_batch=rows,
            kv_tokens=self._cache_bytes // token_bytes(config, model.dtype),
            output_rows=rows_of_head,
            reward_format=getattr(config, "reward_format", None),
            architecture=next(iter(config.architectures or ()), None),
            size=model_size(config.to_dict(), output_rows=rows_of_head),
            fingerprint=weights_fingerprint(self.directory),
        )
