"""Many runs of one dataset: models, strategies and widths."""

from asyncsearch.sweep.directory import begun_runs, model_names
from asyncsearch.sweep.plan import SWEEP_FILE, Sweep, SweepModel, load_sweep, save_sweep
from asyncsearch.sweep.running import run_sweep

__all__ = [
    "SWEEP_FILE",
    "Sweep",
    "SweepModel",
    "begun_runs",
    "load_sweep",
    "model_names",
    "run_sweep",
    "save_sweep",
]
