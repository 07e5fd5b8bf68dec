"""From the run of a labelling search to a file of labelled solutions."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import orjson

from asyncsearch.errors import RunDirectoryError
from asyncsearch.files import whole_file
from asyncsearch.journal import read_journal
from asyncsearch.labelling.labels import LABELLING_STRATEGIES, labelled_solutions
from asyncsearch.regrowth import Regrowth
from asyncsearch.replay import recorded_options
from asyncsearch.run_directory import JOURNAL_FILE, read_config, read_results, unwritable, verify_config
from asyncsearch.training_data import TrainingSolution

__all__ = ["Labelled", "write_labels"]


@dataclass(slots=True, kw_only=True)
class Labelled:
    """What was written: ``solutions`` of so many ``problems``, of whose ``steps`` so many are ``labelled``.

    ``mean`` is the mean label, None where there is none.
    """

    problems: int = 0
    solutions: int = 0
    steps: int = 0
    labelled: int = 0
    total: float = 0.0

    @property
    def mean(self) -> float | None:
        """See `Labelled`."""
        return self.total / self.labelled if self.labelled else None


async def write_labels(run: Path, out: Path, *, soft: bool) -> Labelled:
    """Write what a run says of steps, a `TrainingSolution` a line, and say how much it is.

    Raises:
        RunDirectoryError: there is no run, or it was not made by a strategy that labels.
        StorageError: the run cannot be read, or ``out`` not be written.
        ConfigurationError: the run's grader or strategy is not known here.
    """
    config = read_config(run)
    if config["strategy"] not in LABELLING_STRATEGIES:
        names = " or ".join(LABELLING_STRATEGIES)
        raise RunDirectoryError(f"{run}: is a run of {config['strategy']}, which labels no steps; label with {names}")
    verify_config(run)
    labelled = Labelled()
    candidates = {result.id: result.candidates for result in read_results(run)}
    async with recorded_options(config).make_grader() as grader:
        regrowth = Regrowth(config, grader)
        try:
            with whole_file(out) as file:
                for problem, nodes in read_journal(run / JOURNAL_FILE):
                    if problem.id not in candidates:
                        continue
                    tree = await regrowth.tree_of(problem, nodes, candidates[problem.id])
                    for solution in _counted(labelled_solutions(problem, tree, soft=soft), labelled):
                        file.write(orjson.dumps(solution.to_record()) + b"\n")
                    tree.fell()
        except OSError as error:
            raise unwritable(out, error) from error
    return labelled


def _counted(solutions: Iterator[TrainingSolution], labelled: Labelled) -> Iterator[TrainingSolution]:
    begun = labelled.solutions
    for solution in solutions:
        known = [label for label in solution.labels or () if label is not None]
        labelled.solutions += 1
        labelled.steps += len(solution.steps)
        labelled.labelled += len(known)
        labelled.total += sum(known)
        yield solution
    labelled.problems += labelled.solutions > begun
