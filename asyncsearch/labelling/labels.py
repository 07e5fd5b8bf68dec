"""What the tree of a labelling search says of each step."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from asyncsearch.problem import Problem
from asyncsearch.strategies.monte_carlo import MonteCarlo
from asyncsearch.strategies.omegaprm import OmegaPrm
from asyncsearch.training_data import TrainingSolution
from asyncsearch.tree import Node, NodeState, Tree

__all__ = ["LABELLING_STRATEGIES", "labelled_solutions"]

LABELLING_STRATEGIES = (MonteCarlo.name, OmegaPrm.name)
"""The strategies whose trees say what steps are worth."""

_RIGHT = 0.5


def labelled_solutions(problem: Problem, tree: Tree, *, soft: bool) -> Iterator[TrainingSolution]:
    """The solutions in a tree with a label for each of their steps.

    A step from which rollouts were drawn is worth the share of them that come to the right answer: its ``soft`` label.
    Its hard label is 1 if any does, or any solution that goes on from it, and 0 if none does, or none did from a step
    before it; the last step's is whether the answer is right. A step of which nothing is known has no label, and one
    that solutions share has its label in the first of them alone, so that it is not learned several times. A solution
    of which no more is known then than how it ends is left out: it says nothing of steps; and so is one that is there
    already.

    Args:
        problem: which the tree is of.
        tree: as one of `LABELLING_STRATEGIES` has grown it: a node's first child is the next step of a solution, and
            its other children begin rollouts.
        soft: shares and not whole labels.
    """
    told: set[Node] = set()
    given: set[TrainingSolution] = set()
    for leaf in _solutions(tree):
        path = leaf.lineage()
        labels = _soft(path) if soft else _hard(path)
        new = [None if node in told else label for node, label in zip(path, labels, strict=True)]
        told.update(path)
        solution = TrainingSolution(
            problem=problem.text,
            steps=tuple(node.text.strip() for node in path),
            labels=tuple(new),
            answer=problem.answer,
        )
        if solution not in given and any(label is not None for label in (new[:-1] or new)):
            given.add(solution)
            yield solution


def _solutions(tree: Tree) -> Iterator[Node]:
    """The leaves whose paths are steps; those that were drawn in one piece only say what they come from is worth."""
    return (
        leaf
        for leaf in tree.leaves()
        if leaf.multiplicity
        and leaf.state is not NodeState.FAILED
        and all(node.text.strip() for node in leaf.lineage())
    )


def _soft(path: Sequence[Node]) -> list[float | None]:
    return [*map(_value, path[:-1]), float(_is_right(path[-1]))]


def _hard(path: Sequence[Node]) -> list[float | None]:
    values = _soft(path)
    labels: list[float | None] = []
    for index, value in enumerate(values):
        if value or any(values[index + 1 :]):
            labels.append(1.0)
        elif 0.0 in values[: index + 1]:
            labels.append(0.0)
        else:
            labels.append(None)
    return labels


def _value(node: Node) -> float | None:
    """The share of a node's rollouts that are right, None where it has none that came to an end."""
    ends = [end for child in node.children[1:] if (end := _end_of(child)) is not None]
    return sum(map(_is_right, ends)) / len(ends) if ends else None


def _end_of(node: Node) -> Node | None:
    """The leaf that a rollout came to: the way of first children. None where it failed, or was never drawn."""
    while node.children:
        node = node.children[0]
    return node if node.state in (NodeState.ANSWERED, NodeState.TRUNCATED) else None


def _is_right(leaf: Node) -> bool:
    return leaf.score >= _RIGHT
