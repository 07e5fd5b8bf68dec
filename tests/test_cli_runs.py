"""Runs by the command line: gone on with, checked, replayed, and disks that do not take them."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import orjson
import pytest
from command_line import command

from asyncsearch import read_results

SOLVE = ("solve", "arithmetic", "--limit", "4", "--width", "4")


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with a run of four problems in ``run``."""
    folder = tmp_path_factory.mktemp("finished")
    done = command(*SOLVE, "--strategy", "sampling", "--out", "run", cwd=folder)
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture
def folder(finished: Path, tmp_path: Path) -> Path:
    shutil.copytree(finished / "run", tmp_path / "run")
    return tmp_path


def test_a_run_is_gone_on_with_by_its_directory_alone(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Its problems, models and parameters are those it was begun with, wherever the command is given."""
    whole = [result.without_times() for result in read_results(folder / "run")]
    lines = (folder / "run" / "results.jsonl").read_bytes().splitlines(keepends=True)
    (folder / "run" / "results.jsonl").write_bytes(b"".join(lines[:2]))
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    done = command("solve", "--resume", "--out", str(folder / "run"), cwd=elsewhere)
    assert done.returncode == 0, done.stderr
    assert "4 problems" in done.stdout
    assert [result.without_times() for result in read_results(folder / "run")] == whole
    refused = command("solve", "--resume", "--out", "run", "--width", "5", "--seed", "3", cwd=folder)
    assert refused.returncode == 2
    assert "seed was 0 and is 3" in refused.stderr
    assert refused.stderr.strip().count("\n") <= 2, "two notes and one line"
    begun = (folder / "run" / "command.yaml").read_bytes()
    comparison = command("solve", "arithmetic", "--resume", "--out", "run", "--strategy", "rebase", cwd=folder)
    assert comparison.returncode == 2
    assert "strategy was " in comparison.stderr
    (folder / "as.yaml").write_text("seed: 3\nout: run\n")
    comparison = command("solve", "arithmetic", "--resume", "--config", "as.yaml", cwd=folder)
    assert comparison.returncode == 2
    assert "run: holds one run, and no comparison of several" in comparison.stderr
    assert (folder / "run" / "command.yaml").read_bytes() == begun, "how it was begun is not forgotten"
    (folder / "run" / "command.yaml").unlink()
    (folder / "empty").mkdir()
    for out, why in (
        ("run", "holds no run that the command line began"),
        ("missing", "does not exist"),
        ("as.yaml", "is no directory"),
        ("empty", "holds no run to go on with"),
    ):
        unknown = command("solve", "--resume", "--out", out, cwd=folder)
        assert unknown.returncode == 2
        assert f"{out}: {why}" in unknown.stderr


def test_a_run_that_was_extended_is_gone_on_with_by_its_directory_alone(tmp_path: Path) -> None:
    problems = [orjson.dumps({"problem": f"Tom has {n} apples and buys 3. How many?", "answer": n + 3}) for n in (2, 5)]
    (tmp_path / "problems.jsonl").write_bytes(problems[0] + b"\n")
    solve = ("solve", "problems.jsonl", "--strategy", "sampling", "--width", "2", "--out", "run")
    assert command(*solve, cwd=tmp_path).returncode == 0
    (tmp_path / "problems.jsonl").write_bytes(b"\n".join(problems) + b"\n")
    refused = command("solve", "--resume", "--out", "run", cwd=tmp_path)
    assert refused.returncode == 2
    assert "the dataset has 1 problem more, which 'extend' would add" in refused.stderr
    extended = command("solve", "--extend", "--out", "run", cwd=tmp_path)
    assert extended.returncode == 0, extended.stderr
    assert command("solve", "--resume", "--out", "run", cwd=tmp_path).returncode == 0
    assert len(list(read_results(tmp_path / "run"))) == 2


def test_check_says_what_is_there(folder: Path) -> None:
    sound = command("check", "run", cwd=folder)
    assert sound.returncode == 0
    assert (
        "run: sound; 4 of 4 results; a journal of 4 problems, 16 generations, 16 scores and 0 failures" in sound.stdout
    )
    journal = folder / "run" / "journal.bin"
    content = journal.read_bytes()
    journal.write_bytes(content[:-5])
    torn = command("check", "run", cwd=folder)
    assert torn.returncode == 1
    assert "1 of 4 results, that of 'arithmetic-" in torn.stderr
    assert "for one, are not in the journal to their end, so it was cut off; --resume makes them again" in torn.stderr
    results = (folder / "run" / "results.jsonl").read_bytes()
    (folder / "run" / "results.jsonl").write_bytes(b'{"id":')
    killed = command("check", "run", cwd=folder)
    assert killed.returncode == 0
    assert "0 of 4 results" in killed.stdout
    assert "bytes of a torn one behind them, which --resume cuts off" in killed.stdout
    assert "the last line of the results is torn" in killed.stdout
    (folder / "run" / "results.jsonl").write_bytes(results + results.splitlines(keepends=True)[2])
    for verb in ("check", "evaluate", "replay"):
        twice = command(verb, "run", cwd=folder)
        assert twice.returncode == 1
        assert "results.jsonl, line 5: damaged: a second result of the problem 'arithmetic-" in twice.stderr
    (folder / "run" / "results.jsonl").unlink()
    gone = command("check", "run", cwd=folder)
    assert gone.returncode == 1
    assert "results.jsonl: is gone; --resume makes it anew from the journal" in gone.stderr


def test_what_is_damaged_is_refused_and_no_matter_of_another_run(folder: Path) -> None:
    journal = folder / "run" / "journal.bin"
    content = journal.read_bytes()
    journal.write_bytes(content[:500] + bytes([content[500] ^ 4]) + content[501:])
    damaged = command("check", "run", cwd=folder)
    assert damaged.returncode == 1
    assert "journal.bin, byte " in damaged.stderr
    assert "damaged" in damaged.stderr
    replayed = command("replay", "run", cwd=folder)
    assert (replayed.returncode, replayed.stderr) == (1, damaged.stderr)
    journal.write_bytes(content)
    config = orjson.loads((folder / "run" / "config.json").read_bytes())
    (folder / "run" / "config.json").write_bytes(orjson.dumps({**config, "seed": 7}))
    another = command("check", "run", cwd=folder)
    assert another.returncode == 1
    assert "is of another run: seed was 0 and is 7" in another.stderr
    (folder / "run" / "config.json").write_bytes(b"{}")
    unreadable = command("evaluate", "run", cwd=folder)
    assert unreadable.returncode == 1
    assert "config.json: damaged: it holds no configuration of a run" in unreadable.stderr
    (folder / "run" / "config.json").write_bytes(orjson.dumps({**config, "parameters": None}))
    for verb in ("check", "evaluate", "replay"):
        typed = command(verb, "run", cwd=folder)
        assert typed.returncode == 1
        assert "config.json: damaged: parameters cannot be null" in typed.stderr
    (folder / "run" / "config.json").write_bytes(b"{}")
    shutil.copytree(folder / "run", folder / "other")
    (folder / "other" / "config.json").write_bytes(orjson.dumps(config))
    both = command("check", "run", "other", cwd=folder)
    assert both.returncode == 1
    assert "config.json: damaged: it holds no configuration of a run" in both.stderr
    assert "other: sound" in both.stdout, "what is wrong with one is no matter of the other"
    nothing = command("check", "nothing", cwd=folder)
    assert nothing.returncode == 2
    assert "nothing: does not exist" in nothing.stderr


def test_a_damaged_journal_is_cut_and_gone_on_with(folder: Path) -> None:
    whole = [result.candidates for result in read_results(folder / "run")]
    journal = folder / "run" / "journal.bin"
    content = journal.read_bytes()
    damaged = content[:-3] + bytes([content[-3] ^ 4]) + content[-2:]
    journal.write_bytes(damaged)
    refused = command("solve", "--resume", "--out", "run", cwd=folder)
    assert refused.returncode == 1
    assert "'asyncsearch check --cut' keeps what stands before it" in refused.stderr
    cut = command("check", "run", "--cut", cwd=folder)
    assert cut.returncode == 1
    assert "is cut off there; all of it is kept in run/journal.damaged-1" in cut.stderr
    assert (folder / "run" / "journal.damaged-1").read_bytes() == damaged
    assert content.startswith(journal.read_bytes())
    resumed = command("solve", "--resume", "--out", "run", cwd=folder)
    assert resumed.returncode == 0, resumed.stderr
    assert "the journal does not hold what 1 of the results were made of; they are made again" in resumed.stderr
    assert "sampling: 3 of 4 results are there already" in resumed.stderr
    assert [result.candidates for result in read_results(folder / "run")] == whole
    assert command("check", "run", "--cut", cwd=folder).returncode == 0


def test_a_run_under_nohup_outlives_its_terminal(tmp_path: Path) -> None:
    results = tmp_path / "run" / "results.jsonl"
    solve = ["nohup", sys.executable, "-m", "asyncsearch", *SOLVE, "--strategy", "rebase", "--out", "run"]
    with subprocess.Popen(solve, cwd=tmp_path, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) as process:
        try:
            give_up = time.monotonic() + 120
            while not results.exists() and process.poll() is None:
                assert time.monotonic() < give_up
                os.sched_yield()
            process.send_signal(signal.SIGHUP)
            _, errors = process.communicate(timeout=120)
        finally:
            process.kill()
    assert process.returncode == 0, errors.decode()
    assert len(list(read_results(tmp_path / "run"))) == 4


@pytest.mark.parametrize("times", [1, 2])
def test_a_run_in_the_background_ends_when_it_is_told_to(tmp_path: Path, times: int) -> None:
    """Shells have those ignore Ctrl-C; what batch systems send is another thing. Told twice, it ends on the spot."""
    solve = ["bash", "-c", f"trap '' INT; exec {sys.executable} -m asyncsearch solve arithmetic --out run"]
    with subprocess.Popen(solve, cwd=tmp_path, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) as process:
        try:
            give_up = time.monotonic() + 120
            while not list(tmp_path.glob("run/*/results.jsonl")) and process.poll() is None:
                assert time.monotonic() < give_up
                os.sched_yield()
            process.send_signal(signal.SIGINT)
            assert process.poll() is None
            for _ in range(times):
                process.send_signal(signal.SIGTERM)
            _, errors = process.communicate(timeout=60)
        finally:
            process.kill()
    assert process.returncode == 130, errors.decode()
    assert times > 1 or "interrupted: " in errors.decode()
    assert "Traceback" not in errors.decode()
    assert "never awaited" not in errors.decode()
    assert command("check", "run", cwd=tmp_path).returncode == 0


def test_replay_says_what_smaller_budgets_would_have_given(folder: Path) -> None:
    done = command("replay", "run", "--anytime", cwd=folder)
    assert done.returncode == 0, done.stderr
    assert re.findall(r"^ +(\d+) +\S+\d%", done.stdout, re.MULTILINE) == ["1", "2", "4"]
    both = command("replay", "run", "--anytime", "--width", "2", cwd=folder)
    assert both.returncode == 2
    rebase = command(*SOLVE, "--strategy", "rebase", "--out", "rebase", cwd=folder)
    assert rebase.returncode == 0, rebase.stderr
    refused = command("replay", "rebase", "--anytime", cwd=folder)
    assert refused.returncode == 2
    assert "no run of a smaller width" in refused.stderr


@pytest.mark.parametrize("compress", [["--no-compress"], ["--compress"]], ids=["plain", "compressed"])
def test_a_disk_that_is_full_stops_the_run_and_loses_nothing(folder: Path, compress: list[str]) -> None:
    whole = [result.without_times() for result in read_results(folder / "run")]
    solve = (*SOLVE, "--strategy", "sampling", "--out", "full", *compress)
    full = command(*solve, cwd=folder, file_limit=2)
    assert full.returncode == 1
    assert "cannot be written: File too large" in full.stderr
    assert "Traceback" not in full.stderr
    assert command("check", "full", cwd=folder).returncode == 0
    resumed = command("solve", "--out", "full", "--resume", cwd=folder)
    assert resumed.returncode == 0, resumed.stderr
    assert [(one.id, one.candidates) for one in read_results(folder / "full")] == [
        (one.id, one.candidates) for one in whole
    ]


def test_a_comparison_is_gone_on_with_as_a_whole(tmp_path: Path) -> None:
    solve = ("solve", "arithmetic", "--limit", "2", "--width", "2", "--out", "both")
    strategies = ("--strategy", "sampling", "--strategy", "rebase")
    assert command(*solve, *strategies, cwd=tmp_path).returncode == 0
    for others in (("--strategy", "beam", "--strategy", "rebase"), ("--strategy", "rebase")):
        refused = command(*solve, *others, "--resume", cwd=tmp_path)
        assert refused.returncode == 2
        assert "both: holds a comparison of rebase, sampling, and not of " in refused.stderr
    part = command("solve", "--resume", "--out", "both/rebase", cwd=tmp_path)
    assert part.returncode == 2
    assert "both/rebase: is part of a comparison; go on with all of it, by --out both" in part.stderr
    shutil.rmtree(tmp_path / "both" / "rebase")
    for verb in ("check", "evaluate"):
        interrupted = command(verb, "both", cwd=tmp_path)
        assert interrupted.returncode == 0
        assert "both/rebase: not begun" in interrupted.stdout
    more = command(*solve, *strategies, "--strategy", "beam", "--resume", cwd=tmp_path)
    assert more.returncode == 0, more.stderr
    assert "sampling: 2 of 2 results are there already" in more.stderr
    again = command("solve", "--resume", "--out", "both", cwd=tmp_path)
    assert again.returncode == 0
    assert "beam: 2 of 2 results are there already" in again.stderr, "what was added is remembered"


def test_a_disk_that_is_full_from_the_beginning_is_no_mistake_of_the_user(tmp_path: Path) -> None:
    # Libraries need their temporary files, so some room is left: for all but the run's configuration.
    (tmp_path / "long.yaml").write_text(f'prompt: "{"x" * 2000}{{problem}}"\nstep_start: Step\nanswer_marker: answer\n')
    full = command(*SOLVE, "--out", "run", "--format", "long.yaml", cwd=tmp_path, file_limit=1)
    assert full.returncode == 1
    assert "run/greedy: cannot be written: File too large" in full.stderr
    assert "--resume" not in full.stderr


def test_a_directory_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    refused = command(*SOLVE, "--out", "/proc/nowhere/run", cwd=tmp_path)
    assert refused.returncode == 2
    assert "/proc/nowhere/run: cannot be written" in refused.stderr
    assert "Traceback" not in refused.stderr
