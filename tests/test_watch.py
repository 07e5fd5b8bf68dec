"""Runs that are watched while they are written, torn, cut off and grown anew: step by step, and as a user meets it."""

from __future__ import annotations

import fcntl
import io
import os
import platform
import re
import subprocess
import sys
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from command_line import command
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console
from terminals import Terminal, until

from asyncsearch import (
    JournalError,
    Problem,
    ProblemResult,
    Rebase,
    RunDirectoryError,
    Sampling,
    SolveOptions,
    StorageError,
    Strategy,
    read_results,
    solve_dataset,
)
from asyncsearch.cli.watch import PlainLines, Watch
from asyncsearch.journal import JournalFollower, OpenSearch
from asyncsearch.journal.blocks import BlockReader, BlockWriter
from asyncsearch.journal.compression import Compressor
from asyncsearch.journal.records import (
    Header,
    Row,
    abandoned_row,
    began_row,
    ended_row,
    failed_row,
    generated_row,
    pack,
    pack_header,
    retried_row,
    scored_row,
)
from asyncsearch.run_directory import Holder, RunFollower, holder_of, locked, plan_runs
from asyncsearch.run_directory.following import ResultsFollower
from asyncsearch.run_directory.lock import LOCK_FILE
from asyncsearch.scheduler import Cost
from runtimes.base import FinishReason, Usage
from runtimes.simulated import SimulatedRuntime
from runtimes.virtual_clock import run_virtual


@dataclass
class Counted:
    """What some rows come to: written once more, and by nodes."""

    nodes: int = 0
    generated: int = 0
    computed: int = 0
    open: dict[int, OpenSearch] = field(default_factory=dict)

    def add(self, number: int, nodes: int, *, ended: bool) -> None:
        self.nodes += nodes
        self.generated += 10 * nodes
        self.computed += 3 * nodes
        search = self.open.setdefault(number, OpenSearch(f"p{number}"))
        search.nodes += nodes
        search.tokens += 10 * nodes
        search.depth = max(search.depth, nodes)
        if ended:
            del self.open[number]


def rows_of(number: int, nodes: int, *, begins: bool, ends: bool) -> list[Row]:
    """The records of so many nodes, one below the other, of the search with a number."""
    rows: list[Row] = []
    if begins:
        rows.append(began_row(number, Problem(id=f"p{number}", text=f"problem {number}", answer="1")))
    for depth in range(1, nodes + 1):
        path = (0,) * depth
        text = f"Step {depth} of {number}, {os.urandom(4).hex()}"
        usage = Usage(prompt_tokens=20, cached_tokens=15, generated_tokens=10)
        rows += [
            generated_row(number, path, text, None, FinishReason.STOP, False, Cost(usage=usage)),
            scored_row(number, path, (0.5,), Cost(usage=Usage(prompt_tokens=30, cached_tokens=27))),
        ]
    return [*rows, ended_row(number)] if ends else rows


class Sessions:
    """A journal that is written block by block, in sessions, and what is in it up to each block's end."""

    def __init__(self, path: Path, *, compression: str | None) -> None:
        self.path = path
        self._compression = compression
        self.blocks: list[tuple[int, int, int, bool]] = []
        """Where each ends, the number of its search, nodes and whether that ended."""

    def begin(self) -> None:
        end = 0
        if self.path.exists():
            with BlockReader(self.path) as reader:
                for _ in reader:
                    pass
                end = reader.end
        self.blocks = [block for block in self.blocks if block[0] <= end]
        self._writer = BlockWriter(self.path, end=end)
        self._compressor = Compressor(self._compression)
        if not self._has_header():
            self._writer.append(pack_header(Header({}, self._compression)))

    def _has_header(self) -> bool:
        with BlockReader(self.path) as reader:
            return next(iter(reader), None) is not None

    def write(self, number: int, nodes: int, *, ends: bool) -> None:
        begins = all(block[1] != number for block in self.blocks)
        rows = rows_of(number, nodes, begins=begins, ends=ends)
        self._writer.append(self._compressor.compress(pack(rows)))
        self.blocks.append((self.path.stat().st_size, number, nodes, ends))

    def end(self) -> None:
        self._writer.close()

    def counted(self, size: int | None = None) -> Counted:
        """What the first bytes come to, all by default."""
        total = Counted()
        for end, number, nodes, ended in self.blocks:
            if size is None or end <= size:
                total.add(number, nodes, ended=ended)
        return total


