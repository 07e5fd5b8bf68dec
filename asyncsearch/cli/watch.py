"""The command ``watch``."""

from __future__ import annotations

import math
import shlex
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Annotated, Self

import anyio
import typer
from anyio.lowlevel import checkpoint
from rich.console import Console, RenderableType
from rich.live import Live
from rich.text import Text

from asyncsearch.cli.console import EXIT_INTERRUPTED, EXIT_SOME_FAILED, out
from asyncsearch.cli.interrupts import run_until_interrupted
from asyncsearch.cli.runs import runs_in
from asyncsearch.errors import ConfigurationError, RunDirectoryError
from asyncsearch.report.harmless import harmless
from asyncsearch.report.watched import WatchedRun, watched_area
from asyncsearch.run_directory import COMMAND_FILE, holder_of, unbegun_runs
from asyncsearch.sweep import SWEEP_FILE

__all__ = ["Watch", "watch_command"]

_INTERVAL = 1.0
"""Seconds between two looks."""

_PLAIN_INTERVAL = 5.0
"""Seconds between two lines on one run, where there is no terminal."""


def watch_command(
    runs: Annotated[list[Path], typer.Argument(help="Run directories, as 'solve' writes them.")],
    once: Annotated[bool, typer.Option("--once", help="Say how far they are now, and end.")] = False,
    wait: Annotated[bool, typer.Option("--wait", help="Wait for runs that have not begun yet.")] = False,
) -> None:
    """Follow runs that another process writes, until they are complete or nobody writes them any more.

    A directory that holds several runs stands for all of them, and for those that begin while it is watched. Nothing
    is locked, and nothing written. The exit status is 1 if nobody writes a run that is not complete.
    """
    if once and wait:
        raise ConfigurationError("--once does not wait for anything; leave out --once or --wait")
    with Watch(list(dict.fromkeys(runs)), wait=wait) as watch:
        try:
            with _shown(watch, out) as show:
                run_until_interrupted(partial(_follow, watch, show, once=once))
        except KeyboardInterrupt:
            raise typer.Exit(EXIT_INTERRUPTED) from None
        for line in watch.conclusions():
            out.print(Text(harmless(line)), soft_wrap=True)
        if not watch.is_sound:
            raise typer.Exit(EXIT_SOME_FAILED)


class Watch:
    """The runs that some paths stand for, in the order in which they are found.

    Args:
        paths: of run directories, or of directories that hold several.
        wait: whether they need not be there yet.
    """

    def __init__(self, paths: Sequence[Path], *, wait: bool = False) -> None:
        self.runs: dict[Path, WatchedRun] = {}
        self._found: dict[Path, list[Path]] = {path: [] for path in paths}
        self._wait = wait
        self._open = ExitStack()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._open.close()

    @property
    def is_behind(self) -> bool:
        """Whether there is more to be read than was by the last look."""
        return any(run.follower.is_behind for run in self.runs.values())

    @property
    def is_over(self) -> bool:
        """Whether nothing more is to come: what is not complete, nobody writes."""
        return all(self._is_complete(path) or not self._is_alive(path) for path in self._found)

    @property
    def is_sound(self) -> bool:
        """Whether everything is complete, or may come to be."""
        return all(self._is_complete(path) or self._is_alive(path) for path in self._found)

    def look(self, now: float) -> None:
        """See what has been added since the last look; ``now`` is as in `SlidingRate`.

        Raises:
            RunDirectoryError: no run is there, and none is waited for.
            StorageError: what is there cannot be read, or is damaged.
        """
        for path in self._found:
            self._found[path] = self._find(path)
            for run in self._found[path]:
                if run not in self.runs:
                    self.runs[run] = self._open.enter_context(WatchedRun(run, self._name(run)))
        for watched in self.runs.values():
            watched.look(now)

    def draw(self, wall_clock: float) -> RenderableType:
        """How far they are, for a terminal, at a time in seconds since 1970."""
        if not self.runs:
            return Text(f"waiting for {harmless(', '.join(map(str, self._found)))}")
        unbegun = [self._name(run) for path in self._found for run in unbegun_runs(path)]
        return watched_area(list(self.runs.values()), unbegun, wall_clock)

    def conclusions(self) -> Iterator[str]:
        """What is complete, and how to go on with what nobody writes and is not."""
        for path in self._found:
            if self._is_complete(path):
                yield f"{path}: complete"
            elif not self._is_alive(path):
                parts = [run for run in self._found[path] if not self.runs[run].is_complete] + unbegun_runs(path)
                for way_on in dict.fromkeys(map(_way_on, parts)):
                    yield f"{path}: nobody writes it any more, and it is not complete; {way_on}"

    def _find(self, path: Path) -> list[Path]:
        try:
            return runs_in(path)
        except RunDirectoryError:
            if self._wait or holder_of(path) is not None:
                return []
            raise

    def _name(self, run: Path) -> str:
        """As short as it is unmistakable."""
        if len(self._found) > 1:
            return str(run)
        (path,) = self._found
        return run.resolve().name if run == path else str(run.relative_to(path))

    def _is_complete(self, path: Path) -> bool:
        runs = self._found[path]
        return bool(runs) and all(self.runs[run].is_complete for run in runs) and not unbegun_runs(path)

    def _is_alive(self, path: Path) -> bool:
        """Whether anybody writes a run there, is about to write another, or is waited for."""
        runs = self._found[path]
        return (
            (self._wait and not runs)
            or any(self.runs[run].is_alive for run in runs)
            or any(holder_of(directory) for directory in {path, *(run.parent for run in runs if run != path)})
        )


