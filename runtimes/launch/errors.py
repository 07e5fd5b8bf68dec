"""What can be wrong with a launch."""

from __future__ import annotations

__all__ = ["LaunchError"]


class LaunchError(Exception):
    """A server cannot be started or kept up. The message is one line, fit to be shown as it is."""
