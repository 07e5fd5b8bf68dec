"""Scaling curves: points, what is optimal, and where voting ends."""

from __future__ import annotations

import math
import random
import shutil
import statistics
from collections import Counter
from dataclasses import replace
from pathlib import Path

import anyio
import numpy as np
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from asyncsearch import Candidate, ProblemResult, Sampling, SolveOptions, load_problems, solve_dataset
from asyncsearch.answers.countdown_grader import CountdownGrader
from asyncsearch.answers.math_grader import MathGrader
from asyncsearch.datasets.arithmetic import bundled_model
from asyncsearch.evaluation import Estimate, Method, evaluate
from asyncsearch.report.plots import draw, saturation_plot, scaling_plot
from asyncsearch.report.scaling import read_scaling
from asyncsearch.report.scaling_table import scaling_record
from asyncsearch.run_directory import read_results
from asyncsearch.scaling import (
    ScalingPoint,
    VotingCurve,
    compute_optimal,
    fit_saturation,
    measure_scaling,
    pareto_frontier,
    voting_curve,
)

MAJORITY, WEIGHTED = Method("majority", None), Method("weighted", "last")

costs = st.integers(1, 20).map(float)
errors = st.integers(0, 10).map(lambda number: number / 10)
points = st.lists(st.tuples(costs, errors), max_size=30)


def cost(point: tuple[float, float]) -> float:
    return point[0]


def error(point: tuple[float, float]) -> float:
    return point[1]


@given(points)
def test_nothing_is_as_cheap_and_better_than_the_frontier(chosen: list[tuple[float, float]]) -> None:
    frontier = pareto_frontier(chosen, cost=cost, error=error)
    assert frontier == sorted(frontier), "the cheapest first"
    assert [error(point) for point in frontier] == sorted({error(point) for point in frontier}, reverse=True)
    for point in chosen:
        assert any(cost(one) <= cost(point) and error(one) <= error(point) for one in frontier)
    for point in frontier:
        assert not any(cost(one) <= cost(point) and error(one) <= error(point) and one != point for one in chosen)


@given(points, st.integers(0, 25).map(float))
def test_the_optimum_is_the_best_that_is_within_the_budget(chosen: list[tuple[float, float]], budget: float) -> None:
    best = compute_optimal(chosen, budget, cost=cost, error=error)
    within = [point for point in chosen if cost(point) <= budget]
    assert best == (min(within, key=lambda point: (error(point), cost(point))) if within else None)


def sampled(number: int, answers: str, scores: list[float] | None = None) -> ProblemResult:
    """A problem whose right answer is 1; a dash is a sample without an answer."""
    candidates = tuple(
        Candidate(
            text=answer,
            answer=None if answer == "-" else answer,
            truncated=answer == "-",
            tokens=1,
            step_scores=() if scores is None else (scores[place],),
        )
        for place, answer in enumerate(answers)
    )
    return ProblemResult(id=str(number), problem="p", answer=None, reference="1", correct=None, candidates=candidates)


@pytest.mark.anyio
async def test_a_voting_curve_worked_by_hand() -> None:
    failed = replace(sampled(4, "1111"), error="gone")
    async with MathGrader() as grader:
        curve = await voting_curve([sampled(1, "1222"), sampled(2, "11-3"), sampled(3, "1"), failed], grader, MAJORITY)
    assert curve is not None
    assert curve.samples == (1, 2, 3, 4)
    first, second, alone, nothing = curve.by_problem
    assert first[0] == pytest.approx(1 / 4, abs=0.1)
    assert first[1] == first[0], "of two that differ the first wins"
    assert first[3] == 0.0
    assert second[0] == pytest.approx(1 / 2, abs=0.1)
    assert second[3] == 1.0
    assert alone[0] == pytest.approx(1 / 4, abs=0.1), "as if the others had no answer"
    assert alone[3] == 1.0
    assert nothing == (0.0,) * 4
    assert curve.mean[3] == curve.accuracy(4).value == 0.5


@pytest.mark.anyio
async def test_scores_of_nothing_are_votes_all_the_same() -> None:
    async with MathGrader() as grader:
        curve = await voting_curve([sampled(1, "11-1", [0.0] * 4)], grader, WEIGHTED)
    assert curve is not None
    assert curve.mean[-1] == 1.0


