"""Trainings from files to models that are served, at a size that takes seconds."""

from __future__ import annotations

import json
import math
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import torch
from command_line import command
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file
from transformers import AutoModelForSequenceClassification, AutoTokenizer, LlamaForCausalLM

from asyncsearch import Problem, Sampling, solve_dataset
from asyncsearch.datasets.arithmetic import bundled_model, generate_problems, label_steps, write_steps
from asyncsearch.errors import ConfigurationError, DatasetError, ModelError, RunDirectoryError, StorageError
from asyncsearch.finetune.arithmetic.mistakes import with_mistakes
from asyncsearch.finetune.base_model import end_token, with_lora
from asyncsearch.finetune.checkpoints import CHECKPOINTS, last_whole_checkpoint
from asyncsearch.finetune.configuration import (
    Finetuning,
    Lora,
    PolicyFinetuning,
    RewardFinetuning,
    load_finetuning,
    save_finetuning,
    shipped_finetunings,
)
from asyncsearch.finetune.finetuning import Finetuned, finetune_policy, finetune_reward
from asyncsearch.finetune.log import LOG_FILE, read_log
from asyncsearch.finetune.metrics import first_error, reward_metrics, step_auc
from asyncsearch.finetune.output import merged_weights
from asyncsearch.rewards import recognise_reward_format
from asyncsearch.training_data import TrainingSolution, read_training_solutions
from runtimes.base import Request, Result, RuntimeFailure, ScoreRequest, ScoreResult
from runtimes.local import LocalRuntime

ARCHITECTURE: dict[str, Any] = {
    "model_type": "llama",
    "hidden_size": 64,
    "intermediate_size": 96,
    "num_hidden_layers": 2,
    "num_attention_heads": 1,
    "num_key_value_heads": 1,
    "head_dim": 64,
}


class Watching:
    """Remembers what it is told, and stops after a step if it is to."""

    def __init__(self, *, stop_after: int | None = None) -> None:
        self.stop_after = stop_after
        self.begun: tuple[int, int] | None = None
        self.steps: list[int] = []
        self.logged: list[tuple[int, Mapping[str, float]]] = []

    def begin(self, steps: int, done: int) -> None:
        self.begun = (steps, done)

    def step(self, step: int) -> None:
        self.steps.append(step)

    def log(self, step: int, values: Mapping[str, float]) -> None:
        self.logged.append((step, values))

    def wants_to_stop(self) -> bool:
        return self.steps[-1] == self.stop_after


