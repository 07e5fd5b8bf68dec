"""How far runs are, as it is shown: the arithmetic by a clock that is handed in, and what stands on the screen."""

from __future__ import annotations

import asyncio
import io
import re
from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console, Group, RenderableType
from screen import screen_after

from asyncsearch import Accuracy, Problem, ProblemResult, Rebase, SchedulerStatistics, solve_dataset
from asyncsearch.journal import OpenSearch
from asyncsearch.report.live import RunsTable, RunState, SearchesTable, WorkTable, run_words
from asyncsearch.report.numbers import count, duration, interval, rate
from asyncsearch.report.pace import SlidingRate, time_left
from asyncsearch.report.progress import Progress, open_progress
from asyncsearch.report.throughput import Lane, Meter, ModelWork, Work, work_of_scheduler
from asyncsearch.scheduler import LaneStatistics
from runtimes.simulated import SimulatedRuntime
from runtimes.virtual_clock import run_virtual

WIDTHS = (60, 80, 200)

# Quarters, so that sums of them are exact.
pauses = st.lists(st.integers(1, 40).map(lambda quarters: quarters / 4), min_size=1, max_size=40)
growths = st.integers(0, 1000)


@given(pauses, st.data())
def test_a_rate_is_the_growth_over_the_last_seconds_and_forgets_what_was_before(
    pauses: list[float], data: st.DataObject
) -> None:
    sliding = SlidingRate(seconds=5.0)
    now, total = 100.0, data.draw(growths)
    sliding.note(now, total)
    assert sliding.per_second is None
    looks = [(now, total)]
    for pause in pauses:
        now, total = now + pause, total + data.draw(growths)
        looks.append((now, total))
        sliding.note(now, total)
        # The latest look that is as old as the window, or else the first: and two at the least.
        began, before = max((look for look in looks[:-1] if look[0] <= now - 5.0), default=looks[0])
        assert sliding.per_second == (total - before) / (now - began)
        rates = [(later[1] - earlier[1]) / (later[0] - earlier[0]) for earlier, later in pairwise(looks)]
        assert min(rates) <= sliding.per_second + 1e-9
        assert sliding.per_second <= max(rates) + 1e-9


@given(pauses, growths)
def test_a_counter_that_begins_anew_has_no_rate_before_the_second_look(pauses: list[float], count: int) -> None:
    sliding = SlidingRate(seconds=5.0)
    now = 0.0
    for pause in pauses:
        now += pause
        sliding.note(now, 1001 + now)
    sliding.note(now + 1, count)
    assert sliding.per_second is None
    sliding.note(now + 2, count + 7)
    assert sliding.per_second == 7.0


def test_a_clock_that_stands_still_makes_no_rate_endless() -> None:
    sliding = SlidingRate()
    assert sliding.per_second is None
    sliding.note(1.0, 5)
    sliding.note(1.0, 9)
    assert sliding.per_second is None
    sliding.note(3.0, 9)
    assert sliding.per_second == 2.0
    sliding.note(3.0, 11)
    assert sliding.per_second == 3.0


def test_many_looks_take_no_more_room_than_the_window() -> None:
    sliding = SlidingRate(seconds=5.0)
    for look in range(10_000):
        sliding.note(look / 2, look)
    assert len(sliding._looks) <= 5 * 2 + 2
    assert sliding.per_second == 2.0


counts = st.tuples(st.integers(1, 500), st.integers(1, 500))
seconds = st.floats(0.01, 1e6)


@given(counts, seconds)
def test_the_time_left_runs_down_until_a_problem_is_overdue_and_then_grows(
    counts: tuple[int, int], took: float
) -> None:
    done, left = counts
    total, each = done + left, took / done

    def at(since: float) -> float:
        remaining = time_left(done=done, total=total, seconds=took, since=since)
        assert remaining is not None
        return remaining

    assert at(0) == pytest.approx(each * left)
    assert at(each / 2) == pytest.approx(each * left - each / 2), "a second less in every second"
    assert at(each) == pytest.approx(each * (left - 1), abs=each * 1e-6), "on time"
    assert at(3 * each) >= at(2 * each) >= at(each) * (1 - 1e-9)
    assert (at(3 * each) > at(each)) == (left > 1)
    following = time_left(done=done + 1, total=total, seconds=took + 3 * each, since=0)
    assert following == pytest.approx(at(3 * each), abs=each * 1e-6), "no jump when what was overdue is there"


