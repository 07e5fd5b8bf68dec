from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import settings

from asyncsearch.datasets.arithmetic import bundled_model

# Shared machines stall: a deadline would measure them and not the code.
settings.register_profile("default", deadline=None, max_examples=100)
settings.load_profile("default")


@pytest.fixture(scope="session")
def policy_directory() -> Path:
    return bundled_model("policy")


@pytest.fixture(scope="session")
def reward_directory() -> Path:
    return bundled_model("reward")


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"
