"""Local SGLang servers: how they are started, watched and stopped."""

from runtimes.launch.command import ROLES, ServerCommand, server_command
from runtimes.launch.environment import CpuEnvironment, cpu_environment, prepare_cpu_environment
from runtimes.launch.errors import LaunchError
from runtimes.launch.supervisor import supervise

__all__ = [
    "ROLES",
    "CpuEnvironment",
    "LaunchError",
    "ServerCommand",
    "cpu_environment",
    "prepare_cpu_environment",
    "server_command",
    "supervise",
]
