from __future__ import annotations

from pathlib import Path

import pytest
import torch
from hypothesis import settings
from transformers import AutoTokenizer, LlamaConfig, LlamaForCausalLM

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
def two_row_head(tmp_path: Path, reward_directory: Path) -> Path:
    """A model like the REBASE reference's reward model: the vocabulary in the embedding, two rows in the head."""
    torch.manual_seed(0)
    tokenizer = AutoTokenizer.from_pretrained(reward_directory)
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=64,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=1,
        head_dim=64,
        max_position_embeddings=256,
        tie_word_embeddings=False,
    )
    model = LlamaForCausalLM(config)
    model.lm_head = torch.nn.Linear(64, 2, bias=False)
    directory = tmp_path / "two-row-head"
    model.save_pretrained(directory)
    tokenizer.save_pretrained(directory)
    return directory


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"
