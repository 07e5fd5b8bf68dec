"""Starting, watching and stopping servers, with small programs in SGLang's place."""

from __future__ import annotations

import json
import os
import signal
import socket
import sys
from dataclasses import replace
from functools import partial
from pathlib import Path

import anyio
import pytest
import yaml

from runtimes.launch import LaunchError, ServerCommand, cpu_environment, prepare_cpu_environment, server_command
from runtimes.launch.supervisor import RestartPolicy, supervise

pytestmark = pytest.mark.anyio

SERVER = """
import http.server, sys
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200); self.end_headers(); self.wfile.write(b"{}")
print("listening", flush=True)
http.server.HTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
"""
QUICK = RestartPolicy(limit=2, first_pause_seconds=0.01)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def program(source: str) -> ServerCommand:
    port = free_port()
    arguments = (sys.executable, "-c", source, str(port))
    return ServerCommand(name="policy", arguments=arguments, environment=dict(os.environ), host="127.0.0.1", port=port)


def process_of(message: str) -> int:
    return int(message.rpartition("process ")[2].rstrip(")"))


def exists(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return True


async def test_a_server_that_dies_is_started_again_and_leaving_stops_it(tmp_path: Path) -> None:
    said: list[str] = []
    command = program(SERVER)
    async with anyio.create_task_group() as tasks:
        await tasks.start(partial(supervise, command, log=tmp_path / "log", say=said.append, restarts=QUICK))
        first = process_of(said[-1])
        os.kill(first, signal.SIGKILL)
        with anyio.fail_after(20):
            while len(said) < 3:  # noqa: ASYNC110 - until it says so
                await anyio.sleep(0.01)
        second = process_of(said[-1])
        assert second != first
        assert "died with status -9" in said[1]
        tasks.cancel_scope.cancel()
    assert not exists(second)
    assert (tmp_path / "log").read_text().count("listening\n") == 2


async def test_the_key_reaches_the_server_in_a_file_that_is_nobody_elses(tmp_path: Path) -> None:
    seen = "import json, os; path = sys.argv[sys.argv.index('--config') + 1]; "
    seen += "print(json.dumps([sys.argv, path, os.stat(path).st_mode & 0o777, open(path).read()]), flush=True)"
    command = replace(program(SERVER.replace('print("listening", flush=True)', seen)), api_key="s: e'cret")
    log = tmp_path / "log"
    async with anyio.create_task_group() as tasks:
        await tasks.start(partial(supervise, command, log=log, say=lambda _: None, restarts=QUICK))
        tasks.cancel_scope.cancel()
    arguments, path, mode, content = json.loads(log.read_text().partition("\n")[0])
    assert not any("cret" in argument for argument in arguments)
    assert yaml.safe_load(content) == {"api-key": "s: e'cret"}
    assert mode == log.stat().st_mode & 0o777 == 0o600
    assert not os.path.exists(path)  # noqa: ASYNC240 - nothing else runs here


async def test_one_that_keeps_dying_is_given_up(tmp_path: Path) -> None:
    command = program(SERVER.replace(".serve_forever()", ".handle_request(); sys.exit('out of memory Error')"))
    with pytest.raises(LaunchError, match=r"policy server died 3 times in a row: out of memory Error"):
        await supervise(command, log=tmp_path / "log", say=lambda _: None, restarts=QUICK)


async def test_one_that_does_not_come_up_is_told_by_its_last_words(tmp_path: Path) -> None:
    with pytest.raises(LaunchError, match="did not come up: ValueError: no such model"):
        await supervise(program("raise ValueError('no such model')"), log=tmp_path / "log", say=lambda _: None)


async def test_a_taken_port_is_said_so(tmp_path: Path) -> None:
    command = program(SERVER)
    with socket.create_server(("127.0.0.1", command.port)), pytest.raises(LaunchError, match="choose another --port"):
        await supervise(command, log=tmp_path / "log", say=lambda _: None)


def test_the_flags_follow_from_role_and_model(tmp_path: Path) -> None:
    head = tmp_path / "head"
    head.mkdir()
    (head / "config.json").write_text(json.dumps({"architectures": ["LlamaForSequenceClassification"]}))
    make = partial(server_command, python=Path("python"), port=30000)
    assert "--is-embedding" in make("reward", str(head)).arguments
    assert "--is-embedding" not in make("policy", str(head)).arguments
    assert "--device" not in make("policy", "some/model").arguments
    cpu = make("policy", "some/model", cpu=cpu_environment(tmp_path), extra=["--tp", "2"])
    assert cpu.arguments[-2:] == ("--tp", "2")
    assert "torch_native" in cpu.arguments
    assert cpu.environment["PYTHONPATH"].split(os.pathsep)[0] == str(cpu_environment(tmp_path).shim)
    assert make("policy", "m", host="0.0.0.0").address == "http://127.0.0.1:30000"
    assert make("policy", "m", host="::1").address == "http://[::1]:30000"
    assert "secret" not in repr(make("policy", "m", api_key="secret"))
    with pytest.raises(LaunchError, match="put it into yours"):
        make("policy", "m", api_key="secret", extra=["--config", "mine.yaml"])
    (head / "config.json").write_text(json.dumps({"architectures": ["Qwen2ForProcessRewardModel"]}))
    with pytest.raises(LaunchError, match="--reward local:"):
        make("reward", str(head))


@pytest.mark.parametrize(
    ("role", "model", "message"),
    [("judge", "m", "unknown role 'judge'"), ("reward", ".", "not a model's directory")],
)
def test_what_cannot_be_launched(role: str, model: str, message: str) -> None:
    with pytest.raises(LaunchError, match=message):
        server_command(role, model, python=Path("python"), port=30000)


def test_a_folder_that_is_something_else_is_not_built_over(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(LaunchError, match="is no virtual environment"):
        prepare_cpu_environment(cpu_environment(tmp_path), say=lambda _: None)
    assert (tmp_path / "thesis.txt").exists()
