"""The journal: what it holds, what it survives, and runs that are resumed from it."""

from __future__ import annotations

import asyncio
import errno
import os
import shutil
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asyncsearch import (
    JournalError,
    Problem,
    Rebase,
    Resumption,
    Run,
    RunDirectoryError,
    Sampling,
    SolveOptions,
    StorageError,
    Strategy,
    TooManyFailures,
    read_results,
    solve_dataset,
)
from asyncsearch.journal import NodeRecords, read_journal, verify_journal
from asyncsearch.journal.blocks import MAGIC, BlockReader, BlockWriter
from asyncsearch.journal.records import (
    Abandoned,
    Began,
    Ended,
    Failed,
    Generated,
    Record,
    Retried,
    Row,
    Scored,
    abandoned_row,
    began_row,
    ended_row,
    failed_row,
    generated_row,
    pack,
    retried_row,
    scored_row,
    unpack,
)
from asyncsearch.replay import replay
from asyncsearch.run_directory import cut_journal, locked
from asyncsearch.scheduler import Cost
from runtimes.base import (
    Deliver,
    FinishReason,
    GenerateRequest,
    GenerateResult,
    Request,
    RequestRejected,
    Result,
    RuntimeFailure,
    ScoreRequest,
    Usage,
)
from runtimes.function import FunctionReward
from runtimes.simulated import Faults, SimulatedRuntime
from runtimes.virtual_clock import run_virtual

paths = st.lists(st.integers(0, 300), max_size=6).map(tuple)
counts = st.integers(0, 2**20)
usages = st.builds(
    lambda new, cached, generated: Usage(prompt_tokens=new + cached, cached_tokens=cached, generated_tokens=generated),
    counts,
    counts,
    counts,
)
wasted = st.lists(usages, max_size=2).map(tuple)
seconds = counts.map(lambda hundredths: hundredths / 100)
scores = st.floats(0, 1) | st.integers(0, 10**7).map(lambda number: round(number / 10**7, 7))
costs = st.builds(Cost, usage=usages, failed=wasted, aborted=wasted, queue_seconds=seconds, runtime_seconds=seconds)
records = st.one_of(
    st.builds(
        Began,
        counts,
        st.builds(
            Problem,
            id=st.text(),
            text=st.text(),
            answer=st.none() | st.text(),
            level=st.none() | st.text(min_size=1),
            subject=st.none() | st.text(min_size=1),
        ),
    ),
    st.builds(
        Generated,
        counts,
        paths,
        st.text(),
        st.none() | st.lists(counts).map(tuple),
        st.sampled_from(FinishReason),
        st.booleans(),
        costs,
    ),
    st.builds(Scored, counts, paths, st.lists(scores).map(tuple), costs),
    st.builds(Failed, counts, paths, st.text(), costs),
    st.builds(Abandoned, counts, paths, costs),
    st.builds(Ended, counts),
    st.builds(Retried, counts),
)


ROWS: dict[type[Record], Callable[..., Row]] = {
    Began: began_row,
    Generated: generated_row,
    Scored: scored_row,
    Failed: failed_row,
    Abandoned: abandoned_row,
    Ended: ended_row,
    Retried: retried_row,
}


def row_of(record: Record) -> Row:
    return ROWS[type(record)](*record)


@given(st.lists(records))
def test_records_are_what_they_were(chosen: list[Record]) -> None:
    assert unpack(pack(map(row_of, chosen))) == chosen


@given(st.binary())
def test_what_is_no_record_is_refused(payload: bytes) -> None:
    try:
        found = unpack(payload)
    except ValueError:
        return
    assert unpack(pack(map(row_of, found))) == found


def write_blocks(path: Path, payloads: Sequence[bytes], *, end: int = 0) -> None:
    writer = BlockWriter(path, end=end)
    for payload in payloads:
        writer.append(payload)
    writer.close()


def read_blocks(path: Path) -> tuple[list[bytes], int]:
    with BlockReader(path) as blocks:
        payloads = [payload for _, payload in blocks]
        return payloads, blocks.end


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("blocks") / "journal.bin"


