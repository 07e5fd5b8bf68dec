"""Strategies that other packages bring, as an installed distribution registers them."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

MODULE = '''
from dataclasses import dataclass
import re
from asyncsearch import Sampling, SearchContext, Strategy
from asyncsearch.pieces import words
from asyncsearch.rewards.format import RewardFormat
from runtimes.base import TokenLabels

PLAIN = RewardFormat(
    name="plain-prm",
    opening=(words("{problem}"),),
    tag=(words("*"),),
    readout=TokenLabels(good="y", bad="n"),
    model_name=re.compile("plain"),
)

@dataclass(frozen=True, slots=True, kw_only=True)
class Stubborn(Strategy):
    """Ask once more."""
    name = "stubborn"
    source = "a test"
    patience: int = 3

    async def search(self, tree: SearchContext) -> None:
        await tree.expand([tree.root], [1], whole_solutions=True)

@dataclass(frozen=True, slots=True, kw_only=True)
class Nameless(Strategy):
    """Who am I?"""
    confidence: float = 0.3

    async def search(self, tree: SearchContext) -> None:
        await tree.expand([tree.root], [1], whole_solutions=True)

class Confident(Nameless):
    name = "confident"
    source = "a test"

class OldSchool(Sampling):
    """Sample as ever."""
    name = "old_school"
    source = "a test"
'''


@pytest.fixture
def installed(tmp_path: Path) -> dict[str, str]:
    """The environment in which a distribution with a working and a broken strategy is installed."""
    (tmp_path / "stubborn.py").write_text(MODULE)
    (tmp_path / "angry.py").write_text("raise RuntimeError('not today')")
    information = tmp_path / "stubborn-1.0.dist-info"
    information.mkdir()
    (information / "METADATA").write_text("Metadata-Version: 2.1\nName: stubborn\nVersion: 1.0\n")
    (information / "entry_points.txt").write_text(
        "[asyncsearch.strategies]\n"
        "stubborn = stubborn:Stubborn\n"
        "old_school = stubborn:OldSchool\n"
        "renamed = stubborn:Stubborn\n"
        "confident = stubborn:Confident\n"
        "tot = stubborn:Confident\n"
        "nameless = stubborn:Nameless\n"
        "angry = angry:Angry\n"
        "broken = nowhere_to_be_found:Broken\n"
        "[asyncsearch.reward_formats]\n"
        "an-angry-prm = angry:PRM\n"
        "plain-prm = stubborn:PLAIN\n"
    )
    return {**os.environ, "PYTHONPATH": str(tmp_path)}


def run(environment: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "asyncsearch", *arguments], capture_output=True, text=True, env=environment, check=False
    )


def test_a_package_adds_a_strategy_and_a_broken_one_harms_no_other(installed: dict[str, str]) -> None:
    listed = run(installed, "strategies")
    assert "patience" in listed.stdout
    assert "softmax_temperature" in listed.stdout
    assert "strategy 'broken' cannot be loaded" in listed.stderr
    assert "strategy 'angry' cannot be loaded: not today" in listed.stderr
    assert "strategy 'nameless': its class has no name" in listed.stderr
    assert "strategy 'renamed': what is registered calls itself 'stubborn'" in listed.stderr
    assert listed.returncode == 1


def test_what_cannot_be_told_apart_is_refused(installed: dict[str, str]) -> None:
    """Two packages' strategies of one name, and a parameter that both a wrapper and what is inside have."""
    for name, message in (
        ("tot", "strategy 'tot' is registered by asyncsearch and stubborn"),
        ("early-stop:confident", "early-stop:confident: both have a parameter 'confidence'"),
    ):
        refused = run(installed, "solve", "arithmetic", "--strategy", name)
        assert refused.returncode == 2
        assert message in refused.stderr


def test_its_parameters_are_known_in_a_configuration_file(installed: dict[str, str], tmp_path: Path) -> None:
    config = tmp_path / "config.yaml"
    config.write_text("strategy: stubborn\npatience: 2\npatients: 2\n")
    refused = run(installed, "solve", "arithmetic", "--config", str(config))
    assert refused.returncode == 2
    assert "did you mean 'patience'" in refused.stderr


def test_a_name_may_have_an_underscore(installed: dict[str, str]) -> None:
    code = "from asyncsearch import make_strategy; print(make_strategy('early_stop:old_school', {}).full_name)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=installed, check=True)
    assert done.stdout.strip() == "early-stop:old_school"


def test_a_package_adds_a_reward_format(installed: dict[str, str]) -> None:
    """By its name, and by that of a model that it recognises."""
    code = (
        "from dataclasses import replace\n"
        "from asyncsearch.rewards import recognise_reward_format\n"
        "from runtimes.base import Capabilities\n"
        "model = Capabilities(model='my-plain-model', honours_seeds=True, aborts=True, largest_batch=1)\n"
        "for name in ('auto', 'plain-prm'):\n"
        "    print(recognise_reward_format(name, model).name)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=installed, check=True)
    assert done.stdout.split() == ["plain-prm", "plain-prm"]
