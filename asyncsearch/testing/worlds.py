"""Simulated worlds that a search can find itself in."""

from __future__ import annotations

from dataclasses import dataclass

from hypothesis import strategies as st

from runtimes.simulated import Faults, ServerModel, SimulatedRuntime

__all__ = ["Model", "Timing", "models", "timings"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """What is generated and scored: all that a tree may depend on.

    Of the requests a share of ``rejected`` can never succeed.
    """

    seed: int = 0
    rejected: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """When it is there: nothing that a tree may depend on.

    A decode step takes ``step_seconds``, and so much more for each sequence as ``sequence_seconds`` says. ``rows``
    sequences are decoded at a time, and ``limit`` requests are in flight at most. A share of ``retryable`` attempts
    fails and of ``lost`` ones is never answered. ``company`` other problems are searched at the same time.
    """

    step_seconds: float = 0.01
    sequence_seconds: float = 0.0001
    rows: int = 64
    limit: int = 64
    retryable: float = 0.0
    lost: float = 0.0
    company: int = 0

    def server(self, model: Model) -> SimulatedRuntime:
        """A server of a model that takes its time like this."""
        return SimulatedRuntime(
            seed=model.seed,
            server=ServerModel(
                step_seconds=self.step_seconds,
                sequence_seconds=self.sequence_seconds,
                pass_seconds=self.step_seconds,
                rows=self.rows,
            ),
            faults=Faults(rejected=model.rejected, retryable=self.retryable, lost=self.lost),
        )


models = st.builds(Model, seed=st.integers(0, 2**16), rejected=st.sampled_from([0.0, 0.0, 0.1, 0.3, 1.0]))

timings = st.builds(
    Timing,
    step_seconds=st.sampled_from([0.01, 0.0001, 1.0]),
    sequence_seconds=st.sampled_from([0.0001, 0.0, 0.1]),
    rows=st.sampled_from([64, 1, 3, 8]),
    limit=st.sampled_from([64, 1, 2, 5]),
    retryable=st.sampled_from([0.0, 0.1]),
    lost=st.sampled_from([0.0, 0.05]),
    company=st.integers(0, 2),
)