@given(st.lists(st.binary(max_size=40), max_size=5), st.data())
def test_a_torn_end_is_cut_and_written_on_behind(file: Path, payloads: list[bytes], data: st.DataObject) -> None:
    file.unlink(missing_ok=True)
    write_blocks(file, payloads)
    whole = file.read_bytes()
    with BlockReader(file) as blocks:
        ends = [len(MAGIC), *(blocks.end for _ in blocks)]
    if data.draw(st.booleans()):
        size = data.draw(st.integers(0, len(whole)))
        file.write_bytes(whole[:size])
    else:  # as a power cut may leave it
        size = data.draw(st.integers(0, len(whole)))
        end = max((end for end in ends if end <= size), default=0)
        following = min((later for later in ends if later > end), default=size)
        cut = whole[:size] + bytes(data.draw(st.integers(following - size, following - size + 40)))
        size = next(index for index in range(len(cut), -1, -1) if index == 0 or cut[index - 1]) if end else size
        size = max(size, end)
        file.write_bytes(cut)
    found, end = read_blocks(file)
    assert found == payloads[: sum(end <= size for end in ends[1:])], "every block that is whole is there"
    assert end == max((end for end in ends if end <= size), default=0)
    write_blocks(file, [b"more"], end=end)
    assert read_blocks(file)[0] == [*found, b"more"]


@given(st.lists(st.binary(max_size=40), min_size=1, max_size=5), st.data())
def test_a_flipped_bit_is_refused_with_its_place(file: Path, payloads: list[bytes], data: st.DataObject) -> None:
    file.unlink(missing_ok=True)
    write_blocks(file, payloads)
    content = bytearray(file.read_bytes())
    position = data.draw(st.integers(0, len(content) - 1))
    content[position] ^= 1 << data.draw(st.integers(0, 7))
    file.write_bytes(content)
    with pytest.raises(JournalError, match=r"byte [0-9]+: ") as refused:
        read_blocks(file)
    offset = int(str(refused.value).rpartition("byte ")[2].partition(":")[0])
    assert offset <= position


@given(st.lists(st.binary(min_size=1, max_size=10), min_size=2, max_size=5, unique=True), st.data())
def test_a_block_that_is_missing_or_in_another_place_is_refused(
    file: Path, payloads: list[bytes], data: st.DataObject
) -> None:
    file.unlink(missing_ok=True)
    write_blocks(file, payloads)
    content = file.read_bytes()
    with BlockReader(file) as blocks:
        offsets = [offset for offset, _ in blocks]
    gone = data.draw(st.integers(0, len(payloads) - 2))
    file.write_bytes(content[: offsets[gone]] + content[offsets[gone + 1] :])
    with pytest.raises(JournalError):
        read_blocks(file)


# Whole runs.


