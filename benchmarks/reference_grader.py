"""What the REBASE reference's evaluation makes of each problem. Run in the reference's checkout, by its own Python.

    python reference_grader.py REQUEST REPLY

It stands alone: nothing of asyncsearch is there. The request is a JSON file with ``problems`` (records as ``rebase.py``
writes them), ``methods`` (``aggregation``, and whether it is a ``vote``; no aggregation for a majority) and ``pairs``
(of an answer and a reference). The reply has of each method what every problem's winner was, as the last thing that was
graded of it: the answer given, and whether it was taken for right; of each pair whether it was; and of each problem's
reference what ``hf_score.py`` makes of it.
"""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path
from typing import Any

__all__ = ["main"]


def main(request: Path, reply: Path) -> None:
    """Answer one request."""
    sys.path.insert(0, ".")
    import math_evaluate  # type: ignore[import-not-found]  # noqa: PLC0415 - the reference's
    from evaluate.data_processing.answer_extraction import (  # type: ignore[import-not-found]  # noqa: PLC0415
        extract_answer,
    )

    graded: list[tuple[str, bool]] = []
    grade = math_evaluate.grade_answer

    def watched(answer: str, other: str) -> bool:
        right = bool(grade(answer, other))
        graded.append((answer, right))
        return right

    math_evaluate.grade_answer = watched
    asked = json.loads(request.read_bytes())

    def winner_of(problem: dict[str, Any], method: dict[str, Any], file: Path) -> tuple[str, bool]:
        file.write_text(json.dumps([problem]), encoding="ascii")
        aggregate = None if method["aggregation"] is None else getattr(math_evaluate, f"agg_{method['aggregation']}")
        extract = math_evaluate.extract_shepherd_answer
        if method["vote"]:
            math_evaluate.majority_vote(str(file), aggregate is not None, aggregate, extract)
        else:
            math_evaluate.evaluate(str(file), aggregate, extract)
        return graded[-1]

    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "answers.json"
        winners = [[winner_of(problem, method, file) for problem in asked["problems"]] for method in asked["methods"]]
    pairs = [bool(grade(answer, reference)) for answer, reference in asked["pairs"]]
    references = [extract_answer(problem["ground_truth_answer"] or "") for problem in asked["problems"]]
    reply.write_text(json.dumps({"winners": winners, "pairs": pairs, "references": references}), encoding="ascii")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