@given(st.text("123-", min_size=2, max_size=8))
def test_a_majority_of_two_is_no_better_than_one(answers: str) -> None:
    async def curve() -> VotingCurve | None:
        async with CountdownGrader() as grader:
            return await voting_curve([sampled(1, answers)], grader, MAJORITY)

    found = anyio.run(curve)
    assert found is not None
    one, two = found.by_problem[0][:2]
    without = answers.count("-") / len(answers)
    assert one - 0.15 <= two <= one + without + 0.15, "but for samples without an answer, which leave it to the other"


def is_decided(result: ProblemResult) -> bool:
    """Whether one answer has more samples than any other."""
    (_, most), *others = Counter(one.answer for one in result.candidates if one.answer).most_common(2)
    return all(count < most for _, count in others)


@pytest.mark.anyio
@pytest.mark.parametrize("method", [MAJORITY, WEIGHTED])
async def test_a_curve_ends_where_the_vote_of_all_samples_does(method: Method) -> None:
    """But for ties, which go to the first, and so to either."""
    source = random.Random(4)
    results = [
        sampled(number, "".join(source.choices("123-", k=8)), [source.random() for _ in range(8)])
        for number in range(40)
    ]
    results = [result for result in results if is_decided(result)]
    async with MathGrader() as grader:
        curve = await voting_curve(results, grader, method)
        found = await evaluate(results, grader)
    assert curve is not None
    assert curve.accuracy(8).value == pytest.approx(found.accuracies[method].value)


@pytest.mark.anyio
async def test_there_is_no_curve_of_nothing() -> None:
    async with MathGrader() as grader:
        assert await voting_curve([], grader, MAJORITY) is None
        assert await voting_curve([sampled(1, "")], grader, MAJORITY) is None
        with pytest.raises(ValueError, match="best-of-n"):
            await voting_curve([], grader, Method("best-of-n", "last"))


@given(st.floats(0.4, 0.95), st.floats(0.1, 0.4), st.floats(1.2, 3.0))
def test_a_fit_finds_the_limit_and_the_rate_that_a_curve_was_made_of(limit: float, gain: float, rate: float) -> None:
    samples = (1, 2, 3, 4, 6, 8, 12, 16, 24, 32)
    row = tuple(limit - gain * rate**-number for number in samples)
    fit = fit_saturation(VotingCurve(method=MAJORITY, samples=samples, by_problem=(row, row)))
    assert fit is not None
    assert fit.limit.value == pytest.approx(limit, abs=0.01)
    assert math.log(fit.rate.value) == pytest.approx(math.log(rate), rel=0.1)
    assert fit.deviation < 0.01
    assert fit.accuracy(64) == pytest.approx(limit, abs=0.02)
    assert fit.limit.low <= fit.limit.value <= fit.limit.high


@given(st.lists(st.lists(st.sampled_from([0.0, 0.5, 1.0]), min_size=5, max_size=5), min_size=1, max_size=6))
def test_a_limit_is_an_accuracy_whatever_the_curve(rows: list[list[float]]) -> None:
    fit = fit_saturation(VotingCurve(method=MAJORITY, samples=(1, 2, 3, 4, 6), by_problem=tuple(map(tuple, rows))))
    assert fit is not None
    assert 0 <= fit.limit.low <= fit.limit.value <= fit.limit.high <= 1
    assert fit.rate.value > 1
    assert fit.samples_needed >= 1


def test_three_numbers_of_samples_are_too_few_for_a_fit() -> None:
    assert fit_saturation(VotingCurve(method=MAJORITY, samples=(1, 2, 3), by_problem=((0.1, 0.2, 0.3),))) is None


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="module")
async def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("scaling") / "run"
    await solve_dataset(
        load_problems("arithmetic", limit=6),
        Sampling(width=6),
        policy=f"local:{bundled_model('policy')}",
        reward="bundled:reward",
        run_dir=path,
        options=SolveOptions(seed=1),
    )
    return path


@pytest.mark.anyio
async def test_samples_have_the_smaller_numbers_of_them_inside(run: Path) -> None:
    found = (await measure_scaling(run, model="small")).points
    majority = [point for point in found if point.method == MAJORITY]
    weighted = [point for point in found if point.method == WEIGHTED]
    assert [point.width for point in majority] == [point.width for point in weighted] == [1, 2, 4, 6]
    flops = [point.flops for point in majority]
    assert flops == sorted(flops, key=lambda each: each or 0.0)
    for alone, scored in zip(majority, weighted, strict=True):
        assert alone.flops == alone.policy_flops == scored.policy_flops
        assert (scored.flops or 0.0) > (alone.flops or 0.0), "the reward model is paid for"
    async with MathGrader() as grader:
        whole = await evaluate(read_results(run), grader)
    assert weighted[-1].error.value == pytest.approx(1 - whole.accuracies[WEIGHTED].value)
    assert whole.accounts.flops is not None
    assert weighted[-1].flops == pytest.approx(whole.accounts.flops / 6)
    assert {point.series for point in found} == {"small: sampling, majority", "small: sampling, weighted"}


