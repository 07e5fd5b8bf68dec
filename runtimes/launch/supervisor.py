"""Starts a server, waits until it answers, starts it again when it dies, and stops it."""

from __future__ import annotations

import os
import signal
import socket
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import anyio
import yaml
from anyio.abc import Process, TaskStatus

from runtimes.base import RuntimeFailure
from runtimes.http import JsonSession
from runtimes.launch.command import ServerCommand
from runtimes.launch.errors import LaunchError

__all__ = ["RestartPolicy", "supervise"]

_PROBE_SECONDS = 0.5
_STOP_SECONDS = 15.0


@dataclass(frozen=True, slots=True, kw_only=True)
class RestartPolicy:
    """How often a server that died is started again.

    At most ``limit`` times in a row, after pauses that double from ``first_pause_seconds`` to
    ``longest_pause_seconds``; one that has been up for ``forgiven_after_seconds`` begins anew. One that never
    answers within ``start_seconds`` counts as dead.
    """

    limit: int = 5
    first_pause_seconds: float = 1.0
    longest_pause_seconds: float = 60.0
    forgiven_after_seconds: float = 600.0
    start_seconds: float = 1800.0


async def supervise(
    command: ServerCommand,
    *,
    log: Path,
    say: Callable[[str], None],
    restarts: RestartPolicy = RestartPolicy(),
    task_status: TaskStatus[None] = anyio.TASK_STATUS_IGNORED,
) -> None:
    """Keep a server up until cancelled; started in a task group, `start` returns once it answers.

    Args:
        command: of the server.
        log: the file that everything it prints is added to.
        say: told what happens to it, a line each.
        restarts: how often it is started again.
        task_status: told when the server answers for the first time.

    Raises:
        LaunchError: the port is taken, the server does not come up, or it died too often.

    Cancellation stops the server and all its processes: asked to end, and killed if it takes too long.
    """
    _require_free_port(command)
    with _key_file(command) as key_flags:
        await _keep_up(command, key_flags, log, say, restarts, task_status)


async def _keep_up(
    command: ServerCommand,
    key_flags: Sequence[str],
    log: Path,
    say: Callable[[str], None],
    restarts: RestartPolicy,
    task_status: TaskStatus[None],
) -> None:
    log.parent.mkdir(parents=True, exist_ok=True)
    failures, been_up = 0, False
    while True:
        answered_at: float | None = None
        with _opened_log(log) as output:
            said_before = output.tell()
            process = await anyio.open_process(
                [*command.arguments, *key_flags],
                stdin=None,
                stdout=output,
                stderr=output,
                env=command.environment,
                start_new_session=True,  # so that a Ctrl-C reaches it through us, and its children with it
            )
        try:
            if await _wait_until_it_answers(process, command, restarts.start_seconds):
                answered_at = anyio.current_time()
                say(f"{command.name} answers at {command.address} (process {process.pid})")
                if not been_up:
                    been_up = True
                    task_status.started()
                await process.wait()
        finally:
            with anyio.CancelScope(shield=True):
                await _stop(process)
        if not been_up:
            raise LaunchError(
                f"the {command.name} server did not come up: {_last_words(log, said_before)} (all of it is in {log})"
            )
        lived = 0.0 if answered_at is None else anyio.current_time() - answered_at
        failures = 1 if lived > restarts.forgiven_after_seconds else failures + 1
        if failures > restarts.limit:
            raise LaunchError(
                f"the {command.name} server died {failures} times in a row: {_last_words(log, said_before)} ({log})"
            )
        pause = min(restarts.first_pause_seconds * 2 ** (failures - 1), restarts.longest_pause_seconds)
        say(f"{command.name} died with status {process.returncode}; starting it again in {pause:g} s")
        await anyio.sleep(pause)


def _opened_log(log: Path) -> BinaryIO:
    """The file that a server's output is added to, for its owner alone to read: SGLang may print its key."""
    return open(log, "ab", opener=lambda path, flags: os.open(path, flags, 0o600))


@contextmanager
def _key_file(command: ServerCommand) -> Iterator[tuple[str, ...]]:
    """Flags that hand the key over in a file that nobody else can read, for as long as the block runs."""
    if command.api_key is None:
        yield ()
        return
    with tempfile.NamedTemporaryFile("w", suffix=".yaml") as file:  # only its owner can read it
        yaml.safe_dump({"api-key": command.api_key}, file)
        file.flush()
        yield ("--config", file.name)


def _require_free_port(command: ServerCommand) -> None:
    family = socket.AF_INET6 if ":" in command.host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((command.host, command.port))
        except OSError as error:
            raise LaunchError(
                f"{command.host}:{command.port} cannot be listened on: {error.strerror}; choose another --port"
            ) from error


async def _wait_until_it_answers(process: Process, command: ServerCommand, seconds: float) -> bool:
    """Whether it came up, before it died or the time was over."""
    async with JsonSession(command.address, api_key=command.api_key, deadline_seconds=10) as session:
        with anyio.move_on_after(seconds):
            while process.returncode is None:
                with suppress(RuntimeFailure):
                    await session.get("/model_info")
                    return True
                with anyio.move_on_after(_PROBE_SECONDS):
                    await process.wait()
    return False


async def _stop(process: Process) -> None:
    """End a process and its children."""
    if process.returncode is None:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGTERM)
        with anyio.move_on_after(_STOP_SECONDS):
            await process.wait()
    # Children may outlive it, above all one that was killed.
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    await process.wait()


def _last_words(log: Path, since: int) -> str:
    """The last line of a log that says something, behind its first ``since`` bytes."""
    said = log.read_bytes()[since:].decode(errors="replace")
    lines = [line.strip() for line in said.splitlines()[-50:] if line.strip()]
    errors = [line for line in lines if "Error" in line]
    return (errors or lines or ["it said nothing"])[-1][:300]