def written(path: Path, solutions: Sequence[TrainingSolution]) -> str:
    path.write_text("".join(json.dumps(solution.to_record()) + "\n" for solution in solutions))
    return str(path)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Solutions, labelled solutions, and some of these for evaluation."""
    directory = tmp_path_factory.mktemp("data")
    source = random.Random(0)
    problems = list(generate_problems(460, split="train", seed=1, minimum_operations=1))
    worked = [
        TrainingSolution(problem=problem.problem, steps=tuple(map(str.strip, write_steps(problem.solutions[0]))))
        for problem in problems[:200]
    ]
    labelled = []
    for problem in problems[200:]:
        steps = with_mistakes(problem.solutions[0], source, solutions=problem.solutions)
        labels = tuple(map(float, label_steps(problem, steps)))
        labelled.append(TrainingSolution(problem=problem.problem, steps=tuple(map(str.strip, steps)), labels=labels))
    written(directory / "worked.jsonl", worked)
    written(directory / "labelled.jsonl", labelled[:200])
    written(directory / "evaluation.jsonl", labelled[200:])
    return directory


@pytest.fixture
def policy(data: Path) -> PolicyFinetuning:
    return PolicyFinetuning(
        architecture=ARCHITECTURE,
        tokenizer=400,
        data=(str(data / "worked.jsonl"),),
        steps=8,
        batch_size=8,
        micro_batch_size=4,
        learning_rate=5e-3,
        max_length=384,
        log_every=2,
        save_every=4,
    )


@pytest.fixture
def reward(data: Path) -> RewardFinetuning:
    return RewardFinetuning(
        model="bundled:policy",
        data=(str(data / "labelled.jsonl"),),
        evaluation_data=(str(data / "evaluation.jsonl"),),
        reward_format="lines",
        steps=6,
        batch_size=8,
        micro_batch_size=8,
        learning_rate=1e-3,
        max_length=384,
        log_every=2,
        evaluate_every=4,
    )


def trained(
    finetuning: PolicyFinetuning | RewardFinetuning,
    out: Path,
    *,
    resume: bool = False,
    watching: Watching | None = None,
) -> Finetuned:
    spectator = watching or Watching()
    if isinstance(finetuning, PolicyFinetuning):
        return finetune_policy(finetuning, out, resume=resume, spectator=spectator)
    return finetune_reward(finetuning, out, resume=resume, spectator=spectator)


def weights(directory: Path) -> dict[str, torch.Tensor]:
    return load_file(directory / "model.safetensors")


def farthest(one: Path, other: Path) -> float:
    """The greatest difference of any weight."""
    mine, theirs = weights(one), weights(other)
    assert mine.keys() == theirs.keys()
    return max(float((mine[name].float() - theirs[name].float()).abs().max()) for name in mine)


# Policies


@pytest.mark.anyio
async def test_a_policy_is_trained_and_opens_where_it_is(policy: PolicyFinetuning, tmp_path: Path) -> None:
    out = tmp_path / "policy"
    done = trained(replace(policy, evaluation_data=policy.data), out)
    assert done.is_whole
    assert (done.solutions, done.steps, done.rows) == (200, 8, 64)
    losses = [entry["loss"] for entry in read_log(out / LOG_FILE) if "loss" in entry]
    assert losses[0] == pytest.approx(math.log(len(AutoTokenizer.from_pretrained(out))), rel=0.1), "it knows nothing"
    assert losses[-1] < losses[0] - 1
    assert done.metrics["evaluation_loss"] < losses[0] - 1
    assert not (out / CHECKPOINTS).exists()
    run = await solve_dataset(
        [Problem(id="1", text="What is 1 + 1?")],
        Sampling(width=2, max_tokens=8, scored=False),
        policy=LocalRuntime(out),
    )
    assert [len(result.candidates) for result in run.results()] == [2]


def test_the_same_seed_gives_the_same_weights(policy: PolicyFinetuning, tmp_path: Path) -> None:
    trained(policy, tmp_path / "one")
    trained(policy, tmp_path / "two")
    trained(replace(policy, seed=1), tmp_path / "other")
    assert farthest(tmp_path / "one", tmp_path / "two") == 0
    assert farthest(tmp_path / "one", tmp_path / "other") > 0.01


def test_a_micro_batch_changes_nothing_but_rounding(policy: PolicyFinetuning, tmp_path: Path) -> None:
    packed = replace(policy, packing=True, optimizer="muon")
    trained(packed, tmp_path / "four")
    trained(replace(packed, micro_batch_size=1), tmp_path / "one")
    assert farthest(tmp_path / "four", tmp_path / "one") < 1e-3


@pytest.mark.parametrize("packing", [False, True])
def test_what_was_interrupted_ends_as_if_it_had_not_been(
    packing: bool, policy: PolicyFinetuning, tmp_path: Path
) -> None:
    finetuning = replace(policy, packing=packing)
    trained(finetuning, tmp_path / "whole")
    interrupted = tmp_path / "interrupted"
    stopped = trained(finetuning, interrupted, watching=Watching(stop_after=5))
    assert not stopped.is_whole
    assert stopped.steps == 5
    watching = Watching()
    assert trained(finetuning, interrupted, resume=True, watching=watching).is_whole
    assert watching.begun == (8, 5)
    assert watching.steps == [6, 7, 8]
    assert farthest(tmp_path / "whole", interrupted) == 0
    steps = [entry["step"] for entry in read_log(interrupted / LOG_FILE)]
    assert all(one < other for one, other in pairwise(steps)), "nothing is written down twice"


def test_half_a_checkpoint_is_not_gone_on_from(policy: PolicyFinetuning, tmp_path: Path) -> None:
    trained(policy, tmp_path / "whole")
    out = tmp_path / "interrupted"
    trained(policy, out, watching=Watching(stop_after=5))
    newest = last_whole_checkpoint(out / CHECKPOINTS)
    assert newest is not None
    assert newest.name == "checkpoint-5"
    (newest / "whole").unlink()
    (newest / "model.safetensors").write_bytes(b"half of it")
    watching = Watching()
    trained(policy, out, resume=True, watching=watching)
    assert watching.begun == (8, 4)
    assert farthest(tmp_path / "whole", out) == 0


def test_a_checkpoint_that_cannot_be_written_leaves_the_one_before(
    policy: PolicyFinetuning, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save = torch.save

    def full(what: Any, file: Any, **options: Any) -> None:
        if "checkpoint-8" in str(file):
            raise RuntimeError("[enforce fail at inline_container.cc:603] . unexpected pos 64 vs 0")
        save(what, file, **options)

    monkeypatch.setattr(torch, "save", full)
    with pytest.raises(StorageError, match=r"checkpoint-8: cannot be written: .*; the last whole one is checkpoint-4"):
        trained(policy, tmp_path / "out")
    monkeypatch.undo()
    assert [path.name for path in (tmp_path / "out" / CHECKPOINTS).glob("checkpoint-*")] == ["checkpoint-4"]
    assert trained(policy, tmp_path / "out", resume=True).is_whole


def test_low_rank_matrices_are_merged(policy: PolicyFinetuning, tmp_path: Path) -> None:
    finetuning = replace(
        policy, architecture=None, tokenizer=None, model="bundled:policy", lora=Lora(rank=2), learning_rate=1e-2
    )
    done = trained(finetuning, tmp_path / "lora")
    assert done.trained_parameters < done.parameters / 10
    before = load_file(bundled_model("policy") / "model.safetensors")
    after = weights(tmp_path / "lora")
    assert after.keys() == before.keys()
    changed = {name for name in before if (after[name] - before[name].float()).abs().max() > 1e-6}
    assert changed == {name for name in before if name.endswith("_proj.weight")}
    for name in changed:
        singular = torch.linalg.svdvals(after[name] - before[name].float())
        assert singular[2] < 1e-4 * singular[0], f"{name} was changed by more than a matrix of rank 2"


def test_merging_is_peft_s() -> None:
    torch.manual_seed(0)
    model = LlamaForCausalLM.from_pretrained(bundled_model("policy"), dtype=torch.float32)
    model.set_output_embeddings(torch.nn.Linear(model.config.hidden_size, 2, bias=False))
    wrapped = with_lora(model, Lora(rank=4, alpha=16), new_head=True)
    for name, parameter in wrapped.named_parameters():
        if "lora_B" in name or "modules_to_save" in name:
            torch.nn.init.normal_(parameter)
    merged = merged_weights({name: tensor.clone() for name, tensor in wrapped.state_dict().items()}, scaling=4.0)
    merge: Any = wrapped.merge_and_unload
    expected = merge().state_dict()
    assert merged.keys() == expected.keys()
    assert all(torch.allclose(merged[name], expected[name], atol=1e-4) for name in merged)


# Reward models


async def scores_of(model: Path, solutions: Sequence[TrainingSolution]) -> list[tuple[float, ...]]:
    """How a served model scores the steps of solutions."""
    found: dict[Request, tuple[float, ...]] = {}

    def deliver(request: Request, outcome: Result | RuntimeFailure) -> None:
        assert isinstance(outcome, ScoreResult)
        found[request] = outcome.scores

    async with LocalRuntime(model, dtype="float32") as runtime:
        format = recognise_reward_format("auto", runtime.capabilities)
        requests = []
        for solution in solutions:
            prefix, reads = format.opening_for(solution.problem), []
            for index, step in enumerate(solution.steps):
                prefix = format.extend(prefix, step, first=index == 0)
                reads.append(prefix)
            requests.append(ScoreRequest(reads=tuple(reads), readout=format.readout))
        await runtime.score(requests, deliver)
    return [found[request] for request in requests]


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("changes", "architecture"),
    [
        ({"reward_format": "lines"}, "LlamaForCausalLM"),
        ({"reward_format": "reference-head"}, "LlamaForSequenceClassification"),
        ({"reward_format": "reference-head", "head": "one-row", "loss": "squared"}, "LlamaForSequenceClassification"),
        ({"reward_format": "classifier", "packing": True}, "LlamaForSequenceClassification"),
        ({"reward_format": "math-shepherd", "lora": Lora(rank=2)}, "LlamaForCausalLM"),
    ],
)
async def test_what_is_served_scores_as_what_was_trained(
    changes: dict[str, Any], architecture: str, reward: RewardFinetuning, tmp_path: Path
) -> None:
    """The loss that was measured in training is that of the scores that the written model gives."""
    out = tmp_path / "reward"
    finetuning = replace(reward, **changes)
    done = trained(finetuning, out)
    config = json.loads((out / "config.json").read_text())
    assert config["architectures"] == [architecture]
    assert config["reward_format"] == finetuning.reward_format
    solutions = [*read_training_solutions(Path(reward.evaluation_data[0]))]
    served = await scores_of(out, solutions)
    labels = [[float(label or 0) for label in solution.labels or ()] for solution in solutions]
    metrics = reward_metrics(served, labels)
    for name, value in {
        "step_auc": metrics.auc,
        "calibration_error": metrics.calibration_error,
        "first_error_f1": metrics.first_error_f1,
    }.items():
        assert done.metrics[name] == pytest.approx(value, abs=1e-3)
    pairs = [pair for some in zip(served, labels, strict=True) for pair in zip(*some, strict=True)]

    def loss(score: float, label: float) -> float:
        return (score - label) ** 2 if finetuning.loss == "squared" else -math.log(score if label else 1 - score)

    assert done.metrics["evaluation_loss"] == pytest.approx(
        math.fsum(loss(score, label) for score, label in pairs) / len(pairs), abs=1e-4
    )


def test_a_classifier_is_one_to_transformers_too(reward: RewardFinetuning, tmp_path: Path) -> None:
    trained(replace(reward, reward_format="classifier"), tmp_path / "classifier")
    model, found = AutoModelForSequenceClassification.from_pretrained(tmp_path / "classifier", output_loading_info=True)
    assert model.config.num_labels == 1
    assert not found["missing_keys"]


def test_training_goes_on_from_what_it_has_written(reward: RewardFinetuning, tmp_path: Path) -> None:
    finetuning = replace(reward, reward_format="classifier", steps=12)
    first = trained(finetuning, tmp_path / "first")
    again = trained(replace(finetuning, model=str(tmp_path / "first")), tmp_path / "again")
    begin = read_log(tmp_path / "again" / LOG_FILE)[0]["loss"]
    assert begin < math.log(2) - 0.01, "a head that is there is kept"
    assert again.metrics["evaluation_loss"] < first.metrics["evaluation_loss"] + 0.1


def test_an_outcome_reward_model_counts_the_last_step(reward: RewardFinetuning, tmp_path: Path) -> None:
    done = trained(replace(reward, train_on_every_token=False), tmp_path / "outcome")
    solutions = [*read_training_solutions(Path(reward.evaluation_data[0]))]
    assert done.metrics["step_accuracy"] * len(solutions) == pytest.approx(
        round(done.metrics["step_accuracy"] * len(solutions)), abs=1e-3
    ), "one label a solution"


# Metrics

SCORES = st.lists(st.tuples(st.floats(0, 1), st.booleans()), min_size=1, max_size=30)


@given(SCORES)
def test_the_auc_is_the_share_of_pairs(pairs: list[tuple[float, bool]]) -> None:
    right = [score for score, label in pairs if label]
    wrong = [score for score, label in pairs if not label]
    found = step_auc([score for score, _ in pairs], [label for _, label in pairs])
    if not right or not wrong:
        assert math.isnan(found)
        return
    wins = sum((one > other) + (one == other) / 2 for one in right for other in wrong)
    assert found == pytest.approx(wins / (len(right) * len(wrong)))


@given(SCORES)
def test_what_is_sure_and_right_is_calibrated(pairs: list[tuple[float, bool]]) -> None:
    labels = [[float(label) for _, label in pairs]]
    perfect = reward_metrics(labels, labels)
    assert perfect.calibration_error == pytest.approx(0)
    assert perfect.accuracy == 1
    found = reward_metrics([[score for score, _ in pairs]], labels)
    assert 0 <= found.calibration_error <= 1
    assert found.steps == len(pairs)


def test_the_f1_is_processbench_s() -> None:
    # Two solutions with an error, of which one is found at its step; three without, of which two are left alone.
    labels: list[list[float | None]] = [[1, 0, None], [0, 0], [1, 1], [1, 1], [1], [None, 0]]
    scores = [[0.9, 0.1, 0.9], [0.9, 0.1], [0.9, 0.9], [0.9, 0.2], [0.5], [0.1, 0.1]]
    found = reward_metrics(scores, labels)
    assert found.solutions == 5, "of the last one nothing is known"
    assert found.first_error_f1 == pytest.approx(2 * (1 / 2) * (2 / 3) / (1 / 2 + 2 / 3))


@given(st.lists(st.floats(0, 1)), st.floats(0.01, 1))
def test_the_first_error_is_the_first_below(scores: list[float], threshold: float) -> None:
    place = first_error(scores, threshold=threshold)
    assert all(score >= threshold for score in (scores if place < 0 else scores[:place]))
    assert place < 0 or scores[place] < threshold


# What is wrong


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda record: record.pop("labels"), "200 of 200 solutions have no 'labels'"),
        (
            lambda record: record["labels"].pop(),
            r"200 of 200 records cannot be learned from; the first: .*record 1, line 1",
        ),
        (lambda record: record.update(labels=[None] * len(record["labels"])), "200 have no label to learn"),
    ],
)
def test_labels_that_do_not_fit_are_counted(
    change: Callable[[dict[str, Any]], object], said: str, reward: RewardFinetuning, tmp_path: Path
) -> None:
    records = [json.loads(line) for line in Path(reward.data[0]).read_text().splitlines()]
    for record in records:
        change(record)
    source = tmp_path / "bad.jsonl"
    source.write_text("\n".join(map(json.dumps, records)))
    with pytest.raises((DatasetError, ConfigurationError), match=said):
        trained(replace(reward, data=(str(source),)), tmp_path / "out")
    assert not (tmp_path / "out" / "config.json").exists()


def test_what_is_too_long_is_counted(policy: PolicyFinetuning, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"200 solutions are longer than max_length, 16 tokens"):
        trained(replace(policy, max_length=16), tmp_path / "none")
    done = trained(replace(policy, max_length=130, steps=1), tmp_path / "some")
    assert 0 < done.too_long < 200


def test_a_model_reads_no_more_than_it_can(policy: PolicyFinetuning, tmp_path: Path) -> None:
    finetuning = replace(policy, architecture=None, tokenizer=None, model="bundled:policy", max_length=1024)
    with pytest.raises(ConfigurationError, match="max_length is 1024, and the model reads 512 tokens"):
        trained(finetuning, tmp_path / "out")


def test_a_tokenizer_without_an_end_needs_one_said() -> None:
    tokenizer = AutoTokenizer.from_pretrained(bundled_model("policy"))
    tokenizer.eos_token = None
    with pytest.raises(ConfigurationError, match=r"has no token that ends a sequence, .* say with end_token"):
        end_token(tokenizer, None, model="M")
    assert end_token(tokenizer, "<|pad|>", model="M") == tokenizer.convert_tokens_to_ids("<|pad|>")
    with pytest.raises(ConfigurationError, match="end_token '<none>' is no token of M"):
        end_token(tokenizer, "<none>", model="M")


def test_weights_that_are_missing_are_not_made_up(policy: PolicyFinetuning, tmp_path: Path) -> None:
    broken = tmp_path / "broken"
    broken.mkdir()
    for file in bundled_model("policy").iterdir():
        (broken / file.name).write_bytes(file.read_bytes())
    some = {name: tensor for name, tensor in weights(broken).items() if "layers.1.mlp.up" not in name}
    save_file(some, broken / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(ModelError, match=r"has no weights for model.layers.1.mlp.up_proj.weight \(1 tensors"):
        trained(replace(policy, architecture=None, tokenizer=None, model=str(broken)), tmp_path / "out")


def test_a_directory_is_of_one_training(policy: PolicyFinetuning, tmp_path: Path) -> None:
    out = tmp_path / "out"
    trained(policy, out, watching=Watching(stop_after=4))
    with pytest.raises(RunDirectoryError, match="not finished; --resume goes on with it"):
        trained(policy, out)
    with pytest.raises(RunDirectoryError, match=r"another learning_rate: 0.005, not 0.01; name another"):
        trained(replace(policy, learning_rate=1e-2), out, resume=True)
    trained(policy, out, resume=True)
    with pytest.raises(RunDirectoryError, match="holds a model already"):
        trained(policy, out)
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "file").touch()
    with pytest.raises(RunDirectoryError, match="is not empty, and holds no training"):
        trained(policy, tmp_path / "other")


# Files


@given(
    st.builds(
        RewardFinetuning,
        data=st.lists(st.text("ab", min_size=1), min_size=1).map(tuple),
        model=st.text("ab", min_size=1),
        reward_format=st.sampled_from(["lines", "classifier"]),
        steps=st.integers(1, 9),
        learning_rate=st.floats(1e-6, 1e-1),
        packing=st.booleans(),
        lora=st.none() | st.builds(Lora, rank=st.integers(1, 64), modules=st.just(("q_proj",))),
    )
)
def test_a_training_is_read_as_it_was_written(finetuning: RewardFinetuning) -> None:
    import tempfile

    with tempfile.TemporaryDirectory() as directory:
        file = Path(directory) / "training.yaml"
        save_finetuning(file, finetuning)
        assert load_finetuning(file, RewardFinetuning) == finetuning


MODEL = "model: m\ndata: d.jsonl\nsteps: 5\n"


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("data: d.jsonl\nsteps: 5", "name a 'model' to begin with"),
        ("model: m\nsteps: 5", "has no 'data'"),
        ("model: m\ndata: d", "'epochs' or 'steps', one of the two"),
        (f"{MODEL}epochs: 1", "'epochs' or 'steps', one of the two"),
        (f"{MODEL}learning_rat: 1", "unknown key 'learning_rat'; did you mean 'learning_rate'?"),
        (f"{MODEL}learning_rate: fast", "learning_rate: Expected `float`, got `str`"),
        (f"{MODEL}learning_rate: -1", "learning_rate must be above 0"),
        (f"{MODEL}batch_size: true", "batch_size must be a number"),
        (f"{MODEL}schedule: cosin", "unknown schedule 'cosin'; did you mean 'cosine'?"),
        (f"{MODEL}lora: {{rnk: 4}}", "lora has no 'rnk'; did you mean 'rank'?"),
        (f"{MODEL}lora: 4", "lora: Expected"),
        (f"{MODEL}architecture: {{model_type: llama}}", "one of the two"),
        ("architecture: {model_type: llama}\ndata: d\nsteps: 5", "needs a 'tokenizer'"),
        ("- a", "must be a mapping"),
    ],
)
def test_what_is_wrong_with_a_file_is_named(content: str, said: str, tmp_path: Path) -> None:
    file = tmp_path / "training.yaml"
    file.write_text(content)
    with pytest.raises(ConfigurationError) as caught:
        load_finetuning(file, PolicyFinetuning)
    assert said in str(caught.value)
    assert str(file) in str(caught.value)


# The command


def plan(path: Path, finetuning: Finetuning) -> Path:
    save_finetuning(path, finetuning)
    return path


def test_the_command_trains_and_tells(policy: PolicyFinetuning, tmp_path: Path) -> None:
    plan(tmp_path / "tiny.yaml", policy)
    done = command("finetune", "policy", "tiny.yaml", "-p", "steps=2", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "written to models/tiny" in done.stdout
    assert "step 2/2: loss" in done.stderr
    assert load_finetuning(tmp_path / "models/tiny/finetuning.yaml", PolicyFinetuning) == replace(policy, steps=2)
    again = command("finetune", "policy", "tiny.yaml", "-p", "steps=2", "--resume", cwd=tmp_path)
    assert (again.returncode, again.stdout) == (0, "models/tiny: the model is finished\n")


def test_two_processes_train_what_one_does(policy: PolicyFinetuning, tmp_path: Path) -> None:
    plan(tmp_path / "tiny.yaml", policy)
    trained(policy, tmp_path / "one")
    done = command(
        "finetune", "policy", "tiny.yaml", "--out", "two", "--accelerate", "ddp", "--processes", "2", cwd=tmp_path
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("written to two") == 1
    assert farthest(tmp_path / "one", tmp_path / "two") < 1e-3


@pytest.mark.parametrize("name", shipped_finetunings())
def test_the_reference_s_trainings_run_in_two_processes(
    name: str, data: Path, policy: PolicyFinetuning, tmp_path: Path
) -> None:
    """As they are, but for a small model, few steps and what a CPU computes with."""
    trained(replace(policy, steps=1), tmp_path / "small")
    kind = name.rpartition("-")[2]
    source = data / ("labelled.jsonl" if kind == "reward" else "worked.jsonl")
    changes = ["model=small", f"data={source}", "steps=2", "batch_size=4", "micro_batch_size=2", "dtype=float32"]
    changes += ["max_length=384"] if kind == "reward" else ["max_length=384", "save_every=1"]
    options = [word for change in changes for word in ("-p", change)]
    processes = ("--accelerate", "ddp", "--processes", "2")
    done = command("finetune", kind, name, "--out", "out", *options, *processes, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "2  steps" in done.stdout
    assert (tmp_path / "out" / "config.json").exists()


def test_the_reference_s_numbers_are_as_its_scripts_have_them() -> None:
    kinds: dict[str, type[PolicyFinetuning | RewardFinetuning]] = {
        "policy": PolicyFinetuning,
        "reward": RewardFinetuning,
    }
    found: dict[str, Finetuning] = {
        name: load_finetuning(Path(name), kinds[name.rpartition("-")[2]]) for name in shipped_finetunings()
    }
    assert {
        name: (one.learning_rate, one.batch_size, one.epochs, one.max_length, one.warmup, one.weight_decay)
        for name, one in found.items()
    } == {
        "llemma-34b-policy": (5e-6, 32, 1, 768, 0.02, 0.1),
        "llemma-7b-policy": (5e-6, 32, 1, 768, 0.02, 0.1),
        "llemma-7b-reward": (2e-5, 128, 2, 1024, 0.2, 0.0),
        "metamath-7b-policy": (2e-5, 128, 3, 512, 0.03, 0.0),
        "hf-finetune-policy": (8e-5, 128, 1, 1024, 0.03, 0.0),
    }


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("policy", "none.yaml"), "none.yaml: cannot be read"),
        (("policy", "tiny.yaml", "-p", "batch_size=0"), "batch_size must be above 0"),
        (("policy", "tiny.yaml", "--accelerate", "none"), "none of ddp, deepspeed-zero2, deepspeed-zero3, fsdp"),
        (("policy", "tiny.yaml", "-p", "data=[none.jsonl]"), "none.jsonl: cannot be read"),
        (("policy", "tiny.yaml", "-p", "architecture={model_type: llamma}"), "the architecture cannot be made"),
        (("policy", "tiny.yaml", "-p", "format=chat"), "no chat template of the new model is known"),
    ],
)
def test_a_mistake_is_one_line(arguments: tuple[str, ...], said: str, policy: PolicyFinetuning, tmp_path: Path) -> None:
    plan(tmp_path / "tiny.yaml", policy)
    done = command("finetune", *arguments, cwd=tmp_path)
    assert done.returncode == 2
    assert said in done.stderr
    assert done.stderr.count("\n") == 1


def test_a_full_disk_is_one_line_and_no_model(policy: PolicyFinetuning, tmp_path: Path) -> None:
    plan(tmp_path / "tiny.yaml", policy)
    done = command("finetune", "policy", "tiny.yaml", "--out", "out", cwd=tmp_path, file_limit=300)
    assert done.returncode == 1
    assert "cannot be written" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "out" / "config.json").exists()
    assert last_whole_checkpoint(tmp_path / "out" / CHECKPOINTS) is None
