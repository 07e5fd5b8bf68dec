"""What a model that nobody has thought of writes, and how it scores: by texts and seeds alone."""

from __future__ import annotations

import random
from dataclasses import dataclass
from hashlib import blake2b
from weakref import WeakKeyDictionary

from runtimes.base import FinishReason, GenerateRequest, Prefix, Request

__all__ = ["Oracle", "World", "tokens_in"]

_CHARACTERS = 4
"""A token has."""


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """How solutions look.

    A step has a log-normal number of tokens with median ``median_step_tokens`` and deviation ``spread`` of its
    logarithm, and a solution ``shortest`` to ``longest`` steps, of which the last states one of so many ``answers``.
    With ``padded`` a text is as long as its tokens, and otherwise only says which it is.
    """

    median_step_tokens: float = 20.0
    spread: float = 0.6
    shortest: int = 2
    longest: int = 7
    answers: int = 5
    padded: bool = False


class Oracle:
    """What comes of a request, known beforehand."""

    def __init__(self, world: World, *, seed: int) -> None:
        self._world = world
        self._seed = seed
        self._digests: WeakKeyDictionary[Prefix, bytes] = WeakKeyDictionary()

    def write(self, request: GenerateRequest) -> tuple[str, int, FinishReason]:
        """One step, or all that are left where there is no stop string; its tokens, and why it ends."""
        world = self._world
        source = self._source("write", request)
        text, tokens = "", 0
        done = sum(segment.text.count("Step ") for segment in request.prefix.segments() if segment.parent)
        finish = FinishReason.LENGTH
        while tokens < request.max_new_tokens:
            done += 1
            length = max(1, round(source.lognormvariate(0, world.spread) * world.median_step_tokens))
            tokens += length
            step = f"Step {done}: {source.getrandbits(32):08x}\n"
            last = done >= world.longest or (
                done >= world.shortest and source.random() < 1 / (world.longest - world.shortest)
            )
            if last:
                step += f"The answer is: {source.randrange(world.answers)}"
            if world.padded:  # in front of the rest, which says where the step ends
                step = f"Step {done}: {'.' * (_CHARACTERS * length - len(step) - 1)} {step[len(f'Step {done}: ') :]}"
            text += step
            if last or request.stop:
                finish = FinishReason.END if last else FinishReason.STOP
                break
        if tokens >= request.max_new_tokens:
            tokens, finish = request.max_new_tokens, FinishReason.LENGTH
        return text, tokens, finish

    def judge(self, prefix: Prefix) -> float:
        """The score of the step that a text ends with."""
        return random.Random(b"score" + self._digest(prefix)).random()

    def chance(self, purpose: str, request: Request) -> float:
        """A number in [0, 1) that every attempt of a request has in common."""
        seed = request.seed if isinstance(request, GenerateRequest) else len(request.reads)
        return random.Random(purpose.encode() + self._digest(request.prefix) + seed.to_bytes(8, "big")).random()

    def _source(self, purpose: str, request: GenerateRequest) -> random.Random:
        drawn = request.seed if request.temperature > 0 else 0
        return random.Random(purpose.encode() + self._digest(request.prefix) + drawn.to_bytes(8, "big"))

    def _digest(self, prefix: Prefix) -> bytes:
        """A hash of a prefix's whole text, made from its parent's."""
        known = self._digests.get(prefix)
        if known is None:
            before = self._digest(prefix.parent) if prefix.parent is not None else self._seed.to_bytes(8, "big")
            known = self._digests[prefix] = blake2b(before + prefix.text.encode(), digest_size=16).digest()
        return known


def tokens_in(prefix: Prefix) -> int:
    """Tokens of a prefix's last segment."""
    return len(prefix.text) // _CHARACTERS + 1