def test_the_time_left_is_unknown_before_anything_is_done_and_nothing_when_all_is() -> None:
    assert time_left(done=0, total=9, seconds=0.0, since=60.0) is None
    assert time_left(done=9, total=9, seconds=5.0, since=60.0) == 0.0
    assert time_left(done=0, total=0, seconds=0.0, since=0.0) == 0.0


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [
        (0, "0:00"), (0.6, "0:01"), (59.4, "0:59"), (59.6, "1:00"), (605, "10:05"), (3599.7, "1:00:00"),
        (3 * 3600 + 62, "3:01:02"), (86399, "23:59:59"), (86400, "1d 00h"), (9 * 86400 + 7300, "9d 02h"),
    ],
)  # fmt: skip
def test_durations_are_as_on_a_clock(seconds: float, shown: str) -> None:
    assert duration(seconds) == shown


def test_numbers_have_as_many_digits_as_say_something() -> None:
    assert [rate(each) for each in (None, 0.0, 0.04, 3.14159, 9.94, 9.96, 1234.5, 2.5e6)] == [
        "-", "0.0", "0.0", "3.1", "9.9", "10", "1,234", "2.5M",
    ]  # fmt: skip
    assert [count(each) for each in (0, 999_999, 12_345_678, 3_200_000_000)] == ["0", "999,999", "12.3M", "3,200.0M"]
    assert interval(Accuracy(3, 4)) == "30-95%"


RUNS = (
    RunState(name="greedy", done=200, total=200, accuracy=Accuracy(106, 200), failed=0, time="took 0:03"),
    RunState(name="early-stop-sampling", done=85, total=200, accuracy=Accuracy(48, 83), failed=2, time="1:12 left"),
    RunState(name="rebase", done=0, total=200, accuracy=Accuracy(0, 0), failed=0, time="waiting"),
)


def work(speed: float = 1.0, *, lanes: bool = True) -> Work:
    return Work(
        nodes=int(12_345 * speed),
        nodes_per_second=42.4 * speed,
        policy=ModelWork(
            tokens=int(812_345 * speed),
            tokens_per_second=3120.2 * speed,
            prompt_tokens=1000,
            cached_tokens=834,
            lane=Lane(in_flight=64, queued=int(128 * speed)) if lanes else None,
        ),
        reward=ModelWork(
            tokens=int(612_345 * speed),
            tokens_per_second=12_345 * speed,
            prompt_tokens=1000,
            cached_tokens=0,
            lane=Lane(in_flight=8, queued=0) if lanes else None,
        ),
    )


def lines_of(shown: RenderableType, *, width: int = 80) -> list[str]:
    console = Console(file=io.StringIO(), width=width, record=True)
    console.print(shown)
    return console.export_text().splitlines()


def test_it_fits_eighty_columns() -> None:
    assert lines_of(Group(RunsTable(RUNS), "", WorkTable(work()))) == [
        "greedy              ━━━━━━━━━━━━━ 200/200  53.0% (46-60%)              took 0:03",
        "early-stop-sampling ━━━━━────────  85/200  57.8% (47-68%)  2 failed    1:12 left",
        "rebase              ─────────────   0/200                                waiting",
        "",
        "        nodes/s  tokens/s  in flight  queued  cached",
        "policy       42     3,120         64     128     83%",
        "reward             12,345          8       0      0%",
    ]


def test_on_sixty_it_does_without_bars_and_shortens_names() -> None:
    assert lines_of(RunsTable(RUNS), width=60) == [
        "greedy        200/200  53.0% (46-60%)              took 0:03",
        "early-stop-s…  85/200  57.8% (47-68%)  2 failed    1:12 left",
        "rebase          0/200                                waiting",
    ]


def test_on_a_wide_screen_it_does_not_spread() -> None:
    assert {len(line) for line in lines_of(RunsTable(RUNS), width=200)} == {107}