def counted(follower: JournalFollower) -> Counted:
    tally = follower.tally
    return Counted(tally.nodes, tally.policy.generated, tally.reward.prompt - tally.reward.cached, dict(tally.open))


def catch_up(follower: JournalFollower | ResultsFollower | RunFollower) -> None:
    follower.look()
    while follower.is_behind:
        follower.look()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("watched")


compressions = st.sampled_from([None, "zstd"])
writes = st.lists(st.tuples(st.integers(0, 3), st.integers(0, 4), st.booleans()), min_size=1, max_size=6)


def write_all(sessions: Sessions, chosen: Sequence[tuple[int, int, bool]]) -> None:
    ended = {number for _, number, _, has_ended in sessions.blocks if has_ended}
    sessions.begin()
    for number, nodes, ends in chosen:
        if number not in ended:
            sessions.write(number, nodes, ends=ends)
            ended |= {number} if ends else set()
    sessions.end()


@pytest.mark.parametrize("compression", [None, "zstd"])
def test_a_journal_that_grows_byte_by_byte_is_read_block_by_block(tmp_path: Path, compression: str | None) -> None:
    sessions = Sessions(tmp_path / "whole.bin", compression=compression)
    write_all(sessions, [(0, 2, False), (1, 1, True)])
    write_all(sessions, [(0, 1, True), (2, 3, False)])
    whole = sessions.path.read_bytes()
    with JournalFollower(tmp_path / "journal.bin") as follower, (tmp_path / "journal.bin").open("wb") as growing:
        catch_up(follower)
        assert counted(follower) == Counted()
        for size in range(len(whole)):
            growing.write(whole[size : size + 1])
            growing.flush()
            catch_up(follower)
            assert counted(follower) == sessions.counted(size + 1)
            assert follower.end <= follower.size == size + 1
    assert counted(follower).open == {2: OpenSearch("p2", nodes=3, depth=3, tokens=30)}


@given(compressions, st.lists(st.tuples(writes, st.floats(0, 1), st.booleans()), min_size=1, max_size=4))
def test_a_journal_that_is_torn_anywhere_and_gone_on_with_is_followed(
    folder: Path, compression: str | None, chosen: list[tuple[list[tuple[int, int, bool]], float, bool]]
) -> None:
    """Also where more is gone than was torn, so that what has been read is not there any more."""
    path = folder / "journal.bin"
    path.unlink(missing_ok=True)
    sessions = Sessions(path, compression=compression)
    with JournalFollower(path) as follower:
        for blocks, share, looks in chosen:
            write_all(sessions, blocks)
            catch_up(follower)
            assert counted(follower) == sessions.counted()
            torn = int(path.stat().st_size * share)
            os.truncate(path, torn)
            if looks:
                catch_up(follower)
                assert counted(follower) == sessions.counted(torn)
        write_all(sessions, [(9, 3, False)])
        catch_up(follower)
        assert counted(follower) == sessions.counted()


@given(compressions, writes, writes, st.integers(1, 200), st.booleans())
def test_zeros_that_a_power_cut_leaves_are_passed_over_until_they_are_cut_off(
    folder: Path,
    compression: str | None,
    before: list[tuple[int, int, bool]],
    after: list[tuple[int, int, bool]],
    zeros: int,
    looks: bool,
) -> None:
    path = folder / "zeros.bin"
    path.unlink(missing_ok=True)
    sessions = Sessions(path, compression=compression)
    write_all(sessions, before)
    with JournalFollower(path) as follower:
        catch_up(follower)
        with path.open("ab") as file:
            file.write(bytes(zeros))
        if looks:
            catch_up(follower)
            assert counted(follower) == sessions.counted()
        write_all(sessions, after)
        catch_up(follower)
        assert counted(follower) == sessions.counted()


def test_another_journal_in_the_same_place_is_read_from_its_beginning(tmp_path: Path) -> None:
    path = tmp_path / "journal.bin"
    first, second = (Sessions(path, compression="zstd") for _ in range(2))
    write_all(first, [(0, 2, False)])
    with JournalFollower(path) as follower:
        catch_up(follower)
        path.unlink()
        catch_up(follower)
        assert counted(follower) == Counted()
        write_all(second, [(0, 1, True), (1, 4, False), (2, 4, False)])
        catch_up(follower)
        assert counted(follower) == second.counted()
        third = Sessions(tmp_path / "third.bin", compression=None)
        write_all(third, [(0, 9, False)])
        third.path.replace(path)
        catch_up(follower)
        assert counted(follower) == third.counted()


