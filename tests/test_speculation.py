"""Which nodes are begun before anybody asks for them, on growths that end when they are told to."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import cast

from asyncsearch.growth import Growth
from asyncsearch.speculation import Speculation
from asyncsearch.tree import Node, NodeState
from runtimes.base import Prefix


class Scripted:
    """As much of a growth as a speculation knows of."""

    def __init__(self, parent: Node | None, draw: int) -> None:
        pending = NodeState.PENDING
        self.node = Node(parent=parent, draw=draw, state=pending, depth=0, prefix=Prefix(""), reward_prefix=None)
        self.ended = False
        self.withdrawn = False
        self._on_end: Callable[[Growth], None] | None = None

    def when_ended(self, tell: Callable[[Growth], None]) -> None:
        self._on_end = tell

    def begin(self) -> None:
        pass

    def want(self) -> None:
        pass

    def withdraw(self) -> None:
        self.withdrawn = True

    def end(self) -> None:
        self.ended = True
        self.node.state = NodeState.OPEN
        if self._on_end is not None:
            self._on_end(cast("Growth", self))


def test_what_is_kept_of_an_expansion_goes_on_after_it() -> None:
    begun: list[Scripted] = []

    def begin(parent: Node, draw: int) -> Growth:
        begun.append(Scripted(parent, draw))
        return cast("Growth", begun[-1])

    def one_each(settled: Sequence[Node], growing: Sequence[Node]) -> list[int]:
        return [1] * len(settled)

    root = Scripted(None, 0)
    level = [Scripted(root.node, draw) for draw in range(3)]
    speculation = Speculation(one_each, begin, ahead=2)
    speculation.expand([cast("Growth", one) for one in level])
    for one in level[:2]:
        one.end()
        speculation.note_settled(one.node)
    children = list(begun)
    assert [child.node.parent for child in children] == [one.node for one in level[:2]]

    children[0].end()
    children[1].end()
    grandchildren = begun[2:]
    assert [child.node.parent for child in grandchildren] == [child.node for child in children]

    assert speculation.take(level[0].node, 0) is children[0].node
    straggler = Scripted(level[2].node, 0)
    given_up = speculation.expand([cast("Growth", children[0]), cast("Growth", straggler)])
    assert given_up == [children[1].node, grandchildren[1].node]
    assert [one.withdrawn for one in grandchildren] == [False, True]

    grandchildren[0].end()
    assert [child.node.parent for child in begun[4:]] == [grandchildren[0].node]
