"""The REBASE reference's evaluation and this one, on the same candidates.

    python -m benchmarks.reference_grading CHECKOUT [RUN] [--dataset FILE] [--python PYTHON] [--output FILE]

CHECKOUT is a clone of github.com/thu-wyz/inference_scaling; its own ``math_evaluate.py`` is run there, on the run as
``asyncsearch export`` writes it, under every aggregation and vote. PYTHON has what that imports: torch, tqdm, sympy,
pylatexenc and regex, of which this project's environment lacks pylatexenc alone (``pip install pylatexenc``). Without a
RUN one is made with the bundled models: REBASE at width 16 on the arithmetic problems, some two minutes on two cores.

With a dataset, as MATH's, the run is another: its candidates are the reference answers of its problems in other
spellings, and wrong ones (`benchmarks.respelled`), so that it is known which are right; and a table more says of each
spelling how often either grader takes it for right.

Where the two differ, each problem is looked at, and the table says why.
"""

from __future__ import annotations

import asyncio
import json
import re
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from asyncsearch import (
    ConfigurationError,
    Grader,
    Problem,
    ProblemResult,
    Rebase,
    Sampling,
    Strategy,
    bundled_model,
    load_problems,
    read_results,
    solve_dataset,
)
from asyncsearch.answers import make_grader
from asyncsearch.answers.voting import Ballot, group_weights
from asyncsearch.election import Voter, elect, gather_voters
from asyncsearch.export import EXPORT_FORMATS
from asyncsearch.files import whole_file
from asyncsearch.reference import read_reference_results
from asyncsearch.rewards import AGGREGATIONS, aggregate
from benchmarks.command import run as run_command
from benchmarks.measuring import Report
from benchmarks.respelled import RIGHT, WRONG, Respelled, respelled
from runtimes.base import Runtime
from runtimes.function import FunctionPolicy, FunctionReward

__all__ = ["main"]

_EVALUATION = "math_evaluate.py"
_GRADER = Path(__file__).with_name("reference_grader.py").resolve()
_GRADING_SECONDS = 5.0
_WIDTH, _RESPELLED_WIDTH = 16, 8
_TIE = 1e-9


@dataclass(frozen=True, slots=True)
class Method:
    """A way to choose an answer, with its names here and the reference's arguments for it."""

    vote: str
    aggregation: str | None

    def __str__(self) -> str:
        return self.vote if self.aggregation is None else f"{self.vote}, {self.aggregation}"

    @property
    def arguments(self) -> list[str]:
        """Of ``math_evaluate.py``, where ``--weighted`` is true whatever follows it."""
        if self.vote == "best-of-n":
            return ["--agg_func", str(self.aggregation)]
        weights = [] if self.aggregation is None else ["--weighted", "True", "--weight_agg", self.aggregation]
        return ["--agg_func", "majority_vote", *weights]


METHODS = (
    *(Method("best-of-n", name) for name in AGGREGATIONS),
    Method("majority", None),
    *(Method("weighted", name) for name in AGGREGATIONS),
)


@dataclass(frozen=True, slots=True)
class Verdict:
    """The answer that was chosen, and whether it was taken for right."""

    answer: str | None
    right: bool


@dataclass(frozen=True, slots=True)
class Look:
    """What the reference makes of problems and pairs.

    Of each method the verdict on every problem; whether the answer of each pair is right; and the problems' references
    as ``hf_score.py`` would write them.
    """

    winners: Sequence[Sequence[Verdict]]
    pairs: Sequence[bool]
    references: Sequence[str]


