"""Stands in for SGLang's kernel package, whose builds on the package index need CUDA.

On a CPU, SGLang imports some of its functions by name. The few that a decoder-only model with the attention
backend ``torch_native`` comes to are written out here in torch; any other can be imported, and says so when it
is called.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NoReturn

import torch

__version__ = "0.0.0+cpu"

_WORD = 0xFFFFFFFF


def assign_req_to_token_pool_cpu(
    req_pool_indices: torch.Tensor,
    req_to_token: torch.Tensor,
    start: torch.Tensor,
    end: torch.Tensor,
    out_cache_loc: torch.Tensor,
    pool_len: int,
) -> None:
    """Write where each request's new tokens are cached: those of one request after the other in out_cache_loc."""
    taken = 0
    for row, first, last in zip(req_pool_indices.tolist(), start.tolist(), end.tolist(), strict=True):
        count = last - first
        req_to_token[row, first:last] = out_cache_loc[taken : taken + count].to(req_to_token.dtype)
        taken += count


def _rotated(word: torch.Tensor, bits: int) -> torch.Tensor:
    return ((word << bits) | (word >> (32 - bits))) & _WORD


def _mixed(state: torch.Tensor, word: torch.Tensor) -> torch.Tensor:
    word = (word * 0xCC9E2D51) & _WORD
    word = (_rotated(word, 15) * 0x1B873593) & _WORD
    return (_rotated(state ^ word, 13) * 5 + 0xE6546B64) & _WORD


def _finished(state: torch.Tensor) -> torch.Tensor:
    state = ((state ^ (state >> 16)) * 0x85EBCA6B) & _WORD
    state = ((state ^ (state >> 13)) * 0xC2B2AE35) & _WORD
    return state ^ (state >> 16)


def _murmur_hash32(seed: torch.Tensor, positions: torch.Tensor, col_indices: torch.Tensor) -> torch.Tensor:
    """MurmurHash3 (32 bits) of seed, position and column, with SGLang's order of words.

    Computed in int64, which wraps at 2**64, so that the low 32 bits of every product are exact.
    """
    wide = seed.view(torch.int64) if seed.dtype == torch.uint64 else seed.to(torch.int64)
    state = _mixed(torch.zeros_like(wide), wide & _WORD)
    state = _mixed(state, (wide >> 32) & _WORD)
    state = _mixed(state, positions.to(torch.int64) & _WORD)
    state = _mixed(state.unsqueeze(1), col_indices.to(torch.int64).unsqueeze(0) & _WORD)
    return _finished(state ^ 16).to(torch.uint32)


_library = torch.library.Library("sgl_kernel", "FRAGMENT")
_library.define("murmur_hash32_cpu(Tensor seed, Tensor positions, Tensor col_indices) -> Tensor")
_library.impl("murmur_hash32_cpu", _murmur_hash32, "CPU")


def __getattr__(name: str) -> Callable[..., Any]:
    if name.startswith("__"):
        raise AttributeError(name)

    def missing(*arguments: Any, **options: Any) -> NoReturn:
        raise NotImplementedError(f"sgl_kernel.{name} has no CPU stand-in")

    missing.__name__ = name
    return missing
