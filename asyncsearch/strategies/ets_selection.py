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
    from scipy import optimize, sparse  # noqa: PLC0415

    count = len(selection.weights)
    columns: dict[tuple[str, Hashable], int] = {("candidate", index): index for index in range(count)}
    rows: list[dict[int, float]] = [dict.fromkeys(range(count), -1.0)]
    bounds = [-1.0]  # at least one is kept
    for index, lineage in enumerate(selection.lineages):
        for node in lineage:  # a candidate is kept with all of its lineage
            rows.append({index: 1.0, columns.setdefault(("node", node), len(columns)): -1.0})
            bounds.append(0.0)
    members: dict[int, list[int]] = {}
    for index, cluster in enumerate(selection.clusters):
        members.setdefault(cluster, []).append(index)
    for cluster, found_in in members.items():  # a cluster is covered by somebody who is kept
        rows.append({columns.setdefault(("cluster", cluster), len(columns)): 1.0, **dict.fromkeys(found_in, -1.0)})
        bounds.append(0.0)
    nodes = len(columns) - count - len(members)
    worth = {"node": -selection.cost / nodes, "cluster": selection.diversity / len(members)}
    objective = [
        -selection.weights[column] if kind == "candidate" else -worth[kind] for (kind, _), column in columns.items()
    ]
    entries = [(number, column, factor) for number, row in enumerate(rows) for column, factor in row.items()]
    numbers, places, factors = zip(*entries, strict=True)
    found = optimize.milp(
        objective,
        integrality=numpy.ones(len(columns)),
        bounds=optimize.Bounds(0, 1),
        constraints=optimize.LinearConstraint(
            sparse.csr_array((factors, (numbers, places)), shape=(len(rows), len(columns))), ub=bounds
        ),
        options={"mip_rel_gap": 0.0},
    )
    if found.x is None:
        raise ArithmeticError(f"the integer program was not solved: {found.message}")
    return frozenset(index for index in range(count) if found.x[index] > 0.5)


def retain_greedily(selection: Selection) -> frozenset[int]:
    """Candidates added one by one, each time the one that adds most value, as long as any does; at least one."""
    missing = list(map(len, selection.lineages))  # nodes that a candidate would add
    below: dict[Hashable, list[int]] = {}
    for index, lineage in enumerate(selection.lineages):
        for node in lineage:
            below.setdefault(node, []).append(index)
    node_cost = selection.cost / len(below)
    cluster_worth = selection.diversity / len(set(selection.clusters))
    covered: set[int] = set()

    def gain(index: int) -> float:
        new_cluster = selection.clusters[index] not in covered
        return selection.weights[index] - node_cost * missing[index] + cluster_worth * new_cluster

    left = dict.fromkeys(range(len(selection.weights)))
    chosen: list[int] = []
    while left:
        best = max(left, key=gain)
        if chosen and gain(best) <= 0:
            break
        chosen.append(best)
        del left[best]
        covered.add(selection.clusters[best])
        for node in selection.lineages[best]:
            for index in below.pop(node, ()):
                missing[index] -= 1
    return frozenset(chosen)


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