def test_of_more_runs_than_there_are_lines_those_under_way_are_shown() -> None:
    runs = [
        replace(RUNS[0], name=f"run-{number}", done=200 if number < 30 else 9, is_under_way=30 <= number < 33)
        for number in range(40)
    ]
    console = Console(file=io.StringIO(), width=80, height=12, record=True)
    console.print(RunsTable(runs, below=5))
    lines = console.export_text().splitlines()
    assert [line.split()[0] for line in lines[:-1]] == ["run-0", "run-1", "run-2", "run-30", "run-31", "run-32"]
    assert lines[-1] == "and 34 more, 27 of them complete"
    console.print(RunsTable(runs[:7], below=5))
    assert len(console.export_text().splitlines()) == 7
    console.print(RunsTable(runs))
    assert len(console.export_text().splitlines()) == 40


@pytest.mark.parametrize("width", WIDTHS)
def test_what_a_watched_run_has_taken_fits(width: int) -> None:
    searches = [
        (
            "rebase: a problem with a name that is longer than anybody would want",
            OpenSearch("a", 12_345, 25, 9_876_543),
        ),
        ("rebase: arithmetic-0", OpenSearch("b", 3, 2, 91)),
    ]
    lines = lines_of(Group(WorkTable(work(1000.0, lanes=False)), SearchesTable(2345, searches)), width=width)
    assert all(len(line) <= width for line in lines)
    assert lines[0].split() == ["nodes", "nodes/s", "tokens", "tokens/s", "cached"]
    assert lines[1].split() == ["policy", "12.3M", "42,400", "812.3M", "3.1M", "83%"]
    assert lines[3] == "2,345 problems under way; those that took most by now:"
    assert lines[4].startswith("  rebase: a problem wi")
    assert lines[4].endswith("12,345 nodes  depth 25  9.9M tokens")
    assert lines[5].endswith("     3 nodes   depth 2    91 tokens")


@pytest.mark.parametrize("width", WIDTHS)
def test_columns_stand_still_while_numbers_grow(width: int) -> None:
    def edges(lines: list[str]) -> list[list[int]]:
        return [[match.end() for match in re.finditer(r"\S+", line)] for line in lines]

    begun = RunState(name="rebase", done=1, total=200, accuracy=Accuracy(0, 1), failed=0, time="59:59 left")
    later = RunState(name="rebase", done=200, total=200, accuracy=Accuracy(199, 200), failed=0, time="took 1:01:01")
    (first,), (last,) = (lines_of(RunsTable([run]), width=width) for run in (begun, later))
    assert len(first) == len(last)
    for mark in ("/", "%", "("):
        assert first.index(mark) == last.index(mark)
    slow, fast = (lines_of(WorkTable(work(speed)), width=width) for speed in (0.01, 20.0))
    assert edges(slow) == edges(fast)


def test_bars_can_be_told_without_colours_and_without_unicode() -> None:
    written = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    Console(file=written, width=80).print(RunsTable(RUNS[:1]), RunsTable(RUNS[2:]))
    written.seek(0)
    assert re.search(r"greedy #{30,40} 200/200 .*\nrebase -{30,40}   0/200", written.read())


def test_a_reward_model_that_is_asked_nothing_is_not_shown() -> None:
    asked = work_of_scheduler(
        SchedulerStatistics(generate=LaneStatistics(in_flight=1), score=LaneStatistics(queued=2, submitted=2))
    )
    assert [line.split()[0] for line in lines_of(WorkTable(asked))] == ["nodes/s", "policy", "reward"]
    nothing = work_of_scheduler(SchedulerStatistics(generate=LaneStatistics(), score=LaneStatistics()))
    assert [line.split() for line in lines_of(WorkTable(nothing))][1:] == [["policy", "-", "-", "0", "0", "-"]]


def test_a_name_cannot_command_the_terminal() -> None:
    name = "a\x1b[2Jb\u202ec\rd"
    run = RunState(name=name, done=0, total=1, accuracy=Accuracy(0, 0), failed=0, time="")
    for shown in (RunsTable([run]), SearchesTable(1, [(name, OpenSearch(name))])):
        assert any("a [2Jb c d" in line for line in lines_of(shown))
    assert run_words(run) == "a [2Jb c d: 0/1 problems, not graded"


def test_markup_in_a_name_is_text() -> None:
    run = RunState(name="[red]a[/]", done=0, total=1, accuracy=Accuracy(0, 0), failed=0, time="")
    assert lines_of(RunsTable([run]))[0].startswith("[red]a[/] ")


