"""What a search cost: tokens, operations, seconds."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st

from asyncsearch import (
    Problem,
    Rebase,
    Resumption,
    Run,
    Sampling,
    SearchContext,
    SolveOptions,
    Strategy,
    bundled_model,
    read_results,
    solve_dataset,
)
from asyncsearch.accounting import Accounts, ModelAccount, forward_flops
from asyncsearch.journal import read_journal
from asyncsearch.replay import replay
from runtimes.base import (
    Deliver,
    GenerateRequest,
    ModelSize,
    Request,
    RequestRejected,
    Result,
    RetryableError,
    RuntimeFailure,
    ScoreRequest,
    Usage,
)
from runtimes.local import LocalRuntime
from runtimes.model_files import weights_fingerprint
from runtimes.model_size import model_size
from runtimes.simulated import Faults, SimulatedRuntime
from runtimes.virtual_clock import run_virtual

pytestmark = pytest.mark.anyio

SIZE = ModelSize(parameters=1000, attention_width=8)


class Sized(SimulatedRuntime):
    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.capabilities = replace(self.capabilities, size=SIZE)


def run(strategy: Strategy, *, options: SolveOptions = SolveOptions(), **simulated: Any) -> Run:
    problems = [Problem(id=f"p{number}", text=f"problem {number}", answer="1") for number in range(6)]
    policy, reward = Sized(**simulated), Sized(**simulated)
    return run_virtual(lambda: solve_dataset(problems, strategy, policy=policy, reward=reward, options=options))


@given(st.integers(0, 40), st.integers(0, 40), st.integers(0, 40))
def test_operations_are_those_of_each_new_token(cached: int, new: int, generated: int) -> None:
    usage = Usage(prompt_tokens=cached + new, cached_tokens=cached, generated_tokens=generated)
    of_each = [2 * 1000 + 4 * 8 * (position + 1) for position in range(cached, cached + new + generated)]
    assert forward_flops(SIZE, usage) == sum(of_each)


SMALL = {"hidden_size": 64, "num_hidden_layers": 3, "num_attention_heads": 4, "vocab_size": 101}
FAMILIES: dict[str, dict[str, Any]] = {
    "llama": {"num_key_value_heads": 2, "intermediate_size": 96, "head_dim": 32},
    "mistral": {"num_key_value_heads": 2, "intermediate_size": 96},
    "qwen2": {"num_key_value_heads": 1, "intermediate_size": 96},
    "qwen3": {"num_key_value_heads": 2, "intermediate_size": 96, "head_dim": 16},
    "gemma2": {"num_key_value_heads": 2, "intermediate_size": 96, "head_dim": 32},
    "phi3": {"num_key_value_heads": 2, "intermediate_size": 96, "pad_token_id": 0},
    "gpt_neox": {"intermediate_size": 256},
    "phi": {"intermediate_size": 96},
    "opt": {"ffn_dim": 96, "word_embed_proj_dim": 64},
}


@pytest.mark.parametrize("family", FAMILIES)
def test_a_models_size_is_that_of_its_matrices(family: str) -> None:
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM

    config = AutoConfig.for_model(family, **SMALL, **FAMILIES[family])
    with torch.device("meta"):
        model = AutoModelForCausalLM.from_config(config)
    matrices = sum(part.weight.numel() for part in model.modules() if isinstance(part, torch.nn.Linear))
    size = model_size(config.to_dict())
    assert size is not None
    assert size.parameters == matrices
    assert size.attention_width == 3 * 4 * getattr(config, "head_dim", 16)


def test_of_experts_only_those_count_that_a_token_meets() -> None:
    """Mixtral 8x7B has 12.9 billion active parameters, of them 0.1 in its input embedding (arXiv 2401.04088)."""
    mixtral = {
        "model_type": "mixtral", "hidden_size": 4096, "num_hidden_layers": 32, "num_attention_heads": 32,
        "num_key_value_heads": 8, "intermediate_size": 14336, "vocab_size": 32000, "num_local_experts": 8,
        "num_experts_per_tok": 2,
    }  # fmt: skip
    size = model_size(mixtral)
    assert size is not None
    assert size.parameters == pytest.approx(12.75e9, rel=0.005)


@pytest.mark.parametrize("config", [{}, {"model_type": "mamba"}, {"model_type": "llama", "hidden_size": 8}])
def test_an_unknown_model_has_no_size(config: dict[str, Any]) -> None:
    assert model_size(config) is None


async def test_a_local_model_says_its_size() -> None:
    async with LocalRuntime(bundled_model("policy")) as policy:
        size = policy.capabilities.size
    # 4 layers of attention (2 heads of 64, 1 group) and of 352 inner units; 513 rows of output.
    attention = 128 * 128 * 2 + 128 * 64 * 2
    assert size == ModelSize(parameters=4 * (attention + 3 * 128 * 352) + 513 * 128, attention_width=4 * 2 * 64)


def test_a_fingerprint_tells_weights_apart(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}")
    assert weights_fingerprint(tmp_path) is None
    weights = bytearray(10_000_000)
    (tmp_path / "model.safetensors").write_bytes(weights)
    first = weights_fingerprint(tmp_path)
    assert first == weights_fingerprint(tmp_path)
    weights[-1] = 1
    (tmp_path / "model.safetensors").write_bytes(weights)
    assert weights_fingerprint(tmp_path) != first


def test_a_fingerprint_tells_heads_on_one_backbone_apart(tmp_path: Path) -> None:
    import torch
    from safetensors.torch import save_file

    (tmp_path / "config.json").write_text("{}")
    backbone = {f"layers.{layer}": torch.zeros(1 << 20) for layer in range(4)}
    digests = set()
    for head in (0.0, 1.0):
        save_file({**backbone, "score": torch.full((64,), head)}, tmp_path / "model.safetensors")
        digests.add(weights_fingerprint(tmp_path))
    assert len(digests) == 2


@pytest.mark.parametrize("strategy", [Rebase(width=8), Sampling(width=8), Sampling(width=4, scored=False)])
def test_accounts_add_up_to_what_the_scheduler_saw(strategy: Strategy) -> None:
    done = run(strategy, faults=Faults(retryable=0.1, lost=0.02))
    accounts = done.accounts
    total = Accounts()
    for result in done.results():
        total += result.accounts
    assert total == accounts
    for account, lane in ((accounts.policy, done.statistics.generate), (accounts.reward, done.statistics.score)):
        assert account.prompt_tokens + account.cached_tokens == lane.prompt_tokens
        assert account.cached_tokens == lane.cached_tokens
        assert account.generated_tokens == lane.generated_tokens
        assert account.wasted_tokens == 0
    assert accounts.flops is not None
    assert accounts.policy.flops is not None
    assert accounts.policy.flops > 2 * SIZE.parameters * accounts.policy.computed_tokens
    assert accounts.policy.runtime_seconds > 0


def test_peak_is_the_widest_level_with_all_above_it() -> None:
    (deep,) = run(Rebase(width=1), options=SolveOptions(problems_in_flight=1)).kept[:1]
    (wide,) = run(Sampling(width=4, scored=False)).kept[:1]
    prompt = len("problem 0\n") // 4 + 1
    assert deep.accounts.peak_tokens == prompt + deep.accounts.policy.generated_tokens
    assert wide.accounts.peak_tokens == prompt + sum(candidate.tokens for candidate in wide.candidates)


def test_sizes_that_are_given_win() -> None:
    known = run(Sampling(width=2, scored=False)).accounts.policy
    given = run(Sampling(width=2, scored=False), options=SolveOptions(policy_parameters=2000)).accounts.policy
    assert known.flops is not None
    assert given.flops == known.flops + 2 * 1000 * known.computed_tokens


@dataclass(frozen=True, slots=True, kw_only=True)
class Impatient(Strategy):
    """Leaves what is not there soon, and samples anew."""

    name: ClassVar[str] = "impatient"
    source: ClassVar[str] = "a test"

    async def search(self, tree: SearchContext) -> None:
        with anyio.move_on_after(0.2):
            await tree.expand([tree.root], [self.width], whole_solutions=True)
        await tree.expand([tree.root], [1], whole_solutions=True)


def test_what_is_given_up_is_counted_as_waste() -> None:
    done = run(Impatient(width=8))
    policy, lanes = done.accounts.policy, done.statistics
    assert lanes.generate.aborted > 0
    assert policy.aborted_tokens == lanes.generate.wasted_tokens > 0
    assert done.accounts.reward.aborted_tokens == lanes.score.wasted_tokens
    assert policy.prompt_tokens + policy.cached_tokens == lanes.generate.prompt_tokens


class Costly(Sized):
    """Refuses every third request and fails every fourth once, and says what that took."""

    def __init__(self) -> None:
        super().__init__()
        self.told = 0
        self._seen_before: set[Request] = set()

    async def score(self, requests: Sequence[ScoreRequest], deliver: Deliver) -> None:
        def spoil(request: Request, outcome: Result | RuntimeFailure) -> None:
            number = sum(map(ord, request.prefix.full_text())) % 12
            usage = Usage(prompt_tokens=7, cached_tokens=2)
            if number % 3 == 0:
                outcome = RequestRejected("no", request=request, usage=usage)
            elif number % 4 == 0 and request not in self._seen_before:
                self._seen_before.add(request)
                outcome = RetryableError("not yet", request=request, usage=usage)
            self.told += outcome.usage.new_tokens if isinstance(outcome, RuntimeFailure) else 0
            deliver(request, outcome)

        await super().score(requests, spoil)


def test_what_comes_to_nothing_is_counted_where_it_was_lost(tmp_path: Path) -> None:
    """Failed attempts where they failed; and as speculated what was generated for nodes without a score."""
    problems = [Problem(id=f"p{number}", text=f"problem {number}", answer="1") for number in range(6)]
    policy, reward = Sized(), Costly()
    done = run_virtual(
        lambda: solve_dataset(problems, Rebase(width=8), policy=policy, reward=reward, run_dir=tmp_path / "run")
    )
    accounts, lanes = done.accounts, done.statistics
    assert accounts.reward.failed_tokens == reward.told == lanes.score.wasted_tokens > 0
    assert accounts.policy.failed_tokens == 0
    assert accounts.policy.speculated_tokens > 0
    assert accounts.policy.generated_tokens > accounts.policy.speculated_tokens
    replayed = run_virtual(lambda: replay(tmp_path / "run"))
    assert replayed.differing == (), "waste is journaled too"


def test_what_a_search_does_not_come_to_any_more_is_counted_too(tmp_path: Path) -> None:
    """A failed node is grown after all, takes its share of the width, and leaves others without theirs."""
    problems = [Problem(id=f"p{number}", text=f"problem {number}", answer="1") for number in range(4)]

    async def session(policy: Sized, *, until: float = math.inf) -> Run | None:
        with anyio.move_on_after(until):
            return await solve_dataset(
                problems,
                Rebase(width=8),
                policy=policy,
                reward=Sized(),
                run_dir=tmp_path / "run",
                resume=Resumption(retry_failed=True),
                options=SolveOptions(durability=None),
            )
        return None

    assert run_virtual(lambda: session(Unwilling(refuses=False, every=7), until=2.0)) is None
    done = run_virtual(lambda: session(Sized()))
    assert done is not None
    generated = sum(
        known.generated.cost.usage.generated_tokens
        for _, nodes in read_journal(tmp_path / "run" / "journal.bin")
        for known in nodes.values()
        if known.generated is not None
    )
    assert done.accounts.policy.generated_tokens == generated
    assert done.accounts.policy.speculated_tokens > 0
    assert run_virtual(lambda: replay(tmp_path / "run")).differing == ()


class Unwilling(Sized):
    """Refuses to generate or to score, every request or one in so many, and says what that took."""

    def __init__(self, *, refuses: bool, every: int = 0) -> None:
        super().__init__()
        self.refuses = refuses
        self.every = every
        self.asked = 0

    async def generate(self, requests: Sequence[GenerateRequest], deliver: Deliver) -> None:
        await super().generate(requests, self._spoiling(deliver))

    async def score(self, requests: Sequence[ScoreRequest], deliver: Deliver) -> None:
        await super().score(requests, self._spoiling(deliver))

    def _spoiling(self, deliver: Deliver) -> Deliver:
        usage = Usage(prompt_tokens=7, cached_tokens=2)

        def spoil(request: Request, outcome: Result | RuntimeFailure) -> None:
            self.asked += 1
            refused = self.refuses or (self.every and self.asked % self.every == 0)
            deliver(request, RequestRejected("no", request=request, usage=usage) if refused else outcome)

        return spoil


@pytest.mark.parametrize("role", ["policy", "reward"])
def test_what_a_failure_cost_is_kept_when_it_is_tried_again(tmp_path: Path, role: str) -> None:
    problems = [Problem(id="p", text="problem", answer="1")]

    def solving(refusing: str | None) -> Run:
        policy, reward = Unwilling(refuses=refusing == "policy"), Unwilling(refuses=refusing == "reward")
        return run_virtual(
            lambda: solve_dataset(
                problems,
                Sampling(width=3),
                policy=policy,
                reward=reward,
                run_dir=tmp_path / "run",
                resume=Resumption(retry_failed=True),
            )
        )

    def failed_tokens(done: Run) -> int:
        return {"policy": done.accounts.policy, "reward": done.accounts.reward}[role].failed_tokens

    assert failed_tokens(solving(role)) == 15
    assert failed_tokens(solving(role)) == 30, "tried twice"
    done = solving(None)
    assert done.solved == 1
    assert failed_tokens(done) == 30
    assert run_virtual(lambda: replay(tmp_path / "run")).differing == ()


def test_an_unknown_size_makes_operations_unknown() -> None:
    known = ModelAccount(flops=1.0)
    assert (known + ModelAccount(flops=None)).flops is None
    assert (known + ModelAccount()).flops == 1.0


def test_results_keep_their_accounts(tmp_path: Path) -> None:
    problems = [Problem(id="p", text="problem", answer="1")]
    runtime = SimulatedRuntime()
    done = run_virtual(
        lambda: solve_dataset(problems, Rebase(width=4), policy=runtime, reward=runtime, run_dir=tmp_path / "run")
    )
    (result,) = read_results(tmp_path / "run")
    assert result.accounts == done.accounts
    assert result.accounts.flops is None, "nobody knows how large a simulated model is"
    assert result.run_seconds == done.seconds > 0