Show = Callable[[float, float], None]
"""Shows what is watched, at a time in seconds of any beginning, and since 1970."""


async def _follow(watch: Watch, show: Show, *, once: bool) -> None:
    """Look and show until nothing more is to come, or nobody reads it any more."""
    while not out.quiet:
        now = time.monotonic()
        watch.look(now)
        show(now, time.time())
        if watch.is_behind:
            await checkpoint()
        elif once or watch.is_over:
            return
        else:
            await anyio.sleep(_INTERVAL)


@contextmanager
def _shown(watch: Watch, console: Console) -> Iterator[Show]:
    """Show what is watched whenever the value is called: in a live area on a terminal, which stays, or in lines."""
    if not console.is_interactive:
        yield PlainLines(watch, console).show
        return
    with Live(console=console, auto_refresh=False) as live:
        yield lambda _, wall_clock: live.update(watch.draw(wall_clock), refresh=True)


class PlainLines:
    """A line on a run whenever more of it is there, but for its last one not before some seconds have passed."""

    def __init__(self, watch: Watch, console: Console) -> None:
        self._watch = watch
        self._console = console
        self._shown: dict[Path, tuple[float, object]] = {}
        self._is_waiting = False

    def show(self, now: float, wall_clock: float) -> None:
        """Print what there is to be said at a time, as in `Show`."""
        if not (self._watch.runs or self._is_waiting):
            self._is_waiting = True
            self._console.print(self._watch.draw(wall_clock), soft_wrap=True)
        for path, run in self._watch.runs.items():
            follower = run.follower
            news = follower.results, follower.journal.nodes, run.is_over
            when, before = self._shown.get(path, (-math.inf, None))
            if not follower.is_behind and news != before and (run.is_over or now >= when + _PLAIN_INTERVAL):
                self._shown[path] = now, news
                self._console.print(Text(run.words(wall_clock)), soft_wrap=True)


def _way_on(run: Path) -> str:
    """How to go on with a run, in words: with all of what it is a part of."""
    for directory in (path := run.absolute(), *path.parents[:2]):
        for file, command in ((COMMAND_FILE, "solve"), (SWEEP_FILE, "sweep")):
            if (directory / file).exists():
                return f"go on with it by: asyncsearch {command} --out {shlex.quote(_from_here(directory))} --resume"
    return f"go on with it from Python, by solve_dataset(..., run_dir={str(run)!r}, resume=True)"


def _from_here(path: Path) -> str:
    """A path as a user in the working directory would write it."""
    return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else str(path)
