"""The leaves of a tree as candidates for the vote."""

from __future__ import annotations

from asyncsearch.answers.extraction import extract_answer
from asyncsearch.results import Candidate
from asyncsearch.tree import Node, NodeState, Tree

__all__ = ["candidate_of", "candidates_of"]


def candidate_of(leaf: Node) -> Candidate | None:
    """What a leaf gives; None where it failed, or does not vote."""
    if leaf.state is NodeState.FAILED or leaf.multiplicity == 0:
        return None
    text = leaf.solution()
    truncated = leaf.state is NodeState.TRUNCATED
    return Candidate(
        text=text,
        answer=None if truncated else extract_answer(text),
        truncated=truncated,
        tokens=leaf.path_tokens,
        step_scores=leaf.solution_scores(),
        multiplicity=leaf.multiplicity,
    )


def candidates_of(tree: Tree) -> tuple[Candidate, ...]:
    """All candidates, in the order of the tree."""
    found = map(candidate_of, tree.leaves())
    return tuple(candidate for candidate in found if candidate is not None)