@dataclass(frozen=True, slots=True)
class Reference:
    """The reference's code, and who runs it."""

    checkout: Path
    python: Path

    def accuracy(self, file: Path, method: Method, output: Path) -> float:
        """What its command line says of a file."""
        output.unlink(missing_ok=True)
        arguments = ["--path", str(file), "--model_type", "llemma", "--output_path", str(output), *method.arguments]
        self._run([_EVALUATION, *arguments])
        return float(re.findall(r"accuracy: (\S+)", output.read_text())[-1])

    def look(self, problems: Sequence[dict[str, Any]], pairs: Sequence[tuple[str, str]], folder: Path) -> Look:
        """What it makes of problems, and of pairs of an answer and a reference."""
        request, reply = folder / "request.json", folder / "reply.json"
        methods = [{"vote": one.vote != "best-of-n", "aggregation": one.aggregation} for one in METHODS]
        request.write_text(json.dumps({"problems": [*problems], "methods": methods, "pairs": [*pairs]}))
        self._run([str(_GRADER), str(request), str(reply)])
        found = json.loads(reply.read_bytes())
        winners = [[Verdict(*verdict) for verdict in verdicts] for verdicts in found["winners"]]
        return Look(winners, found["pairs"], found["references"])

    def _run(self, arguments: Sequence[str]) -> None:
        done = subprocess.run(
            [str(self.python), "-W", "ignore", *arguments],
            cwd=self.checkout,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise ConfigurationError(f"{self.checkout}: {done.stderr.strip().splitlines()[-1]}; see --python")


@dataclass(frozen=True, slots=True)
class Chosen:
    """What is chosen of one problem here, by each method."""

    result: ProblemResult
    voters: Sequence[Voter]
    verdicts: Sequence[Verdict]

    def is_tied(self, method: Method) -> bool:
        """Whether another answer has as many votes."""
        ballots = [
            Ballot(group, aggregate(one.step_scores, method.aggregation or "last"), one.multiplicity)
            for one, group in self.voters
        ]
        weights = sorted(group_weights(ballots, method.vote).values())
        return len(weights) > 1 and weights[-1] - weights[-2] < _TIE * max(weights[-1], 1)


async def chosen(results: Sequence[ProblemResult], grader: Grader) -> list[Chosen]:
    """What each method makes of each problem here."""
    found = []
    for result in results:
        voters = [] if result.error is not None else await gather_voters(result.candidates, grader)
        answers = [elect(voters, method.vote, method.aggregation or "last") for method in METHODS]
        verdicts = [
            Verdict(
                answer,
                answer is not None
                and result.reference is not None
                and await grader.is_right(result.problem, result.reference, answer),
            )
            for answer in answers
        ]
        found.append(Chosen(result, voters, verdicts))
    return found


def why(ours: Chosen, method: Method, number: int, theirs: Verdict, with_commas: bool) -> str:
    """Why the reference comes to another verdict; ``with_commas`` is its grader's on our answer as it is."""
    answer, right = ours.verdicts[number].answer, ours.verdicts[number].right
    if answer is not None and _bare(theirs.answer) == _bare(answer):
        if with_commas == right:
            return "it takes the commas out of the answer"
        return f"its grader takes it for {'right' if theirs.right else 'wrong'}"
    if method.vote != "best-of-n" and ours.is_tied(method):
        return "a tie: it takes the answer that is the first to have so many votes"
    return "it counts equal answers apart, or others together"


def _bare(answer: str | None) -> str:
    return " ".join((answer or "").split()).replace(",", "")


async def made_run(folder: Path, dataset: Path | None, limit: int) -> tuple[Path, Respelled | None]:
    """A run in a directory, and the answers in it where these are other spellings."""
    strategy: Strategy = Rebase(width=_WIDTH)
    policy: Runtime | str = f"local:{bundled_model('policy')}"
    reward: Runtime | str = f"local:{bundled_model('reward')}"
    problems: Sequence[Problem] = load_problems("arithmetic" if dataset is None else dataset, limit=limit)
    spelled = None
    if dataset is not None:
        spelled = respelled([problem for problem in problems if problem.answer])
        strategy, problems = Sampling(width=_RESPELLED_WIDTH), spelled.problems
        policy, reward = FunctionPolicy(spelled.draw), FunctionReward(spelled.judge)
    await solve_dataset(problems, strategy, policy=policy, reward=reward, run_dir=folder / "run")
    return folder / "run", spelled


async def compare(report: Report, reference: Reference, run: Path, spelled: Respelled | None, folder: Path) -> None:
    """Evaluate a run both ways."""
    exported = folder / "answers.json"
    with whole_file(exported) as file:
        await EXPORT_FORMATS["rebase"].write(run, file)
    records = json.loads(exported.read_bytes())
    results = list(read_results(run))
    async with make_grader("math", time_limit=_GRADING_SECONDS) as grader:
        ours = await chosen(results, grader)
        read_back = await chosen(list(read_reference_results(exported)), grader)
        as_they_are = [
            (one.verdicts[number].answer or "", one.result.reference or "")
            for number in range(len(METHODS))
            for one in ours
        ]
        spellings = [] if spelled is None else _named_spellings(spelled)
        pairs = [(answer.replace(",", ""), problem.answer or "") for _, answer, problem in spellings]
        look = reference.look(records, [*as_they_are, *pairs], folder)
        theirs = look.winners
        with_commas, of_pairs = look.pairs[: len(as_they_are)], look.pairs[len(as_they_are) :]
        rows, differences = [], []
        for number, method in enumerate(METHODS):
            accuracy = reference.accuracy(exported, method, folder / "accuracy.txt")
            differing = [at for at, one in enumerate(ours) if theirs[number][at].right != one.verdicts[number].right]
            counted = [sum(one.verdicts[number].right for one in each) / len(ours) for each in (ours, read_back)]
            rows.append([str(method), f"{accuracy:.1%}", *(f"{share:.1%}" for share in counted), str(len(differing))])
            for at in differing:
                reason = why(ours[at], method, number, theirs[number][at], with_commas[number * len(ours) + at])
                differences.append((method, ours[at], number, theirs[number][at], reason))
        headings = ["method", "reference", "asyncsearch", "asyncsearch, of the exported file", "problems that differ"]
        report.add(f"{len(ours)} problems, {sum(len(one.voters) for one in ours)} candidates", headings, rows)
        _report_differences(report, differences, spelled)
        kept = [
            bool(left) and await grader.equal(one.result.reference or "", left)
            for one, left in zip(ours, look.references, strict=True)
        ]
        report.add(
            "references that hf_score.py leaves as they are", ["problems", "left"], [[str(len(kept)), str(sum(kept))]]
        )
        if spelled is not None:
            right = [await grader.is_right(one.text, one.answer or "", answer) for _, answer, one in spellings]
            _report_spellings(report, spellings, of_pairs, right)


def _named_spellings(spelled: Respelled) -> list[tuple[str, str, Problem]]:
    return [
        (name, answer, problem)
        for problem in spelled.problems
        for name, answer in spelled.spellings[problem.text.strip()].items()
    ]


def _report_differences(
    report: Report, differences: Sequence[tuple[Method, Chosen, int, Verdict, str]], spelled: Respelled | None
) -> None:
    """Each problem that differs, with all the methods that do so in the same way."""
    methods: dict[tuple[str, ...], list[str]] = {}
    for method, ours, number, theirs, reason in differences:
        verdict = ours.verdicts[number]
        known = "-"
        if spelled is not None and verdict.answer is not None:
            known = _known_right(spelled.spellings[ours.result.problem.strip()], verdict.answer)
        said = [f"{one.answer}: {'right' if one.right else 'wrong'}" for one in (theirs, verdict)]
        row = (ours.result.id, str(ours.result.reference), *said, known, reason)
        methods.setdefault(row, []).append(str(method))
    reasons = Counter(row[-1] for row in methods)
    report.add(
        "why problems differ", ["reason", "problems and answers"], [[name, str(n)] for name, n in reasons.most_common()]
    )
    report.add(
        "problems that differ",
        ["problem", "reference answer", "reference", "asyncsearch", "our answer is", "reason", "methods"],
        [[*row, "; ".join(names)] for row, names in methods.items()],
    )


def _known_right(spellings: Mapping[str, str], answer: str) -> str:
    names = [name for name, spelled in spellings.items() if _bare_spelling(spelled) == _bare_spelling(answer)]
    return "-" if not names else "right" if any(name in RIGHT for name in names) else "wrong"


def _bare_spelling(answer: str) -> str:
    return answer.strip("$ .")


def _report_spellings(
    report: Report, spellings: Sequence[tuple[str, str, Problem]], theirs: Sequence[bool], ours: Sequence[bool]
) -> None:
    rows = []
    for name in (*RIGHT, *WRONG):
        of_name = [at for at, (spelling, _, _) in enumerate(spellings) if spelling == name]
        if of_name:
            counts = [sum(verdicts[at] for at in of_name) for verdicts in (theirs, ours)]
            _, answer, problem = spellings[next((at for at in of_name if theirs[at] != ours[at]), of_name[0])]
            said = f"{answer} for {problem.answer}"
            rows.append([name, said, str(len(of_name)), *(f"{count} ({count / len(of_name):.0%})" for count in counts)])
    headings = ["spelling", "for example", "answers", "by the reference", "by asyncsearch"]
    report.add(
        "answers of which it is known whether they are right, and how often they are taken for right", headings, rows
    )


def main(
    checkout: Annotated[Path, typer.Argument(help="A clone of the reference.")],
    run: Annotated[Path | None, typer.Argument(help="A run directory; by default a run is made.")] = None,
    dataset: Annotated[Path | None, typer.Option(help="Problems whose reference answers are respelled.")] = None,
    limit: Annotated[int, typer.Option(help="Problems of a run that is made.", min=1)] = 500,
    python: Annotated[Path, typer.Option(help="A Python that has what the reference imports.")] = Path(sys.executable),
    output: Annotated[Path | None, typer.Option(help="Where to write the tables as JSON.")] = None,
) -> None:
    """Evaluate the same candidates with the reference's code and with this project's."""
    if not (checkout / _EVALUATION).is_file():
        raise typer.BadParameter(f"{checkout}: has no {_EVALUATION}; clone github.com/thu-wyz/inference_scaling there")
    if run is not None and dataset is not None:
        raise typer.BadParameter("give a run or a dataset, not both")
    report = Report("reference_grading", output)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)

        async def all_of_it() -> None:
            made, spelled = (run, None) if run is not None else await made_run(folder, dataset, limit)
            await compare(report, Reference(checkout.absolute(), python.absolute()), made, spelled, folder)

        asyncio.run(all_of_it())


if __name__ == "__main__":
    run_command(main)
