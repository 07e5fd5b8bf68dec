"""Names that tell paths apart."""

from __future__ import annotations

from pathlib import PurePosixPath

from hypothesis import given
from hypothesis import strategies as st

from asyncsearch.distinct_names import distinct_names

paths = st.lists(st.lists(st.sampled_from("abc"), min_size=1, max_size=4).map(lambda parts: PurePosixPath("/", *parts)))


@given(paths)
def test_different_paths_have_different_names_that_they_end_in(some: list[PurePosixPath]) -> None:
    names = distinct_names(some)
    assert len(set(names)) == len(set(some))
    assert all(str(path).endswith(name) for path, name in zip(some, names, strict=True))


def test_names_are_as_short_as_they_can_be() -> None:
    assert distinct_names([PurePosixPath("/a/x"), PurePosixPath("/b/y")]) == ["x", "y"]
    assert distinct_names([PurePosixPath("/a/x"), PurePosixPath("/b/x"), PurePosixPath("/a/x")]) == [
        "a/x",
        "b/x",
        "a/x",
    ]
    assert distinct_names([]) == []
