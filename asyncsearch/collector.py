"""Less work for the garbage collector, which would take a third of a run's time."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["collector_spared"]

_ALLOCATIONS = 20_000
"""Between two looks at what is young; Python's own number is 700 or 2,000."""


@contextmanager
def collector_spared() -> Iterator[None]:
    """While the block runs, the garbage collector passes over what was there before, and looks less often at the rest.

    What was there is above all the modules of what loads the models, some hundred thousand objects that it goes
    through again and again although they stay. The rest is trees, which are freed without it (see `Tree.fell`). Where
    somebody else has frozen objects, or told the collector to stay away, that stays as it is.
    """
    if gc.get_freeze_count() or not gc.isenabled():
        yield
        return
    often, *later = gc.get_threshold()
    gc.freeze()
    gc.set_threshold(often and max(often, _ALLOCATIONS), *later)  # 0 is never
    try:
        yield
    finally:
        gc.set_threshold(often, *later)
        gc.unfreeze()
