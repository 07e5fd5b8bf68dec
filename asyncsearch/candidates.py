"""The leaves of a tree as candidates for the vote."""

from __future__ import annotations

from asyncsearch.answers.grader import Grader
from asyncsearch.results import Candidate
from asyncsearch.tree import Node, NodeState, Tree

__all__ = ["candidate_of", "candidates_of"]


def candidate_of(leaf: Node, grader: Grader, *, marker: str | None = None) -> Candidate | None:
    """What a leaf gives, with the answer that ``grader`` finds in it; None where it failed, or does not vote.

    ``marker`` is what answers stand behind.
    """
    if leaf.state is NodeState.FAILED or leaf.multiplicity == 0:
        return None
    text = leaf.solution()
    truncated = leaf.state is NodeState.TRUNCATED
    return Candidate(
        text=text,
        answer=None if truncated else grader.extract(text, marker=marker),
        truncated=truncated,
        tokens=leaf.path_tokens,
        step_scores=leaf.solution_scores(),
        multiplicity=leaf.multiplicity,
    )


def candidates_of(tree: Tree, grader: Grader, *, marker: str | None = None) -> tuple[Candidate, ...]:
    """All candidates, in the order of the tree."""
    found = (candidate_of(leaf, grader, marker=marker) for leaf in tree.leaves())
    return tuple(candidate for candidate in found if candidate is not None)
