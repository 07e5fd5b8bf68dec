"""Sweeps: what a plan says, and what is run of it."""

from __future__ import annotations

from pathlib import Path

import orjson
import pytest
import yaml
from command_line import command

from asyncsearch.errors import ConfigurationError
from asyncsearch.run_directory import unbegun_runs
from asyncsearch.sweep import begun_runs, load_sweep, model_names, save_sweep

PLAN = """
dataset: arithmetic
limit: 3
widths: [4, 1, 2]
temperature: 0.9
strategies:
- sampling
- rebase
- {strategy: beam, widths: [2]}
- {strategy: dvts, width: 4, subtrees: 2}
models:
  small: {policy: "bundled:policy", reward: "bundled:reward"}
  again: {policy: "bundled:policy", reward: "bundled:reward", seed: 3, strategies: [sampling]}
"""


def plan_of(folder: Path, text: str = PLAN) -> Path:
    path = folder / "plan.yaml"
    path.write_text(text)
    return path


def test_a_plan_is_strategies_at_widths_for_each_model(tmp_path: Path) -> None:
    small, again = load_sweep(plan_of(tmp_path)).runs()
    assert [(entry.name, entry.strategy.width) for entry in small.entries] == [
        ("sampling-4", 4),  # the others are inside
        ("rebase-1", 1),
        ("rebase-2", 2),
        ("rebase-4", 4),
        ("beam-2", 2),
        ("dvts-4", 4),
    ]
    assert {entry.strategy.temperature for entry in small.entries} == {0.9}
    assert (small.options.seed, again.options.seed) == (0, 3)
    assert [entry.name for entry in again.entries] == ["sampling-4"]


def test_a_plan_that_is_written_is_the_same(tmp_path: Path) -> None:
    sweep = load_sweep(plan_of(tmp_path))
    save_sweep(tmp_path / "again.yaml", sweep)
    assert load_sweep(tmp_path / "again.yaml") == sweep
    local = PLAN.replace("dataset: arithmetic", "dataset: mine.jsonl").replace("bundled:policy", "here")
    (tmp_path / "here").mkdir()
    save_sweep(tmp_path / "again.yaml", load_sweep(plan_of(tmp_path, local)))
    assert yaml.safe_load((tmp_path / "again.yaml").read_text())["dataset"].startswith("/"), "wherever it is read"


def test_numbers_may_have_exponents(tmp_path: Path) -> None:
    (model,) = load_sweep(plan_of(tmp_path, "dataset: arithmetic\npolicy_parameters: 7e9")).runs()
    assert model.options.policy_parameters == 7e9


