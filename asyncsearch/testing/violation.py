"""What a check raises."""

from __future__ import annotations

__all__ = ["ContractViolation"]


class ContractViolation(AssertionError):
    """A contract is broken. The message says how, and in which case: the smallest that was found."""
