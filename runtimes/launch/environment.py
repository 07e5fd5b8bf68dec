"""The environment in which SGLang runs without a GPU: pinned packages, and stand-ins for those that need CUDA."""

from __future__ import annotations

import hashlib
import os
import platform
import shutil
import subprocess
import sys
import venv
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from runtimes.launch.errors import LaunchError

__all__ = ["CpuEnvironment", "cpu_environment", "prepare_cpu_environment"]

_FILES = Path(__file__).parent / "cpu"
_TORCH = "torch==2.13.0"
_TORCH_CPU_BUILDS = "https://download.pytorch.org/whl/cpu"
_PYTHONS = ((3, 11), (3, 13))
_STAMP = "asyncsearch-prepared"


@dataclass(frozen=True, slots=True)
class CpuEnvironment:
    """A virtual environment at ``path``, which may not be there yet."""

    path: Path

    @property
    def python(self) -> Path:
        """The interpreter that runs SGLang."""
        return self.path / "bin" / "python"

    @property
    def shim(self) -> Path:
        """The folder that must come first on its module path."""
        return _FILES / "shim"

    @property
    def ready(self) -> bool:
        """Whether all that belongs in it is there."""
        stamp = self.path / _STAMP
        return stamp.is_file() and stamp.read_text() == _fingerprint()


def cpu_environment(path: Path | None = None) -> CpuEnvironment:
    """The environment at a path; by default one in the user's cache."""
    if path is None:
        cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
        path = Path(cache) / "asyncsearch" / "sglang-cpu"
    return CpuEnvironment(path)


def prepare_cpu_environment(environment: CpuEnvironment, *, say: Callable[[str], None]) -> None:
    """Build an environment, unless it is ready: 1.6 GB, one or two minutes.

    ``say`` is told what is going on. Pip's own output goes to a file in the environment.

    Raises:
        LaunchError: this machine cannot run it, or a package cannot be installed.
    """
    _require_supported_machine()
    if environment.ready:
        return
    if environment.path.exists():
        if not (environment.path / "pyvenv.cfg").exists():
            raise LaunchError(f"{environment.path} is there and is no virtual environment; name another with --env")
        shutil.rmtree(environment.path)
    try:
        venv.create(environment.path, with_pip=True)
    except (OSError, subprocess.CalledProcessError) as error:
        raise LaunchError(f"{environment.path}: no virtual environment can be made there: {error}") from error
    say("torch")
    constrained = ["--constraint", str(_FILES / "constraints.txt")]
    try:
        # The constraints rule out what a CUDA build needs, so this finds a CPU build or fails.
        _pip(environment, [*constrained, _TORCH])
    except LaunchError:
        _pip(environment, [*constrained, "--extra-index-url", _TORCH_CPU_BUILDS, f"{_TORCH}+cpu"])
    say("what SGLang needs")
    _pip(environment, [*constrained, "--requirement", str(_FILES / "requirements.txt")])
    say("SGLang")
    _pip(environment, ["--no-deps", "--requirement", str(_FILES / "requirements-without-dependencies.txt")])
    (environment.path / _STAMP).write_text(_fingerprint())


def _require_supported_machine() -> None:
    first, last = _PYTHONS
    if sys.platform != "linux" or platform.machine() not in ("x86_64", "AMD64"):
        raise LaunchError(
            f"SGLang without a GPU runs on 64-bit x86 Linux, not on {sys.platform} {platform.machine()}; "
            "use the local runtime (local:DIRECTORY) here"
        )
    if not first <= sys.version_info[:2] <= last:
        raise LaunchError(f"SGLang without a GPU needs Python {first[0]}.{first[1]} to {last[0]}.{last[1]}")


def _fingerprint() -> str:
    """Changes with anything that is installed."""
    pins = [_TORCH.encode(), *(file.read_bytes() for file in sorted(_FILES.glob("*.txt")))]
    return hashlib.sha256(b"\0".join(pins)).hexdigest()


def _pip(environment: CpuEnvironment, arguments: Sequence[str]) -> None:
    log = environment.path / "pip.log"
    with log.open("ab") as output:
        done = subprocess.run(  # noqa: S603 - pip, with arguments of our own
            [environment.python, "-m", "pip", "install", "--disable-pip-version-check", *arguments],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            check=False,
        )
    if done.returncode:
        lines = [line for line in log.read_text(errors="replace").splitlines() if line.startswith("ERROR")]
        raise LaunchError(f"pip failed: {lines[-1] if lines else done.returncode}; all that it said is in {log}")
