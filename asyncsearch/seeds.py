"""Seeds that depend on what is drawn, never on when."""

from __future__ import annotations

from hashlib import blake2b

__all__ = ["DrawSeeds", "draw_seed"]


class DrawSeeds:
    """The seeds of one problem's draws, see `draw_seed`."""

    __slots__ = ("_begun",)

    def __init__(self, run_seed: int, problem_id: str) -> None:
        self._begun = blake2b(
            f"{run_seed}/{len(problem_id)}:{problem_id}/".encode("utf-8", "surrogatepass"), digest_size=8
        )

    def of(self, path: tuple[int, ...]) -> int:
        """The seed of the draw at a path."""
        digest = self._begun.copy()
        digest.update(".".join(map(str, path)).encode())
        return int.from_bytes(digest.digest(), "big") >> 1


def draw_seed(run_seed: int, problem_id: str, path: tuple[int, ...]) -> int:
    """The seed of one draw: 63 bits from the run's seed, the problem and the draw's address in its tree.

    ``path`` ends with the draw's own index. Equal arguments give equal seeds on every machine; two
    strategies that make the same first draws of a problem make the same text.
    """
    return DrawSeeds(run_seed, problem_id).of(path)
