"""The three heads of a reward model on the same data: their losses as they learn, and what they tell in the end.

    python -m benchmarks.heads [--solutions N] [--steps N] [--output FILE] [--plot FILE.svg]

Each begins with the bundled policy and has the same solutions in the same order: worked ones with mistakes put in,
labelled by checking the arithmetic. So their losses are of the same steps.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import typer

from asyncsearch.errors import ConfigurationError
from asyncsearch.files import write_whole_file
from asyncsearch.finetune.configuration import RewardFinetuning
from asyncsearch.finetune.finetuning import finetune_reward
from asyncsearch.report.plots import draw
from benchmarks.command import run
from benchmarks.labelled_arithmetic import solutions_with_mistakes, write_solutions
from benchmarks.measuring import Report
from benchmarks.recording import Recording

__all__ = ["main"]

_HEADS: Mapping[str, Mapping[str, str]] = {
    "token labels (lines)": {"reward_format": "lines"},
    "two rows (reference-head)": {"reward_format": "reference-head", "head": "two-rows"},
    "one row (classifier)": {"reward_format": "classifier"},
    "two rows, squared loss": {"reward_format": "reference-head", "head": "two-rows", "loss": "squared"},
}
_SMOOTHED = 10


def main(
    solutions: Annotated[int, typer.Option(min=10, help="Solutions to train on.")] = 6_000,
    steps: Annotated[int, typer.Option(min=2, help="Steps of each training.")] = 200,
    output: Annotated[Path | None, typer.Option(help="Where the table is written as JSON.")] = None,
    plot: Annotated[Path | None, typer.Option(help="Where the losses are drawn, as SVG.")] = None,
) -> None:
    """Print the table."""
    if plot is not None and plot.suffix != ".svg":
        raise ConfigurationError(f"{plot}: the figure is an SVG; name a file that ends in .svg")
    report = Report("heads", output)
    rows, curves = [], {}
    with tempfile.TemporaryDirectory() as scratch:
        data = write_solutions(Path(scratch) / "train.jsonl", solutions_with_mistakes(solutions, seed=11))
        held_out = write_solutions(
            Path(scratch) / "held-out.jsonl", solutions_with_mistakes(max(solutions // 12, 10), seed=12)
        )
        for name, options in _HEADS.items():
            finetuning = RewardFinetuning(
                model="bundled:policy",
                data=(data,),
                evaluation_data=(held_out,),
                steps=steps,
                batch_size=16,
                micro_batch_size=16,
                max_length=512,
                packing=True,
                learning_rate=1e-3,
                log_every=1,
                save_every=steps,
                **options,  # type: ignore[arg-type]
            )
            recording = Recording()
            done = finetune_reward(finetuning, Path(scratch) / name, spectator=recording)
            curves[name] = recording.losses
            names = ("evaluation_loss", "step_auc", "step_accuracy", "calibration_error", "first_error_f1")
            rows.append([name, *(f"{done.metrics[metric]:.3f}" for metric in names), f"{done.seconds:.0f}"])
    headings = ["head", "loss", "step AUC", "accuracy", "calibration error", "first-error F1", "s"]
    report.add(f"{steps} steps on {solutions:,} solutions", headings, rows, samples=curves)
    if plot is not None:
        _draw(curves, plot)


def _draw(curves: Mapping[str, list[float]], plot: Path) -> None:
    from matplotlib.figure import Figure  # noqa: PLC0415 - an extra

    figure = Figure(figsize=(7.0, 4.0), layout="constrained")
    axes = figure.subplots()
    for name, losses in curves.items():
        means = [sum(losses[max(at - _SMOOTHED, 0) : at]) / min(at, _SMOOTHED) for at in range(1, len(losses) + 1)]
        axes.plot(range(1, len(means) + 1), means, label=name)
    axes.set_xlabel("step")
    axes.set_ylabel(f"loss, mean of the last {_SMOOTHED} steps")
    axes.grid(alpha=0.3)
    axes.legend(frameon=False)
    drawn = draw(figure, name="heads", title="losses of three heads")
    write_whole_file(plot, iter([drawn.svg.encode()]))


if __name__ == "__main__":
    run(main)
