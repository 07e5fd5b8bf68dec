"""The reference's reward head as a sequence classifier."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from reference_head import reference_scores
from transformers import AutoModelForSequenceClassification, AutoTokenizer

from asyncsearch.errors import ConfigurationError
from asyncsearch.rewards.conversion import convert_reward_head

TEXTS = ["A bakery has 250 rolls. Step 1: 250 - 31 = 219 ки", "Step 1: 1 ки\nStep 2: 2 ки", " ки"]


def test_the_classifier_scores_as_the_reference_does(two_row_head: Path, tmp_path: Path) -> None:
    target = tmp_path / "converted"
    convert_reward_head(two_row_head, target)
    model = AutoModelForSequenceClassification.from_pretrained(target)
    tokenizer = AutoTokenizer.from_pretrained(target)
    assert model.config.num_labels == 1
    for text in TEXTS:
        tokens = tokenizer(text, return_tensors="pt")["input_ids"]
        with torch.inference_mode():
            score = model(tokens).logits.sigmoid()
        assert torch.allclose(score[0, 0], reference_scores(two_row_head, tokens)[0, -1], atol=1e-6)


def test_a_model_in_several_files_is_converted_file_by_file(two_row_head: Path, tmp_path: Path) -> None:
    from transformers import LlamaForCausalLM

    model = LlamaForCausalLM.from_pretrained(two_row_head, ignore_mismatched_sizes=True)
    model.lm_head = torch.nn.Linear(64, 2, bias=False)
    sharded = tmp_path / "sharded"
    model.save_pretrained(sharded, max_shard_size="100KB")
    assert len(list(sharded.glob("*.safetensors"))) > 1
    convert_reward_head(sharded, tmp_path / "converted")
    converted = AutoModelForSequenceClassification.from_pretrained(tmp_path / "converted")
    assert torch.allclose(converted.score.weight[0], model.lm_head.weight.mean(dim=0), atol=1e-7)
    assert torch.equal(converted.model.embed_tokens.weight, model.model.embed_tokens.weight)


def test_what_is_not_the_references_is_refused(policy_directory: Path, two_row_head: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="has two rows, this one has"):
        convert_reward_head(policy_directory, tmp_path / "a")
    with pytest.raises(ConfigurationError, match="cannot be read: No such file"):
        convert_reward_head(tmp_path / "nowhere", tmp_path / "a")
    convert_reward_head(two_row_head, tmp_path / "a")
    with pytest.raises(ConfigurationError, match="exists already"):
        convert_reward_head(two_row_head, tmp_path / "a")
    with pytest.raises(ConfigurationError, match="a causal language model is converted, not LlamaForSequence"):
        convert_reward_head(tmp_path / "a", tmp_path / "b")
