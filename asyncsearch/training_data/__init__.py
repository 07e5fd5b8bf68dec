"""Solutions to learn from: what published datasets hold, as one kind of record, and without what is tested on."""

from __future__ import annotations

from asyncsearch.training_data.leakage import Leak, Leakage
from asyncsearch.training_data.preparing import Preparation, Prepared, prepare
from asyncsearch.training_data.published import PUBLISHED, PublishedFormat, published_format_named
from asyncsearch.training_data.solution import (
    Dropped,
    TrainingSolution,
    read_training_solution,
    read_training_solutions,
)

__all__ = [
    "PUBLISHED",
    "Dropped",
    "Leak",
    "Leakage",
    "Preparation",
    "Prepared",
    "PublishedFormat",
    "TrainingSolution",
    "prepare",
    "published_format_named",
    "read_training_solution",
    "read_training_solutions",
]
