"""One strategy over one dataset."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

from asyncsearch.accounting import Accounts
from asyncsearch.errors import ConfigurationError, TooManyFailures
from asyncsearch.options import SolveOptions
from asyncsearch.results import ProblemResult
from asyncsearch.results_tally import ResultsTally
from asyncsearch.rewards import RewardFormat
from asyncsearch.run_directory import RunDirectory, read_results
from asyncsearch.scheduler import SchedulerStatistics
from asyncsearch.strategies.base import Strategy
from runtimes.base import Capabilities, ModelSize

__all__ = ["Run", "RunTally", "model_config", "run_names", "run_paths", "search_config"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One strategy over one dataset, done.

    ``solved`` problems have a result, ``failed`` ones an error; ``correct`` of ``graded`` were right. ``seconds`` is
    wall time until the last result, over all sessions of the run but for what they did after their last results.
    ``grading_gave_up`` pairs of answers, of all runs
    that share this call, took too long to compare and count as different. ``results`` iterates over the run directory
    where there is one, so that it can be larger than memory.
    """

    strategy: Strategy
    path: Path | None
    solved: int
    failed: int
    graded: int
    correct: int
    accounts: Accounts
    seconds: float
    grading_gave_up: int
    statistics: SchedulerStatistics
    kept: tuple[ProblemResult, ...] = field(default=(), repr=False)

    @property
    def accuracy(self) -> float | None:
        """Share of the problems with a reference that were answered right; failed ones count as wrong."""
        return self.correct / self.graded if self.graded else None

    def results(self) -> Iterator[ProblemResult]:
        """Every problem's result, in the order of the dataset."""
        return iter(self.kept) if self.path is None else read_results(self.path)


@dataclass(slots=True)
class RunTally:
    """A run in the making."""

    strategy: Strategy
    directory: RunDirectory | None
    results: ResultsTally = field(default_factory=ResultsTally)
    accounts: Accounts = field(default_factory=Accounts)
    kept: dict[int, ProblemResult] = field(default_factory=dict)

    def add(self, position: int, result: ProblemResult) -> None:
        """Count and keep the result of the problem at ``position`` in the dataset."""
        self.count(result)
        if self.directory is not None:
            self.directory.append(position, result)
        else:
            self.kept[position] = result

    def count(self, result: ProblemResult) -> None:
        """Count a result that is kept already."""
        self.results = self.results.plus(result)
        self.accounts += result.accounts

    def require_few_failures(self, most: float | None, problems: int) -> None:
        """Let a run go on only while no more than ``most`` of its problems have failed; below 1 it is a share.

        Raises:
            TooManyFailures: more have.
        """
        failed = self.results.failed
        if most is not None and failed > (most * problems if most < 1 else most):
            raise TooManyFailures(f"{failed} of {problems} problems failed, more than max_failures allows")

    def finish(self, statistics: SchedulerStatistics, grading_gave_up: int) -> Run:
        """The run as it has become."""
        return Run(
            strategy=self.strategy,
            path=None if self.directory is None else self.directory.path,
            solved=self.results.done - self.results.failed,
            failed=self.results.failed,
            graded=self.results.graded,
            correct=self.results.correct,
            accounts=self.accounts,
            seconds=self.results.seconds,
            grading_gave_up=grading_gave_up,
            statistics=statistics,
            kept=tuple(self.kept[position] for position in sorted(self.kept)),
        )


def run_paths(
    strategies: Sequence[Strategy], run_dir: Path | str | Sequence[Path | str] | None
) -> Sequence[Path | None]:
    """Where each strategy's run is written: one alone to ``run_dir`` itself, each of several to a directory in it.

    Raises:
        ConfigurationError: it has a directory for each, and there are not as many.
    """
    if run_dir is None:
        return [None] * len(strategies)
    if not isinstance(run_dir, str | Path):
        if len(run_dir) != len(strategies):
            raise ConfigurationError(f"run_dir names {len(run_dir)} directories for {len(strategies)} strategies")
        return [Path(one) for one in run_dir]
    if len(strategies) == 1:
        return [Path(run_dir)]
    return [Path(run_dir) / name for name in run_names(strategies)]


def run_names(strategies: Sequence[Strategy], *, with_widths: bool = False) -> list[str]:
    """A directory's name for each strategy: its own, with its width where it is there at several, or always.

    Where that is not enough to tell them apart, it has a number.
    """
    names = [strategy.full_name.replace(":", "-") for strategy in strategies]  # colons some file systems do not take
    widths: dict[str, set[int]] = {}
    for strategy, name in zip(strategies, names, strict=True):
        widths.setdefault(name, set()).add(strategy.width)
    seen: Counter[str] = Counter()
    found: list[str] = []
    for strategy, name in zip(strategies, names, strict=True):
        wide = f"{name}-{strategy.width}" if with_widths or len(widths[name]) > 1 else name
        seen[wide] += 1
        found.append(wide if seen[wide] == 1 else f"{wide}-{seen[wide]}")
    return found


def search_config(strategy: Strategy, options: SolveOptions) -> dict[str, Any]:
    """What is recorded of a run: all that its results depend on, but for problems and models."""
    return {
        "asyncsearch": version("asyncsearch"),
        "strategy": strategy.full_name,
        "parameters": strategy.to_parameters(),
        "seed": options.seed,
        "vote": options.vote_for(strategy),
        "aggregation": options.aggregation,
        "grader": options.grader,
        "grading_seconds": options.grading_seconds,
        "format": options.chosen_format().to_mapping(),
    }


def model_config(
    models: Mapping[str, Capabilities | None],
    sizes: Mapping[str, ModelSize | None],
    *,
    chat_prompt: str | None,
    reward_format: RewardFormat | None,
) -> dict[str, Any]:
    """The same of the models: policy and reward model, None where the strategy does without, and their ``sizes``.

    ``chat_prompt`` is the prompt's template with the policy's chat template around it, where that is used.
    """
    policy = models["policy"]
    assert policy is not None
    config: dict[str, Any] = {
        "chat_prompt": chat_prompt,
        "reward_format": None if reward_format is None else reward_format.name,
        "seeds_honoured": policy.honours_seeds,
    }
    for role, model in models.items():
        size = sizes[role]
        config[role] = None if model is None else model.model
        config[f"{role}_fingerprint"] = None if model is None else model.fingerprint
        config[f"{role}_size"] = None if model is None or size is None else asdict(size)
    return config