@pytest.mark.anyio
async def test_what_is_drawn_is_the_same_whenever_it_is_drawn(run: Path) -> None:
    (scaling,) = await read_scaling([run])
    assert scaling.has_curve
    assert scaling.has_fit
    first, second = ([*scaling.draw(budget=1e9)] for _ in range(2))
    assert first == second
    assert [plot.name for plot in first] == ["scaling", "saturation"]
    for plot in first:
        assert plot.svg.startswith("<?xml")
        assert plot.png.startswith(b"\x89PNG")
    record = orjson.loads(orjson.dumps(scaling_record(scaling.points, scaling.curves, budget=1e9)))
    assert record["optimal"] in record["points"]
    assert statistics.mean(record["saturation"][0]["accuracy"]) > 0


@pytest.mark.anyio
async def test_runs_are_told_apart_by_what_they_differ_in(run: Path, tmp_path: Path) -> None:
    hotter, other, larger = (tmp_path / name for name in ("hotter", "other", "larger"))
    for path, changes in (
        (hotter, {"parameters": {"temperature": 0.7}}),
        (other, {"problems_digest": "of others"}),
        (larger, {"policy": "elsewhere/policy"}),
    ):
        shutil.copytree(run, path)
        config = orjson.loads((path / "config.json").read_bytes())
        config["parameters"] |= changes.pop("parameters", {})
        (path / "config.json").write_bytes(orjson.dumps(config | changes))
    same, different = await read_scaling([run, hotter, other, larger], fits=False)
    assert (same.runs, different.runs) == ((run, hotter, larger), (other,)), "a frontier is one of the same problems"
    assert {point.series for point in same.points if point.method == MAJORITY} == {
        "arithmetic/policy: sampling (temperature=1.0), majority",
        "arithmetic/policy: sampling (temperature=0.7), majority",
        "elsewhere/policy: sampling, majority",
    }
    assert {point.variant for point in different.points} == {""}


@pytest.mark.anyio
async def test_narrower_samples_are_inside_of_wider_ones(run: Path, tmp_path: Path) -> None:
    narrower = tmp_path / "narrower"
    shutil.copytree(run, narrower)
    config = orjson.loads((narrower / "config.json").read_bytes())
    config["parameters"]["width"] = 4
    (narrower / "config.json").write_bytes(orjson.dumps(config))
    (scaling,) = await read_scaling([narrower, run])
    assert scaling.runs == (run,)
    results = (narrower / "results.jsonl").read_bytes()
    (run.parent / "unfinished").mkdir()
    shutil.copytree(run, run.parent / "unfinished", dirs_exist_ok=True)
    (run.parent / "unfinished" / "results.jsonl").write_bytes(results[: results.index(b"\n") + 1])
    (scaling,) = await read_scaling([narrower, run.parent / "unfinished"], fits=False)
    assert scaling.runs == (narrower,), "the wider one is not complete"


def test_an_error_of_nothing_is_drawn_too() -> None:
    made = [
        ScalingPoint(
            model="m",
            strategy="sampling",
            method=MAJORITY,
            width=width,
            error=Estimate(error, max(error - 0.1, 0.0), error + 0.1, 20),
            policy_flops=1e9 * width,
            flops=1e9 * width,
        )
        for width, error in ((1, 0.4), (2, 0.2), (4, 0.0))
    ]
    figure = scaling_plot(made, budget=4e9)
    for axes in figure.axes:
        (curve, *_), (bottom, top) = axes.get_lines(), axes.get_ylim()
        heights = np.asarray(curve.get_ydata()).tolist()
        assert heights == [0.4, 0.2, bottom]
        assert 0 < bottom < 0.2
        assert top > 0.4
        assert axes.yaxis.get_major_formatter()(bottom, 0) == "0 %"


def test_figures_of_nothing_are_empty() -> None:
    for figure in (scaling_plot([]), saturation_plot([])):
        assert "</svg>" in draw(figure, name="empty", title="nothing").svg
