from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asyncsearch.rewards import REWARD_FORMATS

WORDS = sorted(name for name, format in REWARD_FORMATS.items() if format.tag.strip())


@pytest.mark.parametrize("name", WORDS)
@given(text=st.text(alphabet="ки \na"), first=st.booleans())
def test_a_policy_cannot_write_the_tag_itself(name: str, text: str, first: bool) -> None:
    format = REWARD_FORMATS[name]
    step = format.step(text, first=first)
    assert step.count(format.tag.strip()) == 1
    assert step.endswith(format.tag)


def test_a_tag_of_white_space_may_stand_inside_a_step() -> None:
    format = REWARD_FORMATS["lines"]
    assert format.opening_for("2 + 2?") == "2 + 2?\n"
    assert format.step(" Step 1: 4\nThe answer is: 4", first=True) == "Step 1: 4\nThe answer is: 4\n"
