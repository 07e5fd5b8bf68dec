"""What a model is trained on: sequences as a search will have them, in rows in which none sees another."""

from __future__ import annotations

from collections import Counter
from itertools import combinations
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from transformers import AutoTokenizer, LlamaConfig, LlamaForCausalLM

from asyncsearch.datasets.arithmetic import bundled_model
from asyncsearch.errors import ConfigurationError
from asyncsearch.finetune.batches import Batches, RowDataset
from asyncsearch.finetune.heads import HEADS, attach_head, head_for, logits_of, require_single_tokens
from asyncsearch.finetune.rows import arrange
from asyncsearch.finetune.sequences import (
    IGNORED,
    UNLABELLED,
    TrainingSequence,
    encode_all,
    policy_encoder,
    reward_encoder,
)
from asyncsearch.format import FORMATS
from asyncsearch.rewards import REWARD_FORMATS
from asyncsearch.training_data import TrainingSolution
from runtimes.text import TextCodec
from runtimes.tokens import PrefixTokens

TOKENIZER = AutoTokenizer.from_pretrained(bundled_model("policy"))
CODEC = TextCodec(TOKENIZER)
SOLUTION = TrainingSolution(
    problem="What is 1 + 1 + 2?",
    steps=("Step 1: 1 + 1 = 2", "Step 2: 2 + 2 = 4", "Step 3: 4 + 0 = 4\nThe answer is: 4"),
    labels=(1.0, None, 0.0),
)


# Rows

LENGTHS = st.lists(st.integers(1, 50), min_size=1, max_size=60)


@given(LENGTHS, st.integers(1, 8), st.integers(1, 3), st.booleans(), st.integers(0, 5))
def test_every_epoch_has_every_sequence_once(
    lengths: list[int], batch_size: int, epochs: int, packed: bool, seed: int
) -> None:
    rows = arrange(lengths, batch_size=batch_size, seed=seed, longest=50 if packed else None, epochs=epochs)
    assert Counter(index for row in rows for index in row) == dict.fromkeys(range(len(lengths)), epochs)


@given(LENGTHS, st.integers(0, 5))
def test_packed_rows_are_full(lengths: list[int], seed: int) -> None:
    rows = arrange(lengths, batch_size=4, seed=seed, longest=50, epochs=1)
    totals = [sum(lengths[index] for index in row) for row in rows]
    assert max(totals) <= 50
    assert all(one + other > 50 for one, other in combinations(totals, 2)), "two rows would have been one"


@given(LENGTHS, st.integers(1, 8), st.integers(1, 20), st.booleans())
def test_so_many_steps_are_so_many_batches(lengths: list[int], batch_size: int, steps: int, packed: bool) -> None:
    rows = arrange(lengths, batch_size=batch_size, seed=0, longest=50 if packed else None, steps=steps)
    assert len(rows) == steps * batch_size


@given(LENGTHS)
def test_part_of_an_epoch_is_the_beginning_of_it(lengths: list[int]) -> None:
    whole = arrange(lengths, batch_size=2, seed=3, epochs=2)
    part = arrange(lengths, batch_size=2, seed=3, epochs=1.5)
    assert part == whole[: len(part)]
    assert len(lengths) < len(part) <= 2 * len(lengths)


def test_each_epoch_has_an_order_of_its_own_and_each_seed_too() -> None:
    rows = arrange([3] * 40, batch_size=4, seed=0, epochs=2)
    assert rows[:40] != rows[40:]
    assert rows == arrange([3] * 40, batch_size=4, seed=0, epochs=2)
    assert rows != arrange([3] * 40, batch_size=4, seed=1, epochs=2)


def test_a_batch_has_sequences_of_about_equal_length() -> None:
    lengths = [*range(1, 401)]
    rows = arrange(lengths, batch_size=8, seed=0, epochs=1)
    batches = [[lengths[index] for (index,) in rows[at : at + 8]] for at in range(0, 400, 8)]
    assert all(max(batch) - min(batch) < 16 for batch in batches)
    assert [batch[0] for batch in batches] != sorted(batch[0] for batch in batches), "but not from short to long"


# Batches


def sequence(*tokens: int) -> TrainingSequence:
    return TrainingSequence(np.array(tokens, np.int32), np.array(tokens, np.int32))


SEQUENCES = [sequence(5, 6, 7, 8), sequence(9, 10, 11), sequence(12, 13)]