def test_the_speed_of_a_scheduler_is_that_of_late_and_one_that_follows_begins_anew() -> None:
    meter = Meter()

    def at(now: float, nodes: int) -> Work:
        lanes = SchedulerStatistics(
            generate=LaneStatistics(settled=nodes, generated_tokens=30 * nodes, prompt_tokens=100, cached_tokens=90),
            score=LaneStatistics(prompt_tokens=50 * nodes, cached_tokens=40 * nodes),
        )
        return meter.measure(now, work_of_scheduler(lanes))

    assert at(0.0, 0).nodes_per_second is None
    measured = [at(0.5 * look, 4 * look) for look in range(1, 41)][-1]
    assert measured.nodes_per_second == 8.0
    assert (measured.policy.tokens_per_second, measured.reward.tokens_per_second) == (240.0, 80.0)
    assert (measured.policy.cached, measured.reward.cached) == (0.9, 0.8)
    for look in range(41, 70):  # it stalls
        measured = at(0.5 * look, 160)
    assert measured.nodes_per_second == 0.0
    assert at(40.0, 0).nodes_per_second is None
    assert at(41.0, 5).nodes_per_second == 5.0


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


def result(number: int, *, correct: bool | None = True, error: str | None = None, after: float = 0.0) -> ProblemResult:
    return ProblemResult(
        id=f"p{number}", problem="", answer="1", reference="1", correct=correct, error=error, run_seconds=after
    )


def plain() -> tuple[Progress, Clock, io.StringIO]:
    written, clock = io.StringIO(), Clock()
    return Progress(Console(file=written, width=80), clock=clock), clock, written


def test_where_there_is_no_terminal_a_run_has_ten_lines() -> None:
    progress, clock, written = plain()
    run = progress.expect("rebase", 57)
    run.begin(0)
    for number in range(57):
        progress.measure(
            SchedulerStatistics(
                generate=LaneStatistics(settled=40 * number, generated_tokens=800 * number), score=LaneStatistics()
            )
        )
        clock.now += 2.0
        run.count(result(number, correct=number % 4 > 0, error="lost" if number == 20 else None))
    run.end()
    lines = written.getvalue().splitlines()
    assert len(lines) == 10
    assert lines[0] == ("rebase: 6/57 problems, 66.7% right (30-90%), 1:42 left; 20 nodes/s, 400 policy tokens/s"), (
        "one line, however narrow whatever reads it is"
    )
    assert lines[-1].startswith("rebase: 57/57 problems, 73.7% right (61-83%), 1 failed, 0:00 left; 20 nodes/s")
    assert (progress.done, progress.failed, progress.first_error) == (57, 1, "problem p20: lost")


def test_of_two_runs_at_once_the_speed_is_that_of_both() -> None:
    progress, clock, written = plain()
    first, second = (progress.expect(name, 1) for name in ("sampling", "rebase"))
    for settled, run in ((0, first), (9, second)):
        progress.measure(SchedulerStatistics(generate=LaneStatistics(settled=settled), score=LaneStatistics()))
        run.begin(0)
        clock.now += 3.0
    first.count(result(0, correct=None))
    assert written.getvalue() == (
        "sampling: 1/1 problems, not graded, 0:00 left; together 3.0 nodes/s, 0.0 policy tokens/s\n"
    )


def test_what_was_there_already_makes_a_run_look_no_faster() -> None:
    progress, clock, written = plain()
    run = progress.expect("rebase", 100)
    assert run.state().time == "waiting"
    run.begin(80)
    for number in range(80):
        run.count(result(number, after=400.0))
    assert written.getvalue() == "", "nothing new"
    assert run.state().time == "1:40 left", "as fast as before, until there is something newer: 5 seconds each"
    clock.now += 2.0
    assert run.state().time == "1:38 left"
    for number in range(80, 82):
        clock.now += 9.0
        run.count(result(number, after=400.0 + 10 * (number - 79)))
    assert run.state().time == "3:00 left", "18 left, 10 seconds each"
    assert (run.state().done, progress.done) == (82, 82)
    run.end()
    assert run.state().time == "took 7:00"


def test_before_anything_is_done_nobody_knows_how_long_it_takes() -> None:
    progress, clock, _ = plain()
    run = progress.expect("rebase", 100)
    run.begin(0)
    clock.now += 60.0
    assert run.state().time == ""
    assert run.state(stopped=True).time == "stopped"