def test_a_plan_may_say_nearly_nothing(tmp_path: Path) -> None:
    (model,) = load_sweep(plan_of(tmp_path, "dataset: arithmetic")).runs()
    assert model.name == "model"
    names = [entry.name for entry in model.entries]
    assert names == ["sampling-16", "rebase-1", "rebase-2", "rebase-4", "rebase-8", "rebase-16"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("- a", "must be a mapping, with 'dataset'"),
        ("limit: 3", "a sweep needs a dataset"),
        ("dataset: arithmetic\nwidth: 3", "a sweep has several widths: write"),
        ("dataset: arithmetic\nwidths: [0]", r"widths must be whole numbers above 0, not \[0\]"),
        ("dataset: arithmetic\nwidths: many", "widths must be whole numbers above 0, not 'many'"),
        ("dataset: arithmetic\nmodels: [a]", "models must be a mapping"),
        ("dataset: arithmetic\nmodels: {a/b: {}}", "'a/b' cannot be a model's name"),
        ("dataset: arithmetic\nmodels: {a: {polcy: x}}", "model 'a': unknown key 'polcy'; did you mean 'policy'"),
        ("dataset: arithmetic\nmodels: {a: {dataset: x}}", "model 'a': the dataset is all models'"),
        ("dataset: x.jsonl\nmodels: {a: {policy: x}}", "model 'a': has no reward"),
        ("dataset: arithmetic\nmodels: {a: {policy: x}}", "model 'a': has no reward"),
        ("dataset: arithmetic\nwidth: [2]", "a sweep has several widths: write 'widths'"),
        ("dataset: arithmetic\nmodels: {runs.json: {}}", "'runs.json' cannot be a model's name"),
        ("dataset: arithmetic\npolicy_parameters: many", "policy_parameters must be a number, not 'many'"),
        (
            "dataset: arithmetic\nstrategies: [{strategy: beam, widths: [2], width: 3}]",
            "beam has a 'width' and 'widths'; leave one away",
        ),
        ("dataset: arithmetic\nstrategies: [rebass]", "unknown strategy 'rebass'; did you mean 'rebase'"),
        ("dataset: arithmetic\nstrategies: [{strategy: beam, widths: []}]", r"widths must be .*, not \[\]"),
    ],
)
def test_what_is_wrong_with_a_plan_is_named(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(ConfigurationError, match=f"plan.yaml: {message}"):
        load_sweep(plan_of(tmp_path, text))


@pytest.fixture(scope="module")
def swept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("swept")
    plan_of(folder)
    done = command("sweep", "plan.yaml", cwd=folder)
    assert done.returncode == 0, done.stderr
    assert "error against operations" in done.stdout
    assert "runs/plan: asyncsearch report runs/plan --out DIR" in done.stdout
    return folder


def test_the_runs_of_a_sweep(swept: Path) -> None:
    runs = begun_runs(swept / "runs" / "plan")
    names = [str(run.relative_to(swept / "runs" / "plan")) for run in runs]
    assert names == [
        *("again/sampling-4", "small/beam-2", "small/dvts-4", "small/rebase-1", "small/rebase-2", "small/rebase-4"),
        "small/sampling-4",
    ]
    assert model_names(runs) == ["again", *["small"] * 6]
    assert unbegun_runs(swept / "runs" / "plan") == []
    evaluated = orjson.loads(command("evaluate", "runs", "--json", cwd=swept).stdout)
    assert len(evaluated["runs"]) == 7


def test_a_sweep_is_gone_on_with_and_may_have_grown(swept: Path) -> None:
    refused = command("sweep", "plan.yaml", cwd=swept)
    assert refused.returncode == 2
    assert "runs/plan: exists already; --resume goes on with it" in refused.stderr
    part = command("sweep", "--out", "runs/plan/small", "--resume", cwd=swept)
    assert part.returncode == 2
    assert "it is a part of one: --out runs/plan" in part.stderr
    other_way = command("solve", "--out", "runs/plan", "--resume", cwd=swept)
    assert other_way.returncode == 2
    assert "holds a sweep; go on with it by: asyncsearch sweep --out runs/plan --resume" in other_way.stderr
    again = command("sweep", "--out", "runs/plan", "--resume", cwd=swept)
    assert again.returncode == 0, again.stderr
    assert again.stderr.count("3 of 3 results are there already") == 7
    more = PLAN.replace("widths: [4, 1, 2]", "widths: [4, 1, 2, 3]").replace("[sampling]}", "[sampling, rebase]}")
    (swept / "grown.yaml").write_text(more)
    grown = command("sweep", "grown.yaml", "--out", "runs/plan", "--resume", cwd=swept)
    assert grown.returncode == 0, grown.stderr
    assert (swept / "runs" / "plan" / "small" / "rebase-3").is_dir()
    assert (swept / "runs" / "plan" / "again" / "rebase-3").is_dir(), "where there was one strategy"
    (swept / "other.yaml").write_text(more.replace("temperature: 0.9", "temperature: 0.8"))
    other = command("sweep", "other.yaml", "--out", "runs/plan", "--resume", cwd=swept)
    assert other.returncode == 2
    assert "temperature was 0.9 and is 0.8" in other.stderr


def test_a_sweep_is_drawn(swept: Path) -> None:
    drawn = command("report", "runs/plan", "--out", "page", "--budget", "1e9", cwd=swept)
    assert drawn.returncode == 0, drawn.stderr
    files = {file.name for file in (swept / "page").iterdir()}
    drawn_files = {f"{name}.{kind}" for name in ("scaling", "saturation") for kind in ("svg", "png")}
    assert files == {"index.html", "scaling.json"} | drawn_files
    record = orjson.loads((swept / "page" / "scaling.json").read_bytes())
    assert record["optimal"] in record["frontier"]
    assert {point["model"] for point in record["points"]} == {"small", "again"}
    assert "** the best for 1.00e9" in drawn.stdout


def test_each_run_of_a_sweep_is_exported(swept: Path) -> None:
    exported = command("export", "runs/plan", "--out", "exported", cwd=swept)
    assert exported.returncode == 0, exported.stderr
    names = {file.stem for file in (swept / "exported").iterdir()}
    assert {"again-sampling-4", "small-beam-2", "small-rebase-1", "small-sampling-4"} <= names
    assert len(names) == len(begun_runs(swept / "runs" / "plan"))


def test_there_is_no_sweep_to_go_on_with(tmp_path: Path) -> None:
    for arguments, words in (
        (("sweep",), "name the YAML file of a sweep"),
        (("sweep", "--resume"), "name the YAML file of a sweep"),
        (("sweep", "--out", "nowhere", "--resume"), "nowhere: holds no sweep to go on with"),
    ):
        refused = command(*arguments, cwd=tmp_path)
        assert refused.returncode == 2
        assert words in refused.stderr


def test_a_sweep_that_could_not_begin_leaves_no_plan(tmp_path: Path) -> None:
    plan_of(tmp_path, PLAN.replace('policy: "bundled:policy"', 'policy: "bundled:nobody"'))
    refused = command("sweep", "plan.yaml", cwd=tmp_path)
    assert refused.returncode == 2
    assert "Traceback" not in refused.stderr
    assert not (tmp_path / "runs" / "plan" / "sweep.yaml").exists()