@pytest.fixture(scope="module")
def model() -> LlamaForCausalLM:
    torch.manual_seed(0)
    shape: dict[str, Any] = {
        "hidden_size": 32,
        "intermediate_size": 32,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "vocab_size": 64,
        "initializer_range": 0.5,
        "tie_word_embeddings": False,
    }
    found = LlamaForCausalLM(LlamaConfig(use_cache=False, **shape))  # with a cache, transformers lets all see all
    torch.nn.Module.to(found, torch.float64)
    found.eval()
    return found


@pytest.mark.parametrize("attention", ["sdpa", "eager"])
@pytest.mark.parametrize("flat", [False, True])
@pytest.mark.parametrize("rows", [[(0, 1), (2,)], [(0, 1, 2)], [(2, 0), (1,)]])
def test_no_sequence_sees_another(
    rows: list[tuple[int, ...]], flat: bool, attention: str, model: LlamaForCausalLM
) -> None:
    model.set_attn_implementation(attention)
    dataset = RowDataset(SEQUENCES, rows)
    batch = Batches(0, flat=flat)([dataset[index] for index in range(len(rows))])
    with torch.inference_mode():
        logits = model(input_ids=batch["input_ids"], position_ids=batch.get("position_ids")).logits
        width = batch["input_ids"].shape[1]
        begin = 0
        for number, row in enumerate(rows):
            begin = begin if flat else number * width
            for index in row:
                tokens = torch.from_numpy(SEQUENCES[index].tokens)[None].long()
                alone = model(input_ids=tokens).logits[0]
                found = logits.reshape(-1, logits.shape[-1])[begin : begin + len(alone)]
                assert torch.allclose(found, alone, atol=1e-9)
                begin += len(alone)


def test_padding_and_first_tokens_are_not_learned() -> None:
    dataset = RowDataset(SEQUENCES, [(0, 1), (2,)])
    labels = Batches(0)([dataset[0], dataset[1]])["labels"]
    assert labels.shape == (2, 16)
    assert labels[0, :8].tolist() == [5, 6, 7, 8, IGNORED, 10, 11, IGNORED]
    assert labels[1, :3].tolist() == [12, 13, IGNORED]
    assert (labels[:, 8:] == IGNORED).all()


# Sequences


def spelled(tokens: Any) -> str:
    return str(TOKENIZER.decode(tokens))


def test_a_policy_learns_the_solution_and_its_end() -> None:
    encoded = policy_encoder(CODEC, FORMATS["steps"], end_token=TOKENIZER.eos_token_id)(SOLUTION)
    learned = encoded.targets[encoded.targets != IGNORED]
    assert spelled(encoded.tokens[: -len(learned)]) == "What is 1 + 1 + 2?\n"
    assert spelled(learned[:-1]) == "\n".join(SOLUTION.steps)
    assert learned[-1] == TOKENIZER.eos_token_id
    assert encoded.tokens[-len(learned) :].tolist() == learned.tolist()


def test_steps_are_put_together_as_the_format_separates_them() -> None:
    boxed = FORMATS["boxed"]
    solution = TrainingSolution(problem="P", steps=("one", "two\n\n", "three"))
    encoded = policy_encoder(CODEC, FORMATS["steps"], end_token=0)(solution)
    assert spelled(encoded.tokens[:-1]) == "P\none\ntwo\n\nthree"
    text = spelled(policy_encoder(CODEC, boxed, end_token=0)(solution).tokens[:-1])
    assert text == "Pone\n\ntwo\n\nthree"


@pytest.mark.parametrize("name", ["lines", "reference-head", "classifier", "math-shepherd", "qwen2.5-math-prm"])
def test_a_reward_model_is_trained_on_what_it_will_read(name: str) -> None:
    format = REWARD_FORMATS[name]
    encoded = reward_encoder(CODEC, format, last_only=False, unlabelled=UNLABELLED)(SOLUTION)
    prefix = format.opening_for(SOLUTION.problem)
    targets = {}
    for index, step in enumerate(SOLUTION.steps):
        prefix = format.extend(prefix, step, first=index == 0)
        read = PrefixTokens(CODEC).of(prefix)
        assert encoded.tokens[: len(read)].tolist() == read
        targets[len(read) - 1] = [1.0, UNLABELLED, 0.0][index]
    assert len(encoded) == len(read)
    assert {place: value for place, value in enumerate(encoded.targets) if value != IGNORED} == targets


def test_unlabelled_steps_are_read_and_not_learned() -> None:
    encoded = reward_encoder(CODEC, REWARD_FORMATS["lines"], last_only=False)(SOLUTION)
    assert encoded.targets[encoded.targets != IGNORED].tolist() == [1.0, 0.0]


