"""Datasets that Hugging Face's library fetches by name."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from asyncsearch.datasets.files import Record
from asyncsearch.errors import DatasetError

__all__ = ["HUB_DATASETS", "HUB_PREFIX", "HubDataset", "hub_dataset_named", "read_hub_dataset"]

HUB_PREFIX = "hf:"


@dataclass(frozen=True, slots=True, kw_only=True)
class HubDataset:
    """A split of a dataset on the hub, or in a local copy of it: of each of its ``configs``, one after the other."""

    path: str
    configs: tuple[str | None, ...] = (None,)
    split: str = "test"


HUB_DATASETS: Mapping[str, HubDataset] = MappingProxyType(
    {
        "gsm8k": HubDataset(path="openai/gsm8k", configs=("main",)),
        "math500": HubDataset(path="HuggingFaceH4/MATH-500"),
        "math": HubDataset(
            path="EleutherAI/hendrycks_math",
            configs=(
                "algebra",
                "counting_and_probability",
                "geometry",
                "intermediate_algebra",
                "number_theory",
                "prealgebra",
                "precalculus",
            ),
        ),
        "aime24": HubDataset(path="HuggingFaceH4/aime_2024", split="train"),
        "aime25": HubDataset(path="math-ai/aime25"),
    }
)
"""The test problems that everybody reports, by name."""


def hub_dataset_named(name: str) -> HubDataset:
    """One of `HUB_DATASETS`, or what ``hf:OWNER/NAME[:CONFIG][@SPLIT]`` says.

    Raises:
        DatasetError: it says nothing.
    """
    if name in HUB_DATASETS:
        return HUB_DATASETS[name]
    rest, _, split = name.removeprefix(HUB_PREFIX).partition("@")
    path, _, config = rest.partition(":")
    if not path:
        raise DatasetError(f"{name!r} names no dataset; write {HUB_PREFIX}OWNER/NAME, or with :CONFIG and @SPLIT")
    return HubDataset(path=path, configs=(config or None,), split=split or "test")


def read_hub_dataset(dataset: HubDataset, *, called: str) -> Iterator[Record]:
    """The records of a dataset, fetched if they are not in the cache; no code that comes with it is run.

    Raises:
        DatasetError: the library is not installed, or cannot get it.
    """
    try:
        from datasets import load_dataset  # noqa: PLC0415 - an extra
    except ImportError as error:
        raise DatasetError(
            f"{called}: datasets by name need the extra 'datasets': pip install 'asyncsearch[datasets]' ({error}); or "
            "give the path of a file"
        ) from None
    number = 0
    for config in dataset.configs:
        try:
            rows = load_dataset(dataset.path, config, split=dataset.split)
        except Exception as error:  # whatever a library of this size and the network raise
            reason = " ".join(str(error).split()) or type(error).__name__
            raise DatasetError(
                f"{called}: Hugging Face datasets cannot get {dataset.path}: {reason}; where the network does not "
                "allow it, give the path of a file that holds the problems"
            ) from error
        for row in rows:
            number += 1
            yield Record(name=str(number), where=f"{called}, record {number}", content=dict(row))