def terminal(width: int = 80) -> tuple[Console, io.StringIO]:
    written = io.StringIO()
    return Console(file=written, width=width, height=24, force_terminal=True, color_system="truecolor"), written


def show_a_while(progress: Progress, clock: Clock, *, end: bool = True) -> None:
    run = progress.expect("rebase", 4)
    progress.expect("sampling", 4)
    progress.note("loading the models")
    run.begin(0)
    for number in range(2):
        progress.measure(SchedulerStatistics(generate=LaneStatistics(settled=number), score=LaneStatistics()))
        clock.now += 3.0
        run.count(result(number, after=3.0 * (number + 1)))
        progress.note(f"note {number}")
    if end:
        run.end()


def test_a_live_area_leaves_where_the_runs_had_come_to_and_every_note_above_it() -> None:
    console, written = terminal()
    clock = Clock()
    with open_progress(console, clock=clock) as progress:
        show_a_while(progress, clock)
        assert len(lines_of(progress.draw())) == 2, "no run is under way"
    assert screen_after(written.getvalue()) == [
        "loading the models",
        "note 0",
        "note 1",
        "rebase ━━━━━━━━━━━━━━━━━━━──────────────────── 2/4 100.0% (34-100%)    took 0:06",
    ]
    assert written.getvalue().rindex("\x1b[?25h") > written.getvalue().rindex("\x1b[?25l"), "the cursor is back"
    assert written.getvalue().endswith(("\n", "\x1b[?25h"))


@pytest.mark.parametrize("end", [KeyboardInterrupt, RuntimeError])
def test_a_live_area_is_left_in_order_when_a_run_is_interrupted_or_fails(end: type[BaseException]) -> None:
    console, written = terminal()
    clock = Clock()
    with pytest.raises(end), open_progress(console, clock=clock) as progress:  # noqa: PT012 - it is what is tested
        show_a_while(progress, clock, end=False)
        assert lines_of(progress.draw())[-1].startswith("policy")
        raise end
    assert screen_after(written.getvalue())[3:] == [
        "rebase ━━━━━━━━━━━━━━━━━━━──────────────────── 2/4 100.0% (34-100%)      stopped",
    ]
    assert written.getvalue().rindex("\x1b[?25h") > written.getvalue().rindex("\x1b[?25l")


def test_where_nothing_began_nothing_is_left() -> None:
    console, written = terminal()
    with pytest.raises(KeyboardInterrupt), open_progress(console) as progress:  # noqa: PT012 - likewise
        progress.expect("rebase", 4)
        progress.note("loading the models")
        assert "waiting" in lines_of(progress.draw())[0]
        raise KeyboardInterrupt
    assert screen_after(written.getvalue()) == ["loading the models"]


def test_a_dumb_terminal_is_given_plain_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "dumb")
    console, written = terminal()
    clock = Clock()
    with open_progress(console, clock=clock) as progress:
        show_a_while(progress, clock)
    assert "\x1b" not in written.getvalue()
    assert "rebase: 2/4 problems" in written.getvalue()


def test_where_no_colours_are_wanted_there_are_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    console, written = terminal()
    clock = Clock()
    with open_progress(console, clock=clock) as progress:
        show_a_while(progress, clock)
    assert not re.search(r"\x1b\[[0-9;]*3[0-9]", written.getvalue())
    assert "━" in written.getvalue()


def test_statistics_are_told_twice_a_second_from_the_beginning_on() -> None:
    told: list[tuple[float, SchedulerStatistics]] = []

    async def main() -> None:
        loop = asyncio.get_running_loop()
        runtime = SimulatedRuntime()
        problems = [Problem(id=f"p{number}", text=f"problem {number}", answer="1") for number in range(20)]
        run = await solve_dataset(
            problems,
            Rebase(width=8),
            policy=runtime,
            reward=runtime,
            on_statistics=lambda statistics: told.append((loop.time(), statistics)),
        )
        assert run.statistics.generate.settled >= told[-1][1].generate.settled

    run_virtual(main)
    times = [time - told[0][0] for time, _ in told]
    assert times == pytest.approx([look / 2 for look in range(len(told))])
    assert len(told) > 2
    settled = [statistics.generate.settled for _, statistics in told]
    assert settled[0] == 0
    assert settled == sorted(settled)
    assert any(statistics.generate.in_flight for _, statistics in told)
