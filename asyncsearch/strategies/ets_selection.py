"""Which nodes ETS retains: pure arithmetic, no I/O, no clock. Needs scipy."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass

__all__ = ["Selection", "cluster_texts", "retain_exactly", "retain_greedily", "trigram_counts", "value_of"]

_CLUSTER_DISTANCE = 0.05
"""Cosine distance up to which texts are alike on average: ETS's ``fcluster`` threshold."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """What is to be chosen from: one entry per candidate.

    ``weights`` are what each is worth, and sum to 1. ``lineages`` are the nodes that are kept if it is kept: itself and
    those above. ``clusters`` number which candidates say the same. ``cost`` and ``diversity`` weigh the share of the
    nodes that are kept, and of the clusters that are covered (lambda_b and lambda_d of the paper; ``lambdac`` and
    ``lambdas`` of ``rebase.py``).
    """

    weights: Sequence[float]
    lineages: Sequence[frozenset[Hashable]]
    clusters: Sequence[int]
    cost: float
    diversity: float


def value_of(selection: Selection, chosen: frozenset[int]) -> float:
    """The paper's objective (arXiv 2502.13575, section 4): what is kept is worth, less its cost, and what it covers."""
    nodes = frozenset[Hashable]().union(*selection.lineages)
    kept = frozenset[Hashable]().union(*(selection.lineages[index] for index in chosen))
    covered = {selection.clusters[index] for index in chosen}
    worth = math.fsum(selection.weights[index] for index in chosen)
    return (
        worth
        - selection.cost * len(kept) / len(nodes)
        + selection.diversity * len(covered) / len(set(selection.clusters))
    )


def retain_exactly(selection: Selection) -> frozenset[int]:
    """The candidates of the greatest value, at least one: an integer program, solved by HiGHS through scipy."""
    import numpy  # noqa: PLC0415 - scipy is no dependency of anything else
    from scipy import optimize  # noqa: PLC0415

    count = len(selection.weights)
    nodes = sorted(frozenset[Hashable]().union(*selection.lineages), key=repr)
    clusters = sorted(set(selection.clusters))
    node_columns = {node: count + index for index, node in enumerate(nodes)}
    cluster_columns = {cluster: count + len(nodes) + index for index, cluster in enumerate(clusters)}
    columns = count + len(nodes) + len(clusters)
    objective = numpy.zeros(columns)
    objective[:count] = [-weight for weight in selection.weights]
    objective[count : count + len(nodes)] = selection.cost / len(nodes)
    objective[count + len(nodes) :] = -selection.diversity / len(clusters)
    rows: list[dict[int, float]] = [dict.fromkeys(range(count), -1.0)]
    bounds = [-1.0]  # at least one is kept
    for index, lineage in enumerate(selection.lineages):
        for node in lineage:  # a candidate is kept with all of its lineage
            rows.append({index: 1.0, node_columns[node]: -1.0})
            bounds.append(0.0)
    for cluster in clusters:  # a cluster is covered by somebody who is kept
        members = [index for index in range(count) if selection.clusters[index] == cluster]
        rows.append({cluster_columns[cluster]: 1.0, **dict.fromkeys(members, -1.0)})
        bounds.append(0.0)
    matrix = numpy.zeros((len(rows), columns))
    for number, row in enumerate(rows):
        for column, factor in row.items():
            matrix[number, column] = factor
    found = optimize.milp(
        objective,
        integrality=numpy.ones(columns),
        bounds=optimize.Bounds(0, 1),
        constraints=optimize.LinearConstraint(matrix, ub=bounds),
        options={"mip_rel_gap": 0.0},
    )
    if found.x is None:
        raise ArithmeticError(f"the integer program was not solved: {found.message}")
    return frozenset(index for index in range(count) if found.x[index] > 0.5)


def retain_greedily(selection: Selection) -> frozenset[int]:
    """Candidates added one by one, each time the one that adds most value, as long as any does; at least one."""
    chosen: frozenset[int] = frozenset()
    value = -math.inf
    while len(chosen) < len(selection.weights):
        left = [index for index in range(len(selection.weights)) if index not in chosen]
        best = max(left, key=lambda index: value_of(selection, chosen | {index}))
        raised = value_of(selection, chosen | {best})
        if raised <= value:
            break
        chosen, value = chosen | {best}, raised
    return chosen


def trigram_counts(texts: Sequence[str]) -> list[list[float]]:
    """A vector for each text: how often each three characters in a row occur in it."""
    counts = [Counter(text[index : index + 3] for index in range(max(len(text) - 2, 1))) for text in texts]
    trigrams = sorted(set().union(*counts))
    return [[float(count[trigram]) for trigram in trigrams] for count in counts]


def cluster_texts(texts: Sequence[str], embed: Callable[[Sequence[str]], Sequence[Sequence[float]]]) -> list[int]:
    """Number the texts so that those that say the same have equal numbers.

    ``embed`` gives a vector for each. Average linkage by cosine distance, as ETS's ``rebase.py`` does.
    """
    distinct = sorted(set(texts))
    numbers = {text: index for index, text in enumerate(distinct)}
    if len(distinct) > 1:
        from scipy.cluster import hierarchy  # noqa: PLC0415 - as above

        tree = hierarchy.linkage(list(embed(distinct)), method="average", metric="cosine")
        found = hierarchy.fcluster(tree, _CLUSTER_DISTANCE, criterion="distance")
        numbers = {text: int(number) for text, number in zip(distinct, found, strict=True)}
    return [numbers[text] for text in texts]
