"""What a runtime delivered, by request."""

from __future__ import annotations

from runtimes.base import (
    GenerateRequest,
    GenerateResult,
    Request,
    Result,
    RuntimeFailure,
    ScoreRequest,
    ScoreResult,
)


class Outcomes(dict[Request, Result | RuntimeFailure]):
    """Delivered outcomes; a second one for the same request is an error."""

    def deliver(self, request: Request, outcome: Result | RuntimeFailure) -> None:
        assert request not in self, "delivered twice"
        self[request] = outcome

    def generated(self, request: GenerateRequest) -> GenerateResult:
        outcome = self[request]
        if isinstance(outcome, RuntimeFailure):
            raise outcome
        assert isinstance(outcome, GenerateResult)
        return outcome

    def scored(self, request: ScoreRequest) -> ScoreResult:
        outcome = self[request]
        if isinstance(outcome, RuntimeFailure):
            raise outcome
        assert isinstance(outcome, ScoreResult)
        return outcome