def test_nothing_is_written_behind_what_an_interrupt_has_cut_short(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = os.pwrite

    def interrupted(file: int, content: bytes, offset: int) -> int:
        write(file, content[:7], offset)
        raise KeyboardInterrupt

    writer = BlockWriter(tmp_path / "journal.bin", end=0)
    writer.append(b"first")
    with monkeypatch.context() as patched:
        patched.setattr(os, "pwrite", interrupted)
        with pytest.raises(KeyboardInterrupt):
            writer.append(b"second")
    with pytest.raises(JournalError, match="writing to it was interrupted"):
        writer.append(b"third")
    writer.close()
    assert read_blocks(tmp_path / "journal.bin")[0] == [b"first"]


def problems(count: int) -> list[Problem]:
    return [Problem(id=f"p{number}", text=f"problem {number}", answer=str(number % 5)) for number in range(count)]


class Counted(SimulatedRuntime):
    """Counts what it is asked for, and calls ``after`` with the number of outcomes so far."""

    def __init__(self, after: Callable[[int], None] = lambda _: None, faults: Faults = Faults()) -> None:
        super().__init__(faults=faults)
        self.draws: Counter[int] = Counter()
        self.scored: Counter[str] = Counter()
        self.outcomes = 0
        self.after = after

    async def generate(self, requests: Sequence[GenerateRequest], deliver: Deliver) -> None:
        self.draws.update(request.seed for request in requests)
        await super().generate(requests, self.counting(deliver))

    async def score(self, requests: Sequence[ScoreRequest], deliver: Deliver) -> None:
        self.scored.update(request.prefix.full_text() for request in requests)
        await super().score(requests, self.counting(deliver))

    def counting(self, deliver: Deliver) -> Deliver:
        def counted(request: Request, outcome: Result | RuntimeFailure) -> None:
            self.outcomes += 1
            self.after(self.outcomes)
            deliver(request, outcome)

        return counted


def run(
    run_dir: Path,
    runtime: SimulatedRuntime,
    *,
    strategy: Strategy = Rebase(width=6),
    count: int = 8,
    resume: bool | Resumption = False,
    options: SolveOptions = SolveOptions(durability=None),
) -> Run:
    return run_virtual(
        lambda: solve_dataset(
            problems(count), strategy, policy=runtime, reward=runtime, run_dir=run_dir, resume=resume, options=options
        )
    )


def journal_of(path: Path) -> dict[str, dict[tuple[int, ...], NodeRecords]]:
    return {problem.id: records for problem, records in read_journal(path / "journal.bin")}


def told(path: Path) -> list[tuple[object, ...]]:
    """Results but for times, and for what happened to be cached."""
    return [
        (
            result.id,
            result.answer,
            result.correct,
            result.candidates,
            result.error,
            result.accounts.policy.generated_tokens,
        )
        for result in read_results(path)
    ]


@pytest.mark.parametrize("strategy", [Rebase(width=6), Sampling(width=3)], ids=["rebase", "sampling"])
def test_a_run_that_was_killed_at_any_moment_goes_on_where_it_was(
    tmp_path_factory: pytest.TempPathFactory, strategy: Strategy
) -> None:
    counted = Counted()
    run(tmp_path_factory.mktemp("runs") / "run", counted, strategy=strategy)

    @given(moment=st.integers(1, counted.outcomes))
    @settings(max_examples=15)
    def kill(moment: int) -> None:
        goes_on_where_it_was(tmp_path_factory.mktemp("runs"), strategy, moment)

    kill()


def goes_on_where_it_was(folder: Path, strategy: Strategy, moment: int) -> None:
    """What is on the disk at some moment is all that a killed process leaves."""

    def copy(outcomes: int) -> None:
        if outcomes == moment:
            shutil.copytree(folder / "whole", folder / "killed")

    whole = Counted(copy)
    run(folder / "whole", whole, strategy=strategy)
    before = journal_of(folder / "killed")
    resumed = Counted()
    run(folder / "killed", resumed, strategy=strategy, resume=True)
    assert told(folder / "killed") == told(folder / "whole")
    recorded = sum(known.generated is not None for nodes in before.values() for known in nodes.values())
    assert sum(whole.draws.values()) == recorded + sum(resumed.draws.values()), "no draw is generated twice"
    paid = sum(
        known.scored is not None and known.scored.cost.usage.prompt_tokens > 0
        for nodes in before.values()
        for known in nodes.values()
    )
    assert sum(whole.scored.values()) == paid + sum(resumed.scored.values()), "and none is scored twice"
    assert recorded_in(folder / "killed") == recorded_in(folder / "whole")
    replayed = run_virtual(lambda: replay(folder / "killed"))
    assert (len(replayed.results), replayed.unfinished, replayed.differing) == (len(problems(8)), (), ())


def recorded_in(path: Path) -> dict[tuple[str, tuple[int, ...]], tuple[str, tuple[float, ...]]]:
    """Every node's text and scores."""
    return {
        (problem, place): (known.generated.text, known.scored.scores)
        for problem, nodes in journal_of(path).items()
        for place, known in nodes.items()
        if known.generated is not None and known.scored is not None
    }


def test_a_finished_run_asks_nothing_more(tmp_path: Path) -> None:
    first = run(tmp_path / "run", Counted())
    again = Counted()
    second = run(tmp_path / "run", again, resume=True)
    assert not again.draws
    assert not again.scored
    assert (second.solved, second.correct, second.accounts) == (first.solved, first.correct, first.accounts)


def test_a_dataset_may_grow_at_its_end(tmp_path: Path) -> None:
    run(tmp_path / "run", Counted(), count=4)
    with pytest.raises(RunDirectoryError, match="4 problems more"):
        run(tmp_path / "run", Counted(), resume=True)
    grown = run(tmp_path / "run", Counted(), resume=Resumption(extend=True))
    assert grown.solved == 8
    run(tmp_path / "whole", Counted())
    assert told(tmp_path / "run") == told(tmp_path / "whole")
    with pytest.raises(RunDirectoryError, match="the dataset had 8 problems and has 7"):
        run(tmp_path / "run", Counted(), count=7, resume=Resumption(extend=True))


def test_another_run_is_not_gone_on_with(tmp_path: Path) -> None:
    run(tmp_path / "run", Counted())
    with pytest.raises(RunDirectoryError, match="exists already; --resume goes on with it; or name another"):
        run(tmp_path / "run", Counted())
    with pytest.raises(RunDirectoryError, match="seed was 0 and is 1; width was 6 and is 7"):
        run(tmp_path / "run", Counted(), strategy=Rebase(width=7), resume=True, options=SolveOptions(seed=1))


def test_a_run_of_another_dataset_is_not_gone_on_with_and_the_first_difference_is_named(tmp_path: Path) -> None:
    path = tmp_path / "run"
    run(path, Counted(), count=3)
    problems = [Problem(id=f"p{number}", text=f"problem {number}", answer=str(number % 5)) for number in range(3)]
    others = {
        "the dataset has no problem 'p1' any more": [problems[0], replace(problems[1], id="q1"), problems[2]],
        "the text of the problem 'p1' is not the one that it had": [
            problems[0],
            replace(problems[1], text="?"),
            problems[2],
        ],
        "the answer of the problem 'p2' is not the one that it had": [*problems[:2], replace(problems[2], answer="9")],
        "was 3 other problems, or in another order": problems[::-1],
    }
    for words, chosen in others.items():
        with pytest.raises(RunDirectoryError, match=words):
            run_virtual(
                partial(
                    solve_dataset,
                    chosen,
                    Rebase(width=6),
                    policy=Counted(),
                    reward=Counted(),
                    run_dir=path,
                    resume=True,
                )
            )


def test_what_can_be_refused_without_the_models_is_refused_before_they_are_opened(tmp_path: Path) -> None:
    run(tmp_path / "run", Counted(), count=1)
    problem = Problem(id="p0", text="problem 0", answer="0")
    with pytest.raises(RunDirectoryError, match="width was 6 and is 7"):
        run_virtual(
            lambda: solve_dataset(
                [problem],
                Rebase(width=7),
                policy="local:/nowhere",
                reward="local:/nowhere",
                run_dir=tmp_path / "run",
                resume=True,
            )
        )


def test_of_two_that_begin_at_once_the_second_is_told_of_the_first(tmp_path: Path) -> None:
    """It has not looked before it held the lock: what it would have seen is not there for long."""
    (tmp_path / "run").mkdir()
    with locked(tmp_path / "run"), pytest.raises(RunDirectoryError, match="is in use by another process"):
        run(tmp_path / "run", Counted(), count=1)


def test_a_directory_in_use_is_refused_and_free_when_its_user_is_gone(tmp_path: Path) -> None:
    run(tmp_path / "run", Counted(), count=1)
    with locked(tmp_path / "run"), pytest.raises(RunDirectoryError, match=r"in use by another process, [0-9]+"):
        run(tmp_path / "run", Counted(), count=1, resume=True)
    assert run(tmp_path / "run", Counted(), count=1, resume=True).solved == 1


def test_what_failed_is_solved_again_where_that_is_asked_for(tmp_path: Path) -> None:
    failing = Counted(faults=Faults(rejected=0.4))
    first = run(tmp_path / "run", failing, strategy=Sampling(width=1))
    assert 0 < first.failed < 8
    kept = Counted()
    assert run(tmp_path / "run", kept, strategy=Sampling(width=1), resume=True).failed == first.failed
    assert not kept.draws
    mended = Counted()
    again = run(tmp_path / "run", mended, strategy=Sampling(width=1), resume=Resumption(retry_failed=True))
    assert (again.solved, again.failed) == (8, 0)
    assert sum(mended.draws.values()) <= first.failed, "and what had been generated before is kept"
    run(tmp_path / "whole", Counted(), strategy=Sampling(width=1))
    assert told(tmp_path / "run") == told(tmp_path / "whole")


def test_a_second_try_that_is_interrupted_is_not_forgotten(tmp_path: Path) -> None:
    """What failed once counts no more, in whatever session the problem is solved."""
    path = tmp_path / "run"
    run(path, Counted(faults=Faults(rejected=1.0)), strategy=Sampling(width=1))

    def copy(outcomes: int) -> None:
        if outcomes == 3:
            shutil.copytree(path, tmp_path / "killed")

    options = SolveOptions(durability=None, problems_in_flight=1)
    run(path, Counted(copy), strategy=Sampling(width=1), resume=Resumption(retry_failed=True), options=options)
    done = run(tmp_path / "killed", Counted(), strategy=Sampling(width=1), resume=True)
    assert (done.solved, done.failed) == (8, 0)


def test_a_result_that_the_journal_does_not_hold_is_solved_again(tmp_path: Path) -> None:
    """As after a power cut: the results had reached the disk, and the journal's end had not."""
    run(tmp_path / "run", Counted())
    whole = told(tmp_path / "run")
    journal = tmp_path / "run" / "journal.bin"
    journal.write_bytes(journal.read_bytes()[: journal.stat().st_size // 2])
    resumed = Counted()
    run(tmp_path / "run", resumed, resume=True)
    assert resumed.draws
    assert told(tmp_path / "run") == whole
    assert all(nodes for nodes in journal_of(tmp_path / "run").values())
    again = Counted()
    run(tmp_path / "run", again, resume=True)
    assert not again.draws


def test_a_journaled_score_is_asked_for_once(tmp_path: Path) -> None:
    """Two draws of one text have one score: the one that is recorded, whichever of them it is recorded for."""

    def copy(outcomes: int) -> None:
        shutil.copytree(tmp_path / "whole", tmp_path / f"killed{outcomes}")

    strategy = Sampling(width=4, temperature=0.0)  # the likeliest text every time
    run(tmp_path / "whole", Counted(copy), strategy=strategy, count=2)
    for killed in sorted(tmp_path.glob("killed*")):
        scored = [known.scored for nodes in journal_of(killed).values() for known in nodes.values() if known.scored]
        resumed = Counted()
        run(killed, resumed, strategy=strategy, count=2, resume=True)
        asked = sum(resumed.scored.values()) + sum(bool(one.cost.usage.prompt_tokens) for one in scored)
        assert asked == 2, "one text a problem"


def test_a_nodes_failure_is_replayed_like_anything_else(tmp_path: Path) -> None:
    """A search that lost some of its nodes goes on without them."""

    def copy(outcomes: int) -> None:
        if outcomes == 100:
            shutil.copytree(tmp_path / "whole", tmp_path / "killed")

    run(tmp_path / "whole", Counted(copy, faults=Faults(rejected=0.2)))
    before = [
        (problem, path, known.failed.error)
        for problem, nodes in journal_of(tmp_path / "killed").items()
        for path, known in nodes.items()
        if known.failed is not None
    ]
    assert before
    run(tmp_path / "killed", Counted(), resume=True)
    after = journal_of(tmp_path / "killed")
    for problem, path, error in before:
        failed = after[problem][path].failed
        assert failed is not None
        assert failed.error == error


def test_a_hopeless_run_ends_early(tmp_path: Path) -> None:
    options = SolveOptions(durability=None, max_failures=0.25, problems_in_flight=1)
    with pytest.raises(TooManyFailures, match="3 of 8 problems failed"):
        run(tmp_path / "run", Counted(faults=Faults(rejected=1.0)), strategy=Sampling(width=1), options=options)
    assert len(list(read_results(tmp_path / "run"))) == 3


def test_a_damaged_journal_is_not_gone_on_with(tmp_path: Path) -> None:
    run(tmp_path / "run", Counted(), count=2)
    journal = tmp_path / "run" / "journal.bin"
    content = bytearray(journal.read_bytes())
    content[len(content) // 2] ^= 1
    journal.write_bytes(content)
    with pytest.raises(JournalError, match=r"byte [0-9]+: damaged"):
        run(tmp_path / "run", Counted(), count=2, resume=True)
    assert journal.read_bytes() == content, "what is damaged is left as it is"


def run_small(path: Path, runtime: Counted, *, resume: bool = False, compress: bool = False) -> Run:
    options = SolveOptions(durability=None, compress=compress)
    return run(path, runtime, count=2, strategy=Rebase(width=2), resume=resume, options=options)


@pytest.fixture(params=[False, True], ids=["plain", "compressed"])
def small(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[Path, int]:
    """A run that was killed when all was journaled and nothing else was there, and how many draws it had."""
    runtime = Counted()
    run_small(tmp_path / "run", runtime, compress=request.param)
    shutil.copytree(tmp_path / "run", tmp_path / "whole")
    (tmp_path / "run" / "results.jsonl").unlink()
    return tmp_path / "run", sum(runtime.draws.values())


def test_a_journal_that_ends_anywhere_is_gone_on_with(small: tuple[Path, int]) -> None:
    """Cut at every byte of the last three blocks: what is left is used, what is gone is drawn again."""
    path, draws = small
    journal = path / "journal.bin"
    content = journal.read_bytes()
    with BlockReader(journal) as blocks:
        begin = [offset for offset, _ in blocks][-3]
    whole = told(path.parent / "whole")
    for end in range(begin, len(content)):
        journal.write_bytes(content[:end])
        (path / "results.jsonl").unlink(missing_ok=True)
        known = sum(node.generated is not None for nodes in journal_of(path).values() for node in nodes.values())
        resumed = Counted()
        run_small(path, resumed, resume=True)
        assert told(path) == whole
        assert known + sum(resumed.draws.values()) == draws


def test_a_flipped_bit_anywhere_is_never_a_wrong_result(small: tuple[Path, int]) -> None:
    path, _ = small
    journal = path / "journal.bin"
    content = journal.read_bytes()
    whole = told(path.parent / "whole")
    refused = 0

    @given(st.integers(0, len(content) * 8 - 1))
    @settings(max_examples=60)
    def flip(bit: int) -> None:
        nonlocal refused
        damaged = bytearray(content)
        damaged[bit // 8] ^= 1 << bit % 8
        journal.write_bytes(damaged)
        (path / "results.jsonl").unlink(missing_ok=True)
        try:
            run_small(path, Counted(), resume=True)
        except JournalError:
            refused += 1
        else:
            assert told(path) == whole

    flip()
    assert refused


def test_a_run_whose_directory_vanishes_stops(tmp_path: Path) -> None:
    def remove(outcomes: int) -> None:
        if outcomes == 40:
            shutil.rmtree(tmp_path / "run")

    with pytest.raises(StorageError, match="cannot be written: it was removed"):
        run(tmp_path / "run", Counted(remove))


def test_the_journal_of_another_run_is_refused(tmp_path: Path) -> None:
    run(tmp_path / "run", Counted())
    run(tmp_path / "other", Counted(), options=SolveOptions(durability=None, seed=1))
    shutil.copy(tmp_path / "other" / "journal.bin", tmp_path / "run")
    before = (tmp_path / "run" / "journal.bin").read_bytes()
    with pytest.raises(JournalError, match=r"journal\.bin: is of another run: seed was 1 and is 0"):
        run(tmp_path / "run", Counted(), resume=True)
    assert (tmp_path / "run" / "journal.bin").read_bytes() == before


def test_the_same_weights_elsewhere_are_the_same_model(tmp_path: Path) -> None:
    def named(model: str, fingerprint: str) -> Counted:
        runtime = Counted()
        runtime.capabilities = replace(runtime.capabilities, model=f"{model}-math-shepherd", fingerprint=fingerprint)
        return runtime

    run(tmp_path / "run", named("here", "abc"))
    run(tmp_path / "run", named("there", "abc"), resume=True)
    with pytest.raises(RunDirectoryError, match=r'policy_fingerprint was "abc" and is "def"'):
        run(tmp_path / "run", named("here", "def"), resume=True)


def test_a_journal_that_cannot_be_written_stops_the_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The disk is full after a while: what is there stays valid, and the run can go on when it is not."""
    append = BlockWriter._write
    left = 12

    def full(writer: BlockWriter, content: bytes) -> None:
        nonlocal left
        left -= 1
        if left < 0:
            raise writer._failed(OSError(28, "No space left on device"))
        append(writer, content)

    monkeypatch.setattr(BlockWriter, "_write", full)
    with pytest.raises(JournalError, match=r"journal\.bin: cannot be written: No space left on device"):
        run(tmp_path / "run", Counted())
    monkeypatch.undo()
    for result in read_results(tmp_path / "run"):
        assert result.error is None
    run(tmp_path / "run", Counted(), resume=True)
    run(tmp_path / "whole", Counted())
    assert told(tmp_path / "run") == told(tmp_path / "whole")


def test_results_are_never_ahead_of_the_journal(tmp_path: Path) -> None:
    """Whoever reads both while the run goes on finds every candidate of a result in the journal."""
    seen = 0

    def look(outcomes: int) -> None:
        nonlocal seen
        if outcomes % 25:
            return
        journal = journal_of(tmp_path / "run")
        for result in read_results(tmp_path / "run"):
            seen += 1
            texts = [known.generated.text for known in journal[result.id].values() if known.generated is not None]
            assert all(candidate.text.endswith(tuple(texts)) for candidate in result.candidates)

    run(tmp_path / "run", Counted(look))
    assert seen


def test_results_without_their_journal_are_not_thrown_away(tmp_path: Path) -> None:
    run(tmp_path / "run", Counted(), count=3)
    before = (tmp_path / "run" / "results.jsonl").read_bytes()
    journal = tmp_path / "run" / "journal.bin"
    for lose in (lambda: journal.write_bytes(b""), journal.unlink):
        lose()
        with pytest.raises(JournalError, match=r"journal\.bin: is gone or empty, although there are 3 results"):
            run(tmp_path / "run", Counted(), count=3, resume=True)
        assert (tmp_path / "run" / "results.jsonl").read_bytes() == before


def test_the_journal_of_other_problems_is_refused(tmp_path: Path) -> None:
    run(tmp_path / "run", Counted(), count=1)
    other = Problem(id="p0", text="another problem 0", answer="0")
    runtime = Counted()
    options = SolveOptions(durability=None)
    run_virtual(
        lambda: solve_dataset(
            [other], Rebase(width=6), policy=runtime, reward=runtime, run_dir=tmp_path / "other", options=options
        )
    )
    shutil.copy(tmp_path / "other" / "journal.bin", tmp_path / "run")
    with pytest.raises(JournalError, match="is of another dataset: 'p0' is another problem there"):
        run(tmp_path / "run", Counted(), count=1, resume=True)


class Refused(Counted):
    """Has every third score refused, and says what that took."""

    async def score(self, requests: Sequence[ScoreRequest], deliver: Deliver) -> None:
        def refuse(request: Request, outcome: Result | RuntimeFailure) -> None:
            number = sum(map(ord, request.prefix.full_text()))
            usage = Usage(prompt_tokens=5)
            deliver(request, RequestRejected("no", request=request, usage=usage) if number % 3 == 0 else outcome)

        await super().score(requests, refuse)


def test_a_run_with_refused_scores_is_whole(tmp_path: Path) -> None:
    """However many tokens they took: what makes a result whole is that its search ended."""
    run(tmp_path / "run", Refused())
    again = Refused()
    run(tmp_path / "run", again, resume=True)
    assert not again.draws + again.scored


def test_a_run_with_a_reward_function_is_gone_on_with(tmp_path: Path) -> None:
    """Its scores take no tokens."""
    calls = 0

    async def judge(problem: str, steps: Sequence[str]) -> list[float]:
        nonlocal calls
        calls += 1
        return [1 / (1 + len(step)) for step in steps]

    def solve() -> Run:
        options = SolveOptions(durability=None)
        return run_virtual(
            lambda: solve_dataset(
                problems(3),
                Rebase(width=4),
                policy=Counted(),
                reward=FunctionReward(judge),
                run_dir=tmp_path / "run",
                resume=True,
                options=options,
            )
        )

    solve()
    whole, asked = told(tmp_path / "run"), calls
    solve()
    assert calls == asked
    journal = tmp_path / "run" / "journal.bin"
    with BlockReader(journal) as blocks:
        offsets = [offset for offset, _ in blocks]
    journal.write_bytes(journal.read_bytes()[: offsets[-4]])
    solve()
    assert told(tmp_path / "run") == whole
    assert verify_journal(journal).ended == {"p0", "p1", "p2"}


def test_what_stands_before_a_second_try_is_kept_where_its_end_is_lost(tmp_path: Path) -> None:
    class Unscored(Counted):
        async def score(self, requests: Sequence[ScoreRequest], deliver: Deliver) -> None:
            for request in requests:
                deliver(request, RequestRejected("no", request=request))

    path = tmp_path / "run"
    assert run(path, Unscored(), count=1).failed == 1
    assert run(path, Counted(), count=1, resume=Resumption(retry_failed=True)).solved == 1
    whole = told(path)
    with BlockReader(path / "journal.bin") as blocks:
        last = [offset for offset, _ in blocks][-1]
    (path / "journal.bin").write_bytes((path / "journal.bin").read_bytes()[:last])
    again = Counted()
    assert run(path, again, count=1, resume=True).solved == 1
    assert not again.draws
    assert told(path) == whole


def test_what_failed_in_a_search_that_was_interrupted_is_tried_again_where_that_is_asked_for(tmp_path: Path) -> None:
    def copy(outcomes: int) -> None:
        if outcomes == 60:
            shutil.copytree(tmp_path / "run", tmp_path / "killed")

    run(tmp_path / "run", Counted(copy, faults=Faults(rejected=0.2)))
    assert not list(read_results(tmp_path / "killed"))
    assert any(known.failed for nodes in journal_of(tmp_path / "killed").values() for known in nodes.values())
    run(tmp_path / "killed", Counted(), resume=Resumption(retry_failed=True))
    run(tmp_path / "whole", Counted())
    assert told(tmp_path / "killed") == told(tmp_path / "whole")


def test_an_error_that_is_no_text_is_written_down_all_the_same(tmp_path: Path) -> None:
    class Broken(Counted):
        async def generate(self, requests: Sequence[GenerateRequest], deliver: Deliver) -> None:
            for request in requests:
                deliver(request, RequestRejected("bad \ud800 byte", request=request))

    done = run(tmp_path / "run", Broken(), count=2)
    assert done.failed == 2
    assert {result.error for result in read_results(tmp_path / "run")} == {"bad \\ud800 byte"}
    assert run(tmp_path / "run", Broken(), count=2, resume=True).failed == 2


def test_a_text_that_is_none_stops_the_run_and_says_so(tmp_path: Path) -> None:
    class Broken(Counted):
        async def generate(self, requests: Sequence[GenerateRequest], deliver: Deliver) -> None:
            for request in requests:
                prefix = request.prefix.extend("Step 1: \ud800\n")
                result = GenerateResult(prefix=prefix, finish=FinishReason.STOP, usage=Usage(generated_tokens=3))
                deliver(request, result)

    with pytest.raises(JournalError, match=r"journal\.bin: cannot be written: a record holds what is no text"):
        run(tmp_path / "run", Broken(), count=2, strategy=Sampling(width=2, scored=False))


def test_a_journal_can_be_cut_again(tmp_path: Path) -> None:
    path = tmp_path / "run"
    run(path, Counted(), count=2)
    whole = told(path)
    journal = path / "journal.bin"
    kept = []
    for share in (0.9, 0.5):
        content = bytearray(journal.read_bytes())
        content[int(len(content) * share)] ^= 1
        journal.write_bytes(content)
        copy = cut_journal(path)
        assert copy is not None
        kept.append((copy, bytes(content)))
    assert [copy.name for copy, _ in kept] == ["journal.damaged-1", "journal.damaged-2"]
    assert all(copy.read_bytes() == content for copy, content in kept)
    assert cut_journal(path) is None
    run(path, Counted(), count=2, resume=True)
    assert told(path) == whole


class Syncs:
    """Counts how often the disk is made to take a journal, in the event loop's own time."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *, refuses: bool = False) -> None:
        self.times: list[float] = []
        self._refuses = refuses
        monkeypatch.setattr("anyio.to_thread.run_sync", self._run)
        monkeypatch.setattr("asyncsearch.journal.blocks.os.fsync", self._sync)

    async def _run(self, function: Callable[[], None]) -> None:
        function()

    def _sync(self, file: int) -> None:
        if Path(f"/proc/self/fd/{file}").readlink().name == "journal.bin":
            with suppress(RuntimeError):  # when the journal is closed nothing runs any more
                self.times.append(asyncio.get_running_loop().time())
            if self._refuses:
                raise OSError(errno.EIO, "Input/output error")


@pytest.mark.parametrize("durability", [0.1, 0.5])
def test_the_disk_takes_the_journal_as_often_as_was_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, durability: float
) -> None:
    syncs = Syncs(monkeypatch)
    done = run(tmp_path / "run", Counted(), options=SolveOptions(durability=durability))
    between = [later - earlier for earlier, later in pairwise(syncs.times)]
    assert all(pause >= durability - 1e-9 for pause in between[:-1]), "the last one is when the journal is closed"
    assert len(syncs.times) >= done.seconds / durability / 2, "and it was not forgotten"


def test_the_disk_is_left_alone_where_that_was_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    syncs = Syncs(monkeypatch)
    run(tmp_path / "run", Counted(), options=SolveOptions(durability=None))
    assert not syncs.times


def test_a_disk_that_refuses_stops_the_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Syncs(monkeypatch, refuses=True)
    with pytest.raises(JournalError, match=r"journal\.bin: cannot be written: Input/output error"):
        run(tmp_path / "run", Counted(), options=SolveOptions(durability=0.1))
