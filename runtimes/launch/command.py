"""The command line of an SGLang server, with the flags that its role needs."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from runtimes.launch.environment import CpuEnvironment
from runtimes.launch.errors import LaunchError

__all__ = ["ROLES", "ServerCommand", "server_command"]

ROLES = ("policy", "reward")

_CONFIG = "--config"
_OURS = frozenset({"--model-path", "--model", "--host", "--port", "--api-key"})
_HEADS = ("SequenceClassification", "RewardModel")
_UNSERVED = ("Qwen2ForProcessRewardModel", "Qwen2ForPrmModel")
"""Reward models with a score at each step, which SGLang 0.5 has no code for."""
_CPU_FLAGS = (
    *("--device", "cpu", "--attention-backend", "torch_native", "--sampling-backend", "pytorch"),
    *("--cuda-graph-backend-decode", "disabled", "--cuda-graph-backend-prefill", "disabled"),
    # Otherwise it takes 16 GB.
    *("--max-total-tokens", "32768", "--mem-fraction-static", "0.3"),
    # Otherwise it burns a core while it has nothing to do.
    "--sleep-on-idle",
    # bfloat16 is slower on most CPUs, and less exact.
    *("--dtype", "float32"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerCommand:
    """What starts one server, and where it answers. The key is not among the arguments, which every user can see."""

    name: str
    arguments: tuple[str, ...]
    environment: Mapping[str, str] = field(repr=False)
    host: str
    port: int
    api_key: str | None = field(default=None, repr=False)

    @property
    def address(self) -> str:
        """The server's, as a client on this machine writes it."""
        host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(self.host, self.host)  # noqa: S104 - compared, not bound
        return f"http://[{host}]:{self.port}" if ":" in host else f"http://{host}:{self.port}"


def server_command(
    role: str,
    model: str,
    *,
    python: Path,
    host: str = "127.0.0.1",
    port: int,
    cpu: CpuEnvironment | None = None,
    api_key: str | None = None,
    extra: Sequence[str] = (),
) -> ServerCommand:
    """How to serve a model.

    Args:
        role: one of `ROLES`. A reward model with a head is recognised by its architecture.
        model: a directory, or a name on the hub.
        python: an interpreter that has SGLang.
        host: to listen on; the default is seen from this machine alone.
        port: to listen on.
        cpu: the environment that ``python`` belongs to, where there is no GPU to be used.
        api_key: that clients have to send.
        extra: further flags, which win over those chosen here.

    Raises:
        LaunchError: the role is unknown, a directory holds no model or one that SGLang cannot serve, or a key and a
            configuration file of SGLang's are given both.
    """
    if role not in ROLES:
        raise LaunchError(f"unknown role {role!r}; known are {', '.join(ROLES)}")
    if taken := [flag for flag in extra if flag.partition("=")[0] in _OURS]:
        raise LaunchError(f"{taken[0]} is not for SGLang to be told: give it to 'asyncsearch launch' itself")
    if model.startswith(("/", ".", "~")) and not Path(model).is_dir():
        raise LaunchError(f"{model}: no such directory")
    arguments = [str(python), "-m", "sglang.launch_server", "--model-path", model, "--host", host, "--port", str(port)]
    arguments += _CPU_FLAGS if cpu is not None else ()
    if role == "reward" and _has_head(model):
        arguments.append("--is-embedding")
    if api_key is not None and any(flag.partition("=")[0] == _CONFIG for flag in extra):
        raise LaunchError(
            f"the key is handed over in a file of ours, and SGLang takes one {_CONFIG}: put it into yours"
        )
    environment = dict(os.environ)
    if cpu is not None:
        environment |= {
            "PYTHONPATH": os.pathsep.join(filter(None, [str(cpu.shim), os.environ.get("PYTHONPATH")])),
            "SGLANG_USE_CPU_ENGINE": "1",
            "OMP_NUM_THREADS": os.environ.get("OMP_NUM_THREADS", "1"),
        }
    return ServerCommand(
        name=role,
        arguments=(*arguments, *extra),
        environment=environment,
        host=host,
        port=port,
        api_key=api_key,
    )


def _has_head(model: str) -> bool:
    """Whether a model gives one score per text. One on the hub is judged by the server itself."""
    directory = Path(model)
    if not directory.is_dir():
        return False
    try:
        config = json.loads((directory / "config.json").read_text(encoding="utf-8"))
        architectures = config.get("architectures") or []
    except (OSError, ValueError, AttributeError) as error:
        raise LaunchError(f"{model}: not a model's directory: {error}") from error
    if unserved := [architecture for architecture in architectures if architecture in _UNSERVED]:
        raise LaunchError(
            f"{model}: SGLang does not serve {unserved[0]}, with a score at each step; use it in the process that "
            f"searches: --reward local:{model}"
        )
    return any(kind in architecture for architecture in architectures for kind in _HEADS)
