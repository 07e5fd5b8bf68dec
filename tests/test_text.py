"""Between text and tokens."""

from __future__ import annotations

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st
from transformers import AutoTokenizer

from asyncsearch.datasets.arithmetic import bundled_model
from runtimes.base import Prefix
from runtimes.text import TextCodec

TOKENIZER = AutoTokenizer.from_pretrained(bundled_model("policy"))
SPECIAL = st.sampled_from([*TOKENIZER.all_special_tokens, "Step 2:", "\n"])


@given(text=st.lists(st.one_of(st.text(), SPECIAL)).map("".join))
def test_a_text_is_encoded_as_the_tokenizer_would(text: str) -> None:
    """Though not by it: what it does anew for each text takes longer than to encode one."""
    codec = TextCodec(TOKENIZER)
    anchored = tuple(TOKENIZER.encode("\n" + text, add_special_tokens=False, split_special_tokens=True))
    assert (*codec.encode_continuation("\n"), *codec.encode_continuation(text)) == anchored
    assert codec.encode_opening(text) == tuple(TOKENIZER.encode(text, split_special_tokens=True))


def test_what_a_problem_spells_out_is_no_special_token(policy_directory: Path) -> None:
    tokenizer = AutoTokenizer.from_pretrained(policy_directory)
    codec = TextCodec(tokenizer)
    end = str(tokenizer.eos_token)
    for plain in (Prefix(f"A {end} b"), Prefix("x").extend(f"A {end} b")):
        assert tokenizer.eos_token_id not in codec.encode_segment(plain)
        assert codec.decode(codec.encode_segment(plain)) == f"A {end} b"
    assert tokenizer.eos_token_id in codec.encode_segment(Prefix(f"A {end} b", markup=True))


@given(tokens=st.lists(st.integers(0, len(TOKENIZER) - 1)))
def test_tokens_are_decoded_as_the_tokenizer_would(tokens: list[int]) -> None:
    anchored = [*TOKENIZER.encode("\n", add_special_tokens=False), *tokens]
    decoded = str(TOKENIZER.decode(anchored, skip_special_tokens=True))
    assert TextCodec(TOKENIZER).decode(tokens) == decoded.removeprefix("\n")


@given(text=st.text(), stop=SPECIAL, tokens=st.lists(st.integers(0, len(TOKENIZER) - 1)), data=st.data())
def test_a_text_that_is_cut_keeps_its_tokens(text: str, stop: str, tokens: list[int], data: st.DataObject) -> None:
    """Both where the tokens are what the text is encoded to and where a policy has written others."""
    codec = TextCodec(TOKENIZER)
    written = codec.encode_continuation(text)
    kept = codec.cut((*written, *codec.encode_continuation(stop)), codec.decode(written))
    assert codec.decode(kept) == codec.decode(written)
    whole = codec.decode(tokens)
    beginning = whole[: data.draw(st.integers(0, len(whole)))]
    assert codec.decode(codec.cut(tokens, beginning)) == codec.decode(codec.encode_continuation(beginning))
