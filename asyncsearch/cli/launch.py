"""The command ``launch``."""

from __future__ import annotations

import asyncio
import importlib.util
import signal
import sys
from collections.abc import Sequence
from functools import partial
from itertools import takewhile
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import anyio
import typer
from rich.text import Text

from asyncsearch.cli.console import err, out
from asyncsearch.datasets.arithmetic import bundled_model
from asyncsearch.errors import ConfigurationError, first_cause
from asyncsearch.plugins import suggestion

if TYPE_CHECKING:
    from runtimes.launch import CpuEnvironment, ServerCommand

__all__ = ["launch_command"]

_PAIR = "pair"
_FIRST_PORTS = {"policy": 30000, "reward": 30001}
_API_KEY_VARIABLE = "ASYNCSEARCH_API_KEY"


def launch_command(
    what: Annotated[str | None, typer.Argument(help="policy, reward or pair.", metavar="policy|reward|pair")] = None,
    models: Annotated[
        list[str] | None,
        typer.Argument(help="The model's directory; of a pair the policy's, then the reward model's.", metavar="MODEL"),
    ] = None,
    port: Annotated[
        int | None,
        typer.Option(
            help="Port to listen on; the reward model of a pair takes the next. \\[default: 30000, 30001]",
            min=1,
            max=65534,
        ),
    ] = None,
    host: Annotated[
        str, typer.Option(help="Address to listen on; by default only this machine can ask.")
    ] = "127.0.0.1",
    cpu: Annotated[
        bool, typer.Option("--cpu", help="Run without a GPU, in an environment made for it by --prepare.")
    ] = False,
    prepare: Annotated[
        bool, typer.Option("--prepare", help="With --cpu: build the environment (1.6 GB), unless it is there.")
    ] = False,
    env: Annotated[
        Path | None, typer.Option(help="Where that environment is. \\[default: asyncsearch/sglang-cpu in the cache]")
    ] = None,
    python: Annotated[
        Path | None, typer.Option(help="An interpreter that has sglang installed. \\[default: this one]")
    ] = None,
    api_key: Annotated[
        str | None, typer.Option(help="Key that clients have to send.", envvar=_API_KEY_VARIABLE, show_envvar=True)
    ] = None,
    log: Annotated[Path, typer.Option(help="Directory that the servers' logs are added to.")] = Path("logs"),
) -> None:
    """Start local SGLang servers, keep them up, and stop them with Ctrl-C.

    [bold]asyncsearch launch pair POLICY REWARD[/bold] starts both; without models, the bundled ones. Whatever stands
    after [bold]--[/bold] is handed to SGLang: [bold]asyncsearch launch policy MODEL -- --tp 2[/bold].

    [bold]asyncsearch launch --cpu --prepare[/bold] makes an environment in which they run without a GPU.
    """
    from runtimes import launch  # noqa: PLC0415 - needs aiohttp, which other commands do without

    environment = launch.cpu_environment(env) if cpu else None
    if environment is None and (prepare or env is not None):
        raise ConfigurationError("--prepare and --env are about the environment without a GPU; add --cpu")
    try:
        if environment is not None and prepare:
            launch.prepare_cpu_environment(environment, say=lambda step: err.print(f"installing {step}"))
            err.print(Text(f"SGLang is ready in {environment.path}"))
        if what is None:
            if prepare:
                return
            raise ConfigurationError("say what to launch: policy, reward or pair")
        commands = _commands(
            what, models or [], host=host, port=port, environment=environment, python=python, api_key=api_key
        )
        asyncio.run(_serve(commands, log))
    except launch.LaunchError as error:
        raise ConfigurationError(str(error)) from None


def _commands(
    what: str,
    words: Sequence[str],
    *,
    host: str,
    port: int | None,
    environment: CpuEnvironment | None,
    python: Path | None,
    api_key: str | None,
) -> list[ServerCommand]:
    """What to start; of ``words`` those before the first flag are models, the others are SGLang's."""
    from runtimes import launch  # noqa: PLC0415

    models = list(takewhile(lambda word: not word.startswith("-"), words))
    flags = words[len(models) :]
    roles = launch.ROLES if what == _PAIR else (what,)
    if what != _PAIR and what not in launch.ROLES:
        raise ConfigurationError(f"unknown role {what!r}; {suggestion(what, [*launch.ROLES, _PAIR])}")
    if not models:
        models = [str(bundled_model(role)) for role in roles]
    if len(models) != len(roles):
        wanted = "two models" if len(roles) > 1 else "one model"
        raise ConfigurationError(f"{what} takes {wanted}, not {len(models)}: {' '.join(models)}")
    first_port = port or _FIRST_PORTS[roles[0]]
    return [
        launch.server_command(
            role,
            model,
            python=_interpreter(python, environment),
            host=host,
            port=first_port + index,
            cpu=environment,
            api_key=api_key,
            extra=flags,
        )
        for index, (role, model) in enumerate(zip(roles, models, strict=True))
    ]


def _interpreter(python: Path | None, environment: CpuEnvironment | None) -> Path:
    if python is not None:
        if not python.is_file():
            raise ConfigurationError(f"--python {python}: no such file")
        return python
    if environment is not None:
        if not environment.ready:
            raise ConfigurationError(
                f"no environment for SGLang in {environment.path}: make it with "
                f"'asyncsearch launch --cpu --prepare --env {environment.path}'"
            )
        return environment.python
    if importlib.util.find_spec("sglang") is None:
        raise ConfigurationError(
            "sglang is not installed beside asyncsearch: name an interpreter that has it with --python, "
            "or run without a GPU with --cpu"
        )
    return Path(sys.executable)


async def _serve(commands: Sequence[ServerCommand], logs: Path) -> None:
    """Keep servers up until one cannot be, or somebody ends this process."""
    from runtimes import launch  # noqa: PLC0415

    try:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(_stop_when_asked, tasks.cancel_scope)
            async with anyio.create_task_group() as starting:
                for command in commands:
                    log = logs / f"{command.name}-{command.port}.log"
                    err.print(Text(f"starting {command.name}; its log is {log}"))

                    async def start(command: ServerCommand = command, log: Path = log) -> None:
                        await tasks.start(partial(launch.supervise, command, log=log, say=_say))

                    starting.start_soon(start)
            options = " ".join(f"--{command.name} sglang:{command.address}" for command in commands)
            solve = "asyncsearch solve FILE.jsonl " if len(commands) > 1 else ""
            out.print(Text(f"ready: {solve}{options}"), soft_wrap=True)
            if commands[0].api_key is not None:
                err.print(Text(f"whoever asks needs the key in {_API_KEY_VARIABLE}"))
    except BaseExceptionGroup as group:
        raise first_cause(group) from None


async def _stop_when_asked(scope: anyio.CancelScope) -> None:
    # A terminal that is closed sends a hangup.
    # Interrupts are taken here too: a second one, while the servers are being stopped, must not leave them behind.
    with anyio.open_signal_receiver(signal.SIGTERM, signal.SIGHUP, signal.SIGINT) as received:
        async for _ in received:
            scope.cancel()


def _say(message: str) -> None:
    err.print(Text(message), soft_wrap=True)