def test_a_journal_is_not_read_again_and_what_ended_is_forgotten(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "journal.bin"
    sessions = Sessions(path, compression="zstd")
    write_all(sessions, [(number, 4, True) for number in range(300)])
    offsets: list[int] = []
    read = BlockReader.__iter__

    def watched(reader: BlockReader) -> object:
        offsets.append(reader.end)
        return read(reader)

    monkeypatch.setattr(BlockReader, "__iter__", watched)
    with JournalFollower(path) as follower:
        catch_up(follower)
        assert (follower.tally.nodes, follower.tally.open) == (1200, {})
        del offsets[:]
        for number in range(300, 310):
            write_all(sessions, [(number, 1, False)])
            known = follower.end
            del offsets[:]
            catch_up(follower)
            assert set(offsets) == {known}, "it goes on where it was"
        assert len(follower.tally.open) == 10


def test_a_long_journal_is_read_in_parts(tmp_path: Path) -> None:
    path = tmp_path / "journal.bin"
    sessions = Sessions(path, compression=None)
    write_all(sessions, [(number, 1000, True) for number in range(20)])
    assert path.stat().st_size > 2 << 20
    with JournalFollower(path) as follower:
        looks = 0
        while follower.is_behind:
            follower.look()
            looks += 1
            assert follower.tally.nodes == 1000 * sum(end <= follower.end for end, *_ in sessions.blocks)
        assert looks > 2
        assert follower.end == follower.size == path.stat().st_size
        assert follower.tally.nodes == 20_000


def test_what_failed_or_was_given_up_is_no_node_and_a_search_that_is_retried_is_under_way_again(tmp_path: Path) -> None:
    path = tmp_path / "journal.bin"
    cost = Cost(failed=(Usage(prompt_tokens=9, generated_tokens=9),))
    rows = [*rows_of(4, 1, begins=True, ends=False), failed_row(4, (1,), "lost", cost), abandoned_row(4, (2,), cost)]
    sessions = Sessions(path, compression=None)
    sessions.begin()
    sessions._writer.append(pack([*rows, ended_row(4)]))
    with JournalFollower(path) as follower:
        catch_up(follower)
        assert (follower.tally.nodes, follower.tally.policy.generated, follower.tally.open) == (1, 10, {})
        sessions._writer.append(pack([retried_row(4)]))
        catch_up(follower)
        assert follower.tally.open == {4: OpenSearch("p4")}
        sessions._writer.append(pack([*rows_of(4, 2, begins=False, ends=True)]))
        catch_up(follower)
        assert (follower.tally.nodes, follower.tally.open) == (3, {})
    sessions.end()


def result(number: int, *, correct: bool | None = True, error: str | None = None, at: float = 0.0) -> ProblemResult:
    return ProblemResult(
        id=f"p{number}", problem="x" * number, answer="1", reference="1", correct=correct, error=error, run_seconds=at
    )


RESULTS = [
    result(0, at=1.5),
    result(1, correct=False, at=4.0),
    result(2, correct=None, at=3.0),
    result(3, correct=False, error="lost", at=5.5),
]


def test_results_are_read_line_by_line_as_they_come_torn_and_ordered_anew(tmp_path: Path) -> None:
    path = tmp_path / "results.jsonl"
    follower = ResultsFollower(path)
    catch_up(follower)
    assert follower.tally.done == 0
    lines = [one.to_json() + b"\n" for one in RESULTS]
    whole = b"".join(lines)
    with path.open("wb") as growing:
        for size in range(len(whole)):
            growing.write(whole[size : size + 1])
            growing.flush()
            catch_up(follower)
            assert follower.tally.done == whole[: size + 1].count(b"\n")
    tally = follower.tally
    assert (tally.done, tally.failed, tally.graded, tally.correct, tally.seconds) == (4, 1, 3, 1, 5.5)
    with path.open("ab") as growing:
        growing.write(lines[0][:10])
    catch_up(follower)
    os.truncate(path, len(whole))  # as --resume does
    with path.open("ab") as growing:
        growing.write(result(4, at=9.0).to_json() + b"\n")
    catch_up(follower)
    assert (follower.tally.done, follower.tally.seconds) == (5, 9.0)
    (tmp_path / "new").write_bytes(b"".join(reversed(lines)))
    (tmp_path / "new").replace(path)
    catch_up(follower)
    assert follower.tally == tally
    (tmp_path / "new").write_bytes(lines[2])
    (tmp_path / "new").replace(path)
    catch_up(follower)
    assert (follower.tally.done, follower.tally.graded) == (1, 0)
    path.unlink()
    catch_up(follower)
    assert follower.tally.done == 0
    follower.close()


def test_a_damaged_line_is_told_with_its_number(tmp_path: Path) -> None:
    path = tmp_path / "results.jsonl"
    path.write_bytes(RESULTS[0].to_json() + b"\n")
    follower = ResultsFollower(path)
    catch_up(follower)
    with path.open("ab") as file:
        file.write(b"{}\n")
    with pytest.raises(StorageError, match=r"results\.jsonl, line 2: damaged"):
        follower.look()
    follower.close()


def test_who_holds_a_directory_is_known_without_taking_its_lock(tmp_path: Path) -> None:
    assert holder_of(tmp_path) is None
    with locked(tmp_path):
        assert holder_of(tmp_path) == Holder(os.getpid(), platform.node())
        assert str(holder_of(tmp_path)) == f"{os.getpid()} on {platform.node()}"
        with pytest.raises(RunDirectoryError, match=f"in use by another process, {os.getpid()} on "), locked(tmp_path):
            pass
    assert holder_of(tmp_path) is None, "this process is there, and holds it no more"
    lock = tmp_path / LOCK_FILE
    before = lock.stat()
    holding = "import sys; from pathlib import Path; from asyncsearch.run_directory import locked\n"
    holding += "with locked(Path(sys.argv[1])): print('held', flush=True); sys.stdin.read()"
    with subprocess.Popen(
        [sys.executable, "-c", holding, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"held\n"
        assert holder_of(tmp_path) == Holder(process.pid, platform.node())
        process.kill()
    assert holder_of(tmp_path) is None
    assert lock.stat().st_mtime_ns > before.st_mtime_ns
    for there in (f"{os.getpid()} on {platform.node()}", "", "nobody", "12", "\xff on x"):
        lock.write_text(there)
        assert holder_of(tmp_path) is None, "no process has it open"
    lock.write_text("12 on somewhere else\nand what was longer before")
    elsewhere = holder_of(tmp_path)
    assert elsewhere == Holder(12, "somewhere else")
    assert elsewhere.is_elsewhere
    with lock.open() as file:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)  # it is free
        holder_of(tmp_path)


PROBLEMS = [Problem(id=f"p{number}", text=f"problem {number}", answer=str(number % 5)) for number in range(30)]


def solve(
    run_dir: Path,
    *,
    on_result: Callable[[Strategy, ProblemResult], None] | None = None,
    resume: bool = False,
    problems: Sequence[Problem] = PROBLEMS,
    strategy: Strategy = Rebase(width=4),
) -> None:
    runtime = SimulatedRuntime()
    run_virtual(
        lambda: solve_dataset(
            problems,
            strategy,
            policy=runtime,
            reward=runtime,
            run_dir=run_dir,
            resume=resume,
            on_result=on_result,
            options=SolveOptions(policy_limit=16, reward_limit=16),
        )
    )


class Enough(Exception):
    pass


def stop_after(count: int) -> Callable[[Strategy, ProblemResult], None]:
    done = 0

    def count_one(_: Strategy, __: ProblemResult) -> None:
        nonlocal done
        done += 1
        if done == count:
            raise Enough

    return count_one


def test_a_run_is_followed_from_its_first_result_to_its_last(tmp_path: Path) -> None:
    path = tmp_path / "run"
    seen: list[tuple[int, int, int]] = []
    with ExitStack() as stack:
        follower: RunFollower | None = None

        def look(_: Strategy, told: ProblemResult) -> None:
            nonlocal follower
            if follower is None:
                follower = stack.enter_context(RunFollower(path))
            catch_up(follower)
            assert follower.holder == Holder(os.getpid(), platform.node())
            assert not follower.is_complete or len(seen) + 1 == len(PROBLEMS)
            assert told.id not in {search.problem for search in follower.journal.open.values()}
            seen.append((follower.results.done, len(follower.journal.open), follower.journal.nodes))

        solve(path, on_result=look)
        assert follower is not None
        assert [done for done, _, _ in seen] == [*range(1, len(PROBLEMS) + 1)]
        assert any(under_way for _, under_way, _ in seen)
        assert seen[-1][1] == 0
        catch_up(follower)
        assert (follower.holder, follower.is_complete, follower.total) == (None, True, len(PROBLEMS))
        results = list(read_results(path))
        tally, journal = follower.results, follower.journal
        assert tally.correct == sum(one.correct is True for one in results)
        assert tally.seconds == max(one.run_seconds for one in results)
        assert journal.policy.generated == sum(one.accounts.policy.generated_tokens for one in results)
        assert journal.policy.cached == sum(one.accounts.policy.cached_tokens for one in results)
        assert journal.reward.prompt - journal.reward.cached == sum(
            one.accounts.reward.prompt_tokens for one in results
        )


def test_what_is_damaged_is_told_unless_it_is_gone_when_it_is_read_anew(tmp_path: Path) -> None:
    path = tmp_path / "run"
    solve(path)
    journal = path / "journal.bin"
    whole = journal.read_bytes()
    damaged = whole[:-200] + bytes([whole[-200] ^ 1]) + whole[-199:]
    journal.write_bytes(damaged)
    with RunFollower(path) as follower:
        follower.look()
        assert follower.is_behind, "it may have been cut off meanwhile"
        with pytest.raises(JournalError, match=r"journal\.bin, byte [0-9]+: damaged: "):
            follower.look()
    with RunFollower(path) as follower:
        follower.look()
        journal.write_bytes(whole)
        catch_up(follower)
        assert follower.journal.policy.generated == sum(
            one.accounts.policy.generated_tokens for one in read_results(path)
        )
    (path / "config.json").unlink()
    with pytest.raises(RunDirectoryError, match="not a run directory"):
        RunFollower(path)


def test_a_run_that_is_gone_on_with_and_extended_is_followed(tmp_path: Path) -> None:
    path = tmp_path / "run"
    with pytest.raises(Enough):
        solve(path, on_result=stop_after(10))
    with RunFollower(path) as follower:
        catch_up(follower)
        assert (follower.results.done, follower.holder, follower.is_complete) == (10, None, False)
        under_way = len(follower.journal.open)
        assert under_way
        with pytest.raises(Enough):
            solve(path, on_result=stop_after(15), resume=True)
        catch_up(follower)
        assert follower.results.done == 15
        solve(path, resume=True)
        catch_up(follower)
        assert (follower.results.done, follower.journal.open, follower.is_complete) == (len(PROBLEMS), {}, True)


def screen(watch: Watch, *, at: float = 0.0) -> list[str]:
    console = Console(file=io.StringIO(), width=80, record=True)
    console.print(watch.draw(at))
    return [line.rstrip() for line in console.export_text().splitlines()]


def look(watch: Watch, now: float) -> None:
    watch.look(now)
    while watch.is_behind:
        watch.look(now)


def test_a_comparison_is_watched_from_before_it_begins_until_nobody_writes_it(tmp_path: Path) -> None:
    both = tmp_path / "both"
    with pytest.raises(RunDirectoryError, match="does not exist"), Watch([both]) as watch:
        watch.look(0.0)
    with Watch([both], wait=True) as watch:
        look(watch, 0.0)
        assert screen(watch) == [f"waiting for {both}"[:80]] or "waiting for" in screen(watch)[0]
        assert not watch.is_over
        both.mkdir()
        (both / "command.yaml").write_text("strategies:\n- strategy: sampling\n- strategy: rebase\nwidth: 4\n")
        plan_runs(both, ["sampling", "rebase"])
        with locked(both):
            look(watch, 1.0)
            assert not watch.is_over
            solve(both / "sampling", strategy=Sampling(width=4))
            look(watch, 2.0)
            lines = screen(watch)
            assert lines[0].startswith("sampling ━━")
            assert " 30/30 " in lines[0]
            assert "took " in lines[0]
            assert lines[1].startswith("rebase   ──")
            assert lines[1].endswith("not begun")
            assert not watch.is_over
            with pytest.raises(Enough):
                solve(both / "rebase", on_result=stop_after(7))
            look(watch, 3.0)
            assert not watch.is_over, "whoever holds the directory may go on"
        look(watch, 4.0)
        assert " 7/30 " in screen(watch)[1]
        assert screen(watch)[1].endswith("stopped")
        assert (watch.is_over, watch.is_sound) == (True, False)
        assert list(watch.conclusions()) == [
            f"{both}: nobody writes it any more, and it is not complete; go on with it by: asyncsearch solve --out "
            f"{both} --resume"
        ]
        solve(both / "rebase", resume=True)
        look(watch, 5.0)
        assert (watch.is_over, watch.is_sound) == (True, True)
        assert list(watch.conclusions()) == [f"{both}: complete"]


def test_a_sweep_is_watched_from_one_model_to_the_next(tmp_path: Path) -> None:
    models = "models: {small: {policy: p, reward: r}, large: {policy: q, reward: r, strategies: [rebase]}}\n"
    (tmp_path / "sweep.yaml").write_text(f"dataset: arithmetic\nwidths: [4]\nstrategies: [sampling, rebase]\n{models}")
    plan_runs(tmp_path, ["small/sampling-4", "small/rebase-4", "large/rebase-4"])
    with Watch([tmp_path]) as watch:
        with locked(tmp_path):
            look(watch, 0.0)
            assert screen(watch)[0].startswith("waiting for ")
            for name in ("sampling-4", "rebase-4"):
                solve(tmp_path / "small" / name)
            look(watch, 1.0)
            names = [line.split()[0] for line in screen(watch)[:3]]
            assert names == ["small/rebase-4", "small/sampling-4", "large/rebase-4"]
            assert screen(watch)[2].endswith("not begun")
            assert not watch.is_over, "the next model is being loaded"
        look(watch, 2.0)
        assert (watch.is_over, watch.is_sound) == (True, False)
        assert list(watch.conclusions()) == [
            f"{tmp_path}: nobody writes it any more, and it is not complete; go on with it by: asyncsearch sweep --out "
            f"{tmp_path} --resume"
        ]
        solve(tmp_path / "large" / "rebase-4")
        look(watch, 3.0)
        assert list(watch.conclusions()) == [f"{tmp_path}: complete"]


def test_runs_in_one_directory_that_have_nothing_to_do_with_each_other_are_gone_on_with_each_by_itself(
    tmp_path: Path,
) -> None:
    for name in ("first", "second", "third"):
        with pytest.raises(Enough):
            solve(tmp_path / name, on_result=stop_after(2))
    (tmp_path / "first" / "command.yaml").write_text("strategy: rebase\n")
    solve(tmp_path / "third", resume=True)
    with Watch([tmp_path]) as watch:
        look(watch, 0.0)
        by_python, by_command = sorted(watch.conclusions(), key=lambda line: "asyncsearch solve" in line)
        assert by_command.endswith(f"go on with it by: asyncsearch solve --out {tmp_path / 'first'} --resume")
        assert by_python.endswith(
            f"go on with it from Python, by solve_dataset(..., run_dir={str(tmp_path / 'second')!r}, resume=True)"
        )


def test_the_speed_and_the_time_left_of_a_run_are_by_what_it_has_done_and_not_by_how_fast_it_is_read(
    tmp_path: Path,
) -> None:
    """It is looked at every second, in which there are ten results."""
    path = tmp_path / "run"
    seen: list[list[str]] = []
    written = io.StringIO()
    with Watch([path], wait=True) as watch:
        lines = PlainLines(watch, Console(file=written, width=80))
        done = 0

        def tell(_: Strategy, __: ProblemResult) -> None:
            nonlocal done
            done += 1
            if done % 10 == 0 and done < len(PROBLEMS):
                since = (path / "results.jsonl").stat().st_mtime
                look(watch, done / 10)
                lines.show(done / 10, since)
                seen.append(screen(watch, at=since))

        lines.show(0.0, 0.0)
        solve(path, on_result=tell)
        look(watch, 3.0)
        lines.show(3.0, 0.0)
        lines.show(60.0, 0.0)
        nodes = [int(screen_lines[3].split()[1].replace(",", "")) for screen_lines in seen]
        speeds = [screen_lines[3].split()[2] for screen_lines in seen]
        assert speeds[0] == "-", "what was there before is no speed"
        assert float(speeds[1].replace(",", "")) == pytest.approx(nodes[1] - nodes[0], abs=0.5)
        results = list(read_results(path))
        tenth, twentieth = (sorted(one.run_seconds for one in results)[at - 1] for at in (10, 20))
        assert f"0:{round(2 * tenth):02} left" in seen[0][0]
        assert f"0:{round(twentieth / 2):02} left" in seen[1][0]
        assert any("problems under way" in line for line in seen[0])
        assert seen[0][-1] == f"written by process {os.getpid()} on {platform.node()}"
        told = written.getvalue().splitlines()
        assert told[0].startswith("waiting for ")
        assert told[1].startswith("run: 10/30 problems, ")
        assert told[1].endswith(" under way")
        assert told[2].startswith("run: 30/30 problems, "), "5 seconds have not passed, but it is the last"
        assert len(told) == 3, "and there is nothing new behind it"


def test_what_is_read_in_parts_is_no_speed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("asyncsearch.journal.following._AT_A_TIME", 1)
    solve(tmp_path / "run")
    with Watch([tmp_path / "run"]) as watch:
        looks = 0
        shares = []
        while watch.is_behind or not looks:
            watch.look(looks / 10)
            looks += 1
            shares += re.findall(r"reading (\d+)%", screen(watch)[0])
        assert looks > 10
        assert len(shares) == looks - 1
        assert shares == sorted(shares, key=int)
        watch.look(looks / 10 + 1)
        assert screen(watch)[3].split()[2] == "0.0", "nothing was written meanwhile"


def test_a_process_on_another_host_is_believed_to_be_there(tmp_path: Path) -> None:
    with pytest.raises(Enough):
        solve(tmp_path / "run", on_result=stop_after(3))
    (tmp_path / "run" / LOCK_FILE).write_text("17 on a\x1b[2Jb\n")
    with Watch([tmp_path / "run"]) as watch:
        look(watch, 0.0)
        assert not watch.is_over
        assert screen(watch)[-1] == "written by process 17 on a [2Jb, which cannot be seen from here"


def test_a_run_whose_writer_is_out_of_sight_is_alive_as_long_as_it_grows(tmp_path: Path) -> None:
    path = tmp_path / "run"
    with pytest.raises(Enough):
        solve(path, on_result=stop_after(3))
    with Watch([path]) as watch:
        look(watch, 0.0)
        assert watch.is_over
        with (path / "results.jsonl").open("ab") as results:
            results.write(replace(RESULTS[0], id="another").to_json() + b"\n")
        look(watch, 1.0)
        assert not watch.is_over
        look(watch, 2.0)
        assert watch.is_over


SOLVE = ("solve", "arithmetic", "--limit", "10", "--width", "4", "--out", "run")
BOTH = ("--strategy", "rebase", "--strategy", "sampling")


def test_a_run_and_whoever_watches_it_each_on_a_terminal(tmp_path: Path) -> None:
    with (
        Terminal(*SOLVE, *BOTH, cwd=tmp_path) as solving,
        Terminal("watch", "run", "--wait", cwd=tmp_path, columns=60) as watching,
    ):
        both = (solving, watching)
        until(lambda: any("in flight" in line for line in solving.screen), both)
        assert any(line.startswith("rebase ") for line in solving.screen)
        solving.hold()
        until(lambda: not watching.is_open, both)  # a terminal that is held up holds up no run
        assert solving.process.poll() is None
        solving.let_go()
        until(lambda: not solving.is_open, both)
        assert (solving.process.wait(), watching.process.wait()) == (0, 0)
        solved, watched = solving.screen, watching.screen
        assert all(len(line) <= 80 for line in solved)
        (table,) = (row for row, line in enumerate(solved) if line == "10 problems, seed 0")
        for name, line in zip(("rebase", "sampling"), solved[table - 2 : table], strict=True):
            assert line.startswith(name)
            assert " 10/10 " in line
            assert "took " in line
        assert not any("in flight" in line for line in solved), "how fast it is, is of no interest any more"
        assert all(len(line) <= 60 for line in watched)
        assert [line.split()[0] for line in watched[:2]] == ["rebase", "sampling"]
        assert all(" 10/10 " in line and "took " in line for line in watched[:2])
        assert watched[3].split() == ["nodes", "nodes/s", "tokens", "tokens/s", "cached"]
        assert watched[-1] == "run: complete"
        for terminal in both:
            assert terminal.written.rindex("\x1b[?25h") > terminal.written.rindex("\x1b[?25l"), "the cursor is back"


def test_a_run_that_is_interrupted_and_whoever_watches_it(tmp_path: Path) -> None:
    with (
        Terminal("solve", "arithmetic", *BOTH, "--out", "run", cwd=tmp_path) as solving,
        Terminal("watch", "run", "--wait", cwd=tmp_path) as watching,
        Terminal("watch", "run", "--wait", cwd=tmp_path, columns=160) as leaving,
    ):
        all_of_them = (solving, watching, leaving)
        until(lambda: all(any("policy" in line for line in each.screen) for each in all_of_them), all_of_them)
        leaving.interrupt()
        until(lambda: not leaving.is_open, all_of_them)
        assert leaving.process.wait() == 130
        assert leaving.screen[0].startswith("rebase")
        assert not any("Traceback" in line or "Aborted" in line for line in leaving.screen)
        assert solving.process.poll() is None
        solving.interrupt()
        until(lambda: not (solving.is_open or watching.is_open), all_of_them)
        assert (solving.process.wait(), watching.process.wait()) == (130, 1)
        stopped = [line for line in solving.screen if line.endswith("stopped")]
        assert [line.split()[0] for line in stopped] == ["rebase", "sampling"]
        assert not any("in flight" in line for line in solving.screen)
        assert "interrupted: " in "".join(solving.screen)
        assert [line.endswith("stopped") for line in watching.screen[:2]] == [True, True]
        assert "".join(watching.screen).endswith("go on with it by: asyncsearch solve --out run --resume")
    once = command("watch", "run", "--once", cwd=tmp_path)
    assert once.returncode == 1
    assert once.stdout.count("stopped") == 2
    assert once.stdout.splitlines()[-1] == (
        "run: nobody writes it any more, and it is not complete; go on with it by: asyncsearch solve --out run --resume"
    )


def test_where_there_is_no_terminal_a_run_and_its_watcher_write_plain_lines(tmp_path: Path) -> None:
    watch = [sys.executable, "-m", "asyncsearch", "watch", "run", "--wait"]
    with subprocess.Popen(watch, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as watching:
        try:
            solved = command(*SOLVE, "--strategy", "rebase", cwd=tmp_path)
            watched, errors = watching.communicate(timeout=300)
        finally:
            watching.kill()
    assert (solved.returncode, watching.returncode, errors) == (0, 0, "")
    assert "\x1b" not in solved.stderr + watched
    lines = [line for line in solved.stderr.splitlines() if line.startswith("rebase: ")]
    assert len(lines) == 10
    assert all(" problems, " in line and "% right (" in line and " left" in line for line in lines)
    assert "nodes/s" in lines[-1]
    assert lines[-1].startswith("rebase: 10/10 problems, ")
    told = watched.splitlines()
    assert told[0] == "waiting for run"
    assert told[-2].startswith("run: 10/10 problems, ")
    assert "took " in told[-2]
    assert "under way" not in told[-2]
    assert told[-1] == "run: complete"
    for arguments in (("run",), ("run", "--once")):
        again = command("watch", *arguments, cwd=tmp_path)
        assert (again.returncode, again.stderr) == (0, "")
        assert [line.partition(";")[0] for line in again.stdout.splitlines()[:-1]] == [told[-2].partition(";")[0]]


def test_what_cannot_be_watched_is_told_in_a_line(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    for arguments, message in (
        (("nowhere",), "nowhere: does not exist"),
        (("empty",), "empty: not a run directory"),
        (("nowhere", "--once", "--wait"), "--once does not wait for anything"),
    ):
        refused = command("watch", *arguments, cwd=tmp_path)
        assert (refused.returncode, refused.stdout) == (2, "")
        assert refused.stderr.startswith("error: ")
        assert message in refused.stderr
        assert refused.stderr.count("\n") == 1
    solve(tmp_path / "run")
    journal = tmp_path / "run" / "journal.bin"
    content = bytearray(journal.read_bytes())
    content[-100] ^= 1
    journal.write_bytes(content)
    damaged = command("watch", "run", cwd=tmp_path)
    assert damaged.returncode == 1
    assert damaged.stderr.startswith("error: run/journal.bin, byte ")
    assert damaged.stderr.count("\n") == 1


def test_nothing_is_written_to_what_is_watched(tmp_path: Path) -> None:
    solve(tmp_path / "run")
    before = {file.name: (file.stat().st_mtime_ns, file.read_bytes()) for file in (tmp_path / "run").iterdir()}
    assert command("watch", "run", cwd=tmp_path).returncode == 0
    assert {file.name: (file.stat().st_mtime_ns, file.read_bytes()) for file in (tmp_path / "run").iterdir()} == before


def test_a_watcher_whose_reader_has_left_ends(tmp_path: Path) -> None:
    """As `head` does; the run that it waits for never comes."""
    watch = [sys.executable, "-m", "asyncsearch", "watch", "run", "--wait"]
    reading, writing = os.pipe()
    os.close(reading)
    with open(writing, "wb") as nobody:
        left = subprocess.run(watch, cwd=tmp_path, stdout=nobody, stderr=subprocess.PIPE, check=False, timeout=300)
    assert left.stderr == b""
