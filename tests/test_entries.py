"""Several strategies in one run."""

from __future__ import annotations

from pathlib import Path

import pytest
from command_line import command

from asyncsearch import ConfigurationError, Rebase, SolveOptions, read_results
from asyncsearch.configuration import Configuration, load_configuration, save_configuration
from asyncsearch.entries import entries_for
from asyncsearch.strategies import Mcts

SOLVE = ("solve", "countdown", "--limit", "6", "--width", "6")


def test_each_takes_the_shared_parameters_that_it_has() -> None:
    entries = entries_for(
        [{"strategy": "rebase"}, {"strategy": "mcts", "wave": 2}, {"strategy": "early-stop:rebase"}],
        {"width": 8, "exploration": 0.5, "softmax_temperature": 0.3},
        SolveOptions(),
    )
    assert entries[0].strategy == Rebase(width=8, softmax_temperature=0.3)
    assert entries[1].strategy == Mcts(width=8, exploration=0.5, wave=2)
    assert entries[2].strategy.to_parameters()["softmax_temperature"] == 0.3
    assert [entry.name for entry in entries] == ["rebase", "mcts", "early-stop-rebase"]


@pytest.mark.parametrize(
    ("strategies", "shared", "message"),
    [
        (["rebase", "mcts"], {"explorer": 1.0}, "has a parameter 'explorer'; did you mean 'exploration'"),
        (["rebase", "rebase"], {}, "rebase is given twice with the same parameters"),
        (["rebase", "mtcs"], {}, "unknown strategy 'mtcs'; did you mean 'mcts'"),
        (["rebase"], {"wave": 3}, "strategy 'rebase' has no parameter 'wave'"),
    ],
)
def test_what_is_wrong_is_named(strategies: list[str], shared: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        entries_for([{"strategy": name} for name in strategies], shared, SolveOptions())


def test_a_shared_parameter_may_be_what_makes_the_others_fit() -> None:
    particles = {"strategy": "particle-filter", "iterations": 10}
    made = entries_for([particles, {"strategy": "early-stop:rebase"}], {"width": 64, "confidence": 0.9}, SolveOptions())
    assert [entry.strategy.width for entry in made] == [64, 64]
    with pytest.raises(ConfigurationError, match="says already what is inside"):
        entries_for([{"strategy": "early-stop:rebase", "inner": "beam"}], {}, SolveOptions())
    with pytest.raises(ConfigurationError, match="rebase:beam: rebase is no strategy around another"):
        entries_for([{"strategy": "rebase:beam"}], {}, SolveOptions())


def test_two_of_a_name_have_directories_of_their_own() -> None:
    entries = entries_for([{"strategy": "rebase"}, {"strategy": "rebase", "width": 4}], {}, SolveOptions())
    assert [entry.name for entry in entries] == ["rebase-16", "rebase-4"]
    alike: list[dict[str, object]] = [{"strategy": "rebase"}, {"strategy": "rebase", "softmax_temperature": 0.5}]
    assert [entry.name for entry in entries_for(alike, {}, SolveOptions())] == ["rebase", "rebase-2"]


def test_a_file_names_them_with_parameters_of_their_own(tmp_path: Path) -> None:
    file = tmp_path / "several.yaml"
    file.write_text("width: 8\nstrategies:\n- rebase\n- strategy: mcts\n  root_children: 8\n")
    read = load_configuration(file)
    assert read.strategies == ({"strategy": "rebase"}, {"strategy": "mcts", "root_children": 8})
    assert read.parameters == {"width": 8}
    save_configuration(tmp_path / "again.yaml", read)
    assert load_configuration(tmp_path / "again.yaml") == read
    assert Configuration(strategy="beam").over(read).strategies is None, "one that is named takes their place"
    assert read.over(Configuration(strategy="beam")).strategy is None
    for wrong in ("strategies: rebase", "strategies: []", "strategies: [3]", "strategies: [{width: 3}]"):
        file.write_text(wrong)
        with pytest.raises(ConfigurationError, match="strategies must be a list of names"):
            load_configuration(file)


def test_the_command_line_runs_several_side_by_side_and_goes_on_with_all(tmp_path: Path) -> None:
    several = ("--strategy", "rebase", "--strategy", "mcts", "--strategy", "early-stop:beam")
    done = command(*SOLVE, *several, "--out", "runs", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    for title in ("rebase, width 6, weighted", "mcts, width 6, weighted", "early-stop:beam, width 6, weighted"):
        assert title in done.stdout
    names = ["early-stop-beam", "mcts", "rebase"]
    assert sorted(path.parent.name for path in (tmp_path / "runs").glob("*/config.json")) == names
    alone = command(*SOLVE, "--strategy", "mcts", "--out", "alone", cwd=tmp_path)
    assert alone.returncode == 0, alone.stderr
    together = [result.without_times() for result in read_results(tmp_path / "runs" / "mcts")]
    assert together == [result.without_times() for result in read_results(tmp_path / "alone")]
    (tmp_path / "runs" / "mcts" / "results.jsonl").write_bytes(b"")
    resumed = command("solve", "--resume", "--out", "runs", cwd=tmp_path)
    assert resumed.returncode == 0, resumed.stderr
    assert [result.without_times() for result in read_results(tmp_path / "runs" / "mcts")] == together
