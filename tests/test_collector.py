"""The garbage collector is spared while a run goes on, and then what it was before."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import suppress

import pytest

from asyncsearch.collector import collector_spared


@pytest.fixture(autouse=True)
def as_it_was() -> Iterator[None]:
    threshold = gc.get_threshold()
    yield
    gc.enable()
    gc.unfreeze()
    gc.set_threshold(*threshold)


def test_it_is_spared_and_then_as_before() -> None:
    gc.set_threshold(700, 11, 12)
    with suppress(KeyboardInterrupt), collector_spared():
        assert gc.get_threshold() == (20_000, 11, 12)
        assert gc.get_freeze_count() > 0
        raise KeyboardInterrupt
    assert gc.get_threshold() == (700, 11, 12)
    assert gc.get_freeze_count() == 0


def test_one_that_is_called_even_less_often_or_never_stays_so() -> None:
    for often in (50_000, 0):
        gc.set_threshold(often, 11, 12)
        with collector_spared():
            assert gc.get_threshold() == (often, 11, 12)


def test_what_somebody_else_has_frozen_stays_frozen() -> None:
    gc.freeze()
    frozen = gc.get_freeze_count()
    with collector_spared():
        assert gc.get_freeze_count() == frozen
    assert gc.get_freeze_count() == frozen


def test_one_that_is_told_to_stay_away_does() -> None:
    gc.disable()
    before = gc.get_threshold()
    with collector_spared():
        assert not gc.isenabled()
        assert gc.get_threshold() == before
    assert not gc.isenabled()