def test_an_outcome_reward_model_learns_the_last_step_alone() -> None:
    encoded = reward_encoder(CODEC, REWARD_FORMATS["lines"], last_only=True)(SOLUTION)
    assert encoded.targets[-1] == 0.0
    assert (encoded.targets[:-1] == IGNORED).all()


def test_what_is_left_out_is_counted() -> None:
    encode = reward_encoder(CODEC, REWARD_FORMATS["lines"], last_only=False)
    short = TrainingSolution(problem="P", steps=("a",), labels=(1.0,))
    nothing = TrainingSolution(problem="P", steps=("a",), labels=(None,))
    found = encode_all([SOLUTION, short, nothing], encode, max_length=20)
    assert (len(found.sequences), found.too_long, found.unlabelled) == (1, 1, 1)
    assert found.longest == len(encode(SOLUTION))
    with pytest.raises(ConfigurationError, match=r"2 solutions are longer than max_length, 3 tokens \(the longest has"):
        encode_all([SOLUTION, nothing], encode, max_length=3)


# Heads


@pytest.mark.parametrize(
    ("format", "name", "head"),
    [
        ("lines", "auto", "token-labels"),
        ("math-shepherd", "auto", "token-labels"),
        ("reference-head", "auto", "two-rows"),
        ("reference-head", "one-row", "one-row"),
        ("classifier", "auto", "one-row"),
    ],
)
def test_a_format_reads_a_head(format: str, name: str, head: str) -> None:
    assert head_for(name, REWARD_FORMATS[format]).name == head


@pytest.mark.parametrize(
    ("format", "name", "said"),
    [
        ("lines", "two-rows", "does not read the head 'two-rows'; it reads token-labels"),
        ("classifier", "token-labels", "it reads two-rows, one-row"),
        ("qwen2.5-math-prm", "auto", "reads one of several labels"),
    ],
)
def test_other_heads_are_refused(format: str, name: str, said: str) -> None:
    with pytest.raises(ConfigurationError, match=said):
        head_for(name, REWARD_FORMATS[format])


def test_new_rows_begin_at_a_half_and_labels_where_they_are() -> None:
    for format in ("classifier", "reference-head", "lines"):
        model = LlamaForCausalLM.from_pretrained(bundled_model("policy"), dtype=torch.float32)
        tokens = torch.tensor([TOKENIZER.encode("What is 1?\nStep 1: 1 + 1 = 2\n")])
        with torch.inference_mode():
            before = model(tokens).logits
        head = head_for("auto", REWARD_FORMATS[format])
        kept = attach_head(model, head, REWARD_FORMATS[format], CODEC)
        with torch.inference_mode():
            logits = logits_of(model(tokens).logits, head)
        if format == "lines":
            good, bad = CODEC.label("+"), CODEC.label("-")
            assert torch.allclose(logits, before[..., good] - before[..., bad], atol=1e-4)
            assert kept is not None
        else:
            assert (logits == 0).all()
            assert kept is None


@given(st.lists(st.floats(-5, 5), min_size=2, max_size=2))
def test_logits_are_what_is_read(rows: list[float]) -> None:
    outputs = torch.tensor(rows)
    score = logits_of(outputs, HEADS["two-rows"]).sigmoid()
    assert torch.allclose(score, outputs.mean().sigmoid())
    score = logits_of(outputs, HEADS["token-labels"]).sigmoid()
    assert torch.allclose(score, outputs.softmax(dim=-1)[0])
    assert torch.allclose(logits_of(outputs[:1], HEADS["one-row"]), outputs[0])


def test_a_tag_that_is_split_is_refused() -> None:
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    from asyncsearch.finetune.tokenizer import train_tokenizer

    bytes_only = Tokenizer(
        models.BPE(vocab={one: n for n, one in enumerate(pre_tokenizers.ByteLevel.alphabet())}, merges=[])
    )
    bytes_only.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    bytes_only.decoder = decoders.ByteLevel()
    codec = TextCodec(PreTrainedTokenizerFast(tokenizer_object=bytes_only))
    with pytest.raises(ConfigurationError, match=r"the tokenizer of M splits the step tag ' ки' .* into 5 tokens"):
        require_single_tokens(codec, REWARD_FORMATS["math-shepherd"], model="M")
    require_single_tokens(codec, REWARD_FORMATS["lines"], model="M")
    small = train_tokenizer(["one"], vocabulary_size=300, context_length=64)
    require_single_tokens(TextCodec(small), REWARD_FORMATS["math-shepherd"], model="M")
