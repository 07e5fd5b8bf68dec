"""Seeds that depend on what is drawn, never on when."""

from __future__ import annotations

from hashlib import blake2b

__all__ = ["draw_seed"]


def draw_seed(run_seed: int, problem_id: str, path: tuple[int, ...]) -> int:
    """The seed of one draw: 63 bits from the run's seed, the problem and the draw's address in its tree.

    ``path`` ends with the draw's own index. Equal arguments give equal seeds on every machine; two
    strategies that make the same first draws of a problem make the same text.
    """
    address = f"{run_seed}/{len(problem_id)}:{problem_id}/{'.'.join(map(str, path))}"
    return int.from_bytes(blake2b(address.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "big") >> 1
