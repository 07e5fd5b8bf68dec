"""Whether a strategy or a runtime keeps its contract, for the tests of those who write one. Needs hypothesis."""

from asyncsearch.testing.runtime_contract import check_runtime
from asyncsearch.testing.strategy_contract import check_strategy
from asyncsearch.testing.violation import ContractViolation

__all__ = ["ContractViolation", "check_runtime", "check_strategy"]
