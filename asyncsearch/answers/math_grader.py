"""Whether two mathematical answers are the same, with a time limit, in a process that can be killed."""

from __future__ import annotations

import re
from collections import OrderedDict
from decimal import Decimal

from asyncsearch.answers.grading_process import JudgeFailed
from asyncsearch.answers.process_grader import ProcessGrader

__all__ = ["MathGrader"]

_DECIMAL = re.compile(r"[-+]?(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d{1,50})?\Z")
_LONGEST_DECIMAL = 100
_REMEMBERED_PAIRS = 10_000


class MathGrader(ProcessGrader):
    """Compares values of mathematical answers. Leaving it ends its process.

    Equal strings and plain decimal numbers are compared directly. Everything else goes to
    `asyncsearch.answers.math_equality.equal_answers` in a process of its own; a pair that takes longer than
    ``time_limit`` seconds, or breaks the process, counts as different.
    """

    def __init__(self, *, time_limit: float = 5.0) -> None:
        super().__init__(
            "asyncsearch.answers.math_equality:equal_answers", time_limit=time_limit, first=(r"\frac{1}{2}", "0.5")
        )
        self._known: OrderedDict[tuple[str, str], bool] = OrderedDict()

    async def equal(self, left: str, right: str) -> bool:
        """Whether two answers have the same value.

        Raises:
            GradingError: the process cannot be started.

        Cancellation kills the process if it was at work on this pair.
        """
        left, right = _clean(left), _clean(right)
        if left == right:
            return True
        numbers = _decimal(left), _decimal(right)
        if numbers[0] is not None and numbers[1] is not None:
            return numbers[0] == numbers[1]
        pair = (left, right)
        known = self._known.get(pair)
        if known is None:
            try:
                known = await self.process.ask(left, right)
            except JudgeFailed:  # whatever a symbolic engine raises on text from a model, the answers differ
                known = False
            self._known[pair] = known
            if len(self._known) > _REMEMBERED_PAIRS:
                self._known.popitem(last=False)
        return known


def _decimal(text: str) -> Decimal | None:
    if len(text) <= _LONGEST_DECIMAL and _DECIMAL.match(text):
        return Decimal(text.replace(",", ""))
    return None


def _clean(text: str) -> str:
    """Without surrounding space, and without the half characters that no encoding takes."""
    return text.strip().encode("utf-8", "replace").decode()
