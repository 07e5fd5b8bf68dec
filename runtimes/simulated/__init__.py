"""A seeded model of a server: latency, continuous batching and faults, for tests and benchmarks."""

from runtimes.simulated.batching import ServerModel
from runtimes.simulated.runtime import Faults, SimulatedRuntime
from runtimes.simulated.world import Oracle, World

__all__ = ["Faults", "Oracle", "ServerModel", "SimulatedRuntime", "World"]
