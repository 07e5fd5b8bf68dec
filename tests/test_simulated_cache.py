"""The room for keys and values of the simulated server."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from runtimes.base import Prefix
from runtimes.simulated.cache import PrefixCache
from runtimes.simulated.world import tokens_in

CAPACITY = 40


@given(data=st.data())
def test_what_is_in_use_is_held_and_fits_unless_it_is_alone(data: st.DataObject) -> None:
    """Whether sequences are decoded or only read, and whatever was refused in between."""
    cache = PrefixCache(CAPACITY)
    roots = [Prefix(f"{number} ".ljust(24, ".")) for number in range(3)]
    prefixes = [*roots, *(root.extend("a" * 20) for root in roots), *(root.extend("b" * 60) for root in roots)]
    using: list[tuple[Prefix, int]] = []
    for _ in range(data.draw(st.integers(1, 20))):
        if data.draw(st.booleans()) and using:
            prefix, generated = using.pop(data.draw(st.integers(0, len(using) - 1)))
            cache.release(prefix, generated, None)
        else:
            prefix, generated = data.draw(st.sampled_from(prefixes)), data.draw(st.integers(0, 20))
            if cache.hold(prefix, generated):
                using.append((prefix, generated))
            else:
                assert using, "it would never be taken in"
        segments = {segment for prefix, _ in using for segment in prefix.segments()}
        room = sum(map(tokens_in, segments)) + sum(generated for _, generated in using)
        assert room <= CAPACITY or len(using) == 1
        for prefix, _ in using:
            total, cached = cache.count(prefix)
            assert cached == total - 1


def test_what_is_remembered_where_there_is_no_room_takes_none() -> None:
    cache = PrefixCache(CAPACITY)
    used, other = Prefix("x" * 80), Prefix("y" * 120)
    assert cache.hold(used, 10)
    cache.remember(other)
    cache.release(used, 10, None)
    assert cache.hold(other, 5), "nobody is in its way"
    assert not cache.hold(used, 10)
