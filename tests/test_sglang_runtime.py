"""The SGLang client against a scripted server: what it sends, what it makes of faults, and what it leaves behind."""

from __future__ import annotations

import asyncio
import math
import shutil
import socket
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack, ExitStack
from pathlib import Path

import anyio
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from outcomes import Outcomes
from scripted_sglang import FAULTS, PROMPT_LIMIT, ScriptedServer
from transformers import AutoTokenizer

from asyncsearch import Problem, Rebase, Run, Sampling, SolveOptions, load_problems, solve_dataset
from asyncsearch.errors import ModelError
from runtimes.base import (
    ChatPrompt,
    FinishReason,
    GenerateRequest,
    GenerateResult,
    Prefix,
    Request,
    RequestAborted,
    RequestRejected,
    RetryableError,
    RuntimeGone,
    ScoreRequest,
    ScoreResult,
    ServerUnreachable,
    TokenLabels,
)
from runtimes.http import JsonSession
from runtimes.pool import RuntimePool
from runtimes.sglang import SglangRuntime

pytestmark = pytest.mark.anyio

LABELS = TokenLabels(good="+", bad="-")


def generate_request(prefix: Prefix, seed: int = 0, *, tokens: int = 200, stop: bool = True) -> GenerateRequest:
    stops = (f"Step {prefix.full_text().count('Step ') + 2}",) if stop else ()
    return GenerateRequest(prefix=prefix, seed=seed, max_new_tokens=tokens, stop=stops)


def score_request(prefix: Prefix, *steps: str) -> ScoreRequest:
    reads: list[Prefix] = []
    for step in steps:
        prefix = prefix.extend(step)
        reads.append(prefix)
    return ScoreRequest(reads=tuple(reads), readout=LABELS)


async def until(condition: Callable[[], bool]) -> None:
    with anyio.fail_after(10):
        while not condition():  # noqa: ASYNC110 - it is another program's state, as it were
            await anyio.sleep(0.01)


async def solve_on(servers: Sequence[ScriptedServer], *, deadline: float = 60.0) -> list[Run]:
    problems = [Problem(id=f"p{n}", text=one.text) for n, one in enumerate(load_problems("arithmetic", limit=12))]
    pool = RuntimePool([SglangRuntime(one.address, deadline_seconds=deadline) for one in servers], probe_seconds=0.05)
    strategies = [Rebase(width=8), Sampling(width=4)]
    return await solve_dataset(
        problems, strategies, policy=pool, reward=pool, options=SolveOptions(reward_format="lines")
    )


async def test_faults_of_every_kind_change_no_answer(policy_directory: Path) -> None:
    tasks_before = len(asyncio.all_tasks())
    async with ScriptedServer(policy_directory).serve() as server:
        sound = await solve_on([server])
    async with ScriptedServer(policy_directory, share=0.2).serve() as server:
        faulty = await solve_on([server], deadline=1.0)
        assert set(server.calls) == {*FAULTS, "answered"}
        share = 1 - server.calls["answered"] / server.calls.total()
        assert 0.1 < share < 0.3
    for one, other in zip(sound, faulty, strict=True):
        assert one.failed == 0
        assert [result.candidates for result in one.results()] == [result.candidates for result in other.results()]
    lanes = faulty[0].statistics
    assert lanes.generate.retries > 0
    assert lanes.score.retries > 0
    assert lanes.generate.failed == lanes.score.failed == 0
    # The server's own tasks end when their connections do.
    await until(lambda: len(asyncio.all_tasks()) == tasks_before)


async def test_a_chat_template_is_that_of_the_servers_tokenizer(tmp_path: Path, policy_directory: Path) -> None:
    directory = tmp_path / "policy"
    shutil.copytree(policy_directory, directory)
    question = [{"role": "user", "content": "{problem}"}]
    async with ScriptedServer(directory).serve() as server, RuntimePool([SglangRuntime(server.address)]) as pool:
        assert pool.apply_chat_template(question) is None, "it has none"
    tokenizer = AutoTokenizer.from_pretrained(directory)
    tokenizer.chat_template = "{{ messages[0]['content'] }}{{ eos_token }}"
    tokenizer.save_pretrained(directory)
    async with ScriptedServer(directory).serve() as server, RuntimePool([SglangRuntime(server.address)]) as pool:
        end = str(tokenizer.eos_token)
        assert pool.apply_chat_template(question) == ChatPrompt(text=f"{{problem}}{end}", special_tokens=(end,))
    with pytest.raises(RuntimeGone, match="not open"):
        SglangRuntime(server.address).apply_chat_template(question)


async def test_a_prefix_is_computed_once_for_all_its_forks(policy_directory: Path) -> None:
    outcomes = Outcomes()
    async with ScriptedServer(policy_directory).serve() as server, SglangRuntime(server.address) as runtime:
        root = Prefix("A bakery has 250 rolls. It sells 31. How many rolls does it have now?\n")
        await runtime.generate([generate_request(root, seed) for seed in range(16)], outcomes.deliver)
        results = [result for result in outcomes.values() if isinstance(result, GenerateResult)]
        assert len(results) == 16
        assert len(server.prompts) == 17  # one more, ahead of the others
        prompt = results[0].usage.prompt_tokens
        assert sum(result.usage.prompt_tokens - result.usage.cached_tokens for result in results) == prompt + 16
        # What continues a generation is held by the server already.
        await runtime.generate([generate_request(results[0].prefix, seed) for seed in range(4)], outcomes.deliver)
        assert len(server.prompts) == 21


async def test_scores_read_nothing_before_the_first_new_tag(policy_directory: Path) -> None:
    outcomes = Outcomes()
    async with ScriptedServer(policy_directory).serve() as server, SglangRuntime(server.address) as runtime:
        root = Prefix("A problem.\n")
        whole = score_request(root, "Step 1: 1 + 1 = 2\n", "Step 2: 2 + 1 = 3\n", "Step 3: 3 + 1 = 4\n")
        await runtime.score([whole], outcomes.deliver)
        together = outcomes[whole]
        assert isinstance(together, ScoreResult)
        assert server.batches == [1]
        for index, segment in enumerate(whole.reads):
            alone = ScoreRequest(reads=(segment,), readout=LABELS)
            await runtime.score([alone], outcomes.deliver)
            result = outcomes[alone]
            assert isinstance(result, ScoreResult)
            assert result.scores == (together.scores[index],)


async def test_what_would_kill_a_server_is_not_sent(policy_directory: Path) -> None:
    outcomes = Outcomes()
    async with ScriptedServer(policy_directory).serve() as server, SglangRuntime(server.address) as runtime:
        bad: list[Request] = [
            generate_request(Prefix("")),
            generate_request(Prefix("x", token_ids=(5, 100_000))),
            generate_request(Prefix("x", token_ids=(-1,))),
            generate_request(Prefix("x", token_ids=(5,) * PROMPT_LIMIT)),
            generate_request(Prefix("fine"), tokens=0),
        ]
        await runtime.generate([one for one in bad if isinstance(one, GenerateRequest)], outcomes.deliver)
        empty = score_request(Prefix(""), "")
        await runtime.score([empty], outcomes.deliver)
        assert server.prompts == []
    assert all(isinstance(outcomes[request], RequestRejected) for request in [*bad, empty])
    assert "takes 505" in str(outcomes[bad[3]])


async def test_what_does_not_fit_the_context_is_shortened(policy_directory: Path) -> None:
    outcomes = Outcomes()
    async with ScriptedServer(policy_directory).serve() as server, SglangRuntime(server.address) as runtime:
        request = generate_request(Prefix("x", token_ids=(5,) * (PROMPT_LIMIT - 1)), tokens=400, stop=False)
        await runtime.generate([request], outcomes.deliver)
    result = outcomes[request]
    assert isinstance(result, GenerateResult)
    assert result.finish is FinishReason.CONTEXT
    assert result.usage.generated_tokens == 512 - (PROMPT_LIMIT - 1)


async def test_one_bad_text_fails_alone(policy_directory: Path) -> None:
    outcomes = Outcomes()
    server = ScriptedServer(policy_directory, reject=lambda tokens: tokens == [3, 77])
    async with server.serve(), SglangRuntime(server.address) as runtime:
        requests = [score_request(Prefix("A problem.\n"), f"Step 1: {n}\n") for n in range(10)]
        bad = ScoreRequest(reads=(Prefix("", token_ids=(3, 77)),), readout=LABELS)
        await runtime.score([*requests[:7], bad, *requests[7:]], outcomes.deliver)
    assert all(isinstance(outcomes[request], ScoreResult) for request in requests)
    assert isinstance(outcomes[bad], RequestRejected)
    assert "one of the texts is bad" in str(outcomes[bad])


async def test_an_abort_is_nobody_elses(policy_directory: Path) -> None:
    """A server aborts every request whose name begins with the one it is told."""
    outcomes = Outcomes()
    async with ScriptedServer(policy_directory, held=True).serve() as server, SglangRuntime(server.address) as runtime:
        requests = [generate_request(Prefix(f"problem {n}\n")) for n in range(30)]
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(runtime.generate, requests, outcomes.deliver)
            await until(lambda: len(server.running) == 30)
            await runtime.abort(requests[:3])
            await until(lambda: len(outcomes) == 3)
            assert len(server.running) == 27
            tasks.cancel_scope.cancel()


async def test_what_somebody_else_aborts_is_asked_for_again(policy_directory: Path) -> None:
    outcomes = Outcomes()
    async with ScriptedServer(policy_directory, held=True).serve() as server, SglangRuntime(server.address) as runtime:
        request = generate_request(Prefix("problem\n"))
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(runtime.generate, [request], outcomes.deliver)
            await until(lambda: len(server.running) == 1)
            next(iter(server.running.values())).set()
        assert isinstance(outcomes[request], RetryableError)


async def test_a_request_that_breaks_every_connection_ends(policy_directory: Path) -> None:
    outcomes = Outcomes()
    server = ScriptedServer(policy_directory, share=1.0, faults={"reset": FAULTS["reset"]}, most_failures=math.inf)
    async with server.serve():
        pool = RuntimePool([SglangRuntime(server.address)], probe_seconds=0.0)
        async with pool:
            request = generate_request(Prefix("problem\n"))
            await pool.generate([request], outcomes.deliver)
    assert isinstance(outcomes[request], ServerUnreachable)
    assert server.calls["reset"] == 4


async def test_a_server_that_answers_with_nothing_but_failures_is_left_out(policy_directory: Path) -> None:
    async with AsyncExitStack() as stack:
        sound = await stack.enter_async_context(ScriptedServer(policy_directory).serve())
        sick = ScriptedServer(policy_directory, share=1.0, faults={"503": FAULTS["503"]}, most_failures=math.inf)
        await stack.enter_async_context(sick.serve())
        runs = await solve_on([sound, sick])
    assert [run.failed for run in runs] == [0, 0]


async def test_what_is_lost_does_not_wait_for_the_rest(policy_directory: Path) -> None:
    """One connection breaks while others of the same call are being worked on."""
    outcomes = Outcomes()
    server = ScriptedServer(policy_directory, held=True)
    async with server.serve():
        pool = RuntimePool([SglangRuntime(server.address)], probe_seconds=0.01)
        async with pool:
            requests = [generate_request(Prefix(f"problem {n}\n")) for n in range(3)]
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(pool.generate, requests, outcomes.deliver)
                await until(lambda: len(server.running) == 3)
                before = len(server.prompts)
                server.break_one()
                await until(lambda: len(server.prompts) == before + 1)
                assert not outcomes
                tasks.cancel_scope.cancel()


async def test_leaving_aborts_what_is_in_flight(policy_directory: Path) -> None:
    outcomes = Outcomes()
    async with ScriptedServer(policy_directory, held=True).serve() as server, SglangRuntime(server.address) as runtime:
        requests = [generate_request(Prefix(f"problem {n}\n")) for n in range(5)]
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(runtime.generate, requests, outcomes.deliver)
            await until(lambda: len(server.running) == 5)
            first = set(server.running)
            await runtime.abort(requests[:2])
            await until(lambda: len(outcomes) == 2)
            assert set(server.aborted) == first - set(server.running)
            for request in requests[:2]:
                aborted = outcomes[request]
                assert isinstance(aborted, RequestAborted)
                assert aborted.usage.prompt_tokens == len(server.tokenizer.encode(request.prefix.full_text()))
                assert aborted.usage.generated_tokens > 0, "what it had cost by then"
            tasks.cancel_scope.cancel()
        assert set(server.aborted) == first
        await until(lambda: not server.running)
    assert len(outcomes) == 2


async def test_a_router_is_as_good_as_a_server_but_aborts_nothing(policy_directory: Path) -> None:
    async with ScriptedServer(policy_directory).serve() as server:
        direct = await solve_on([server])
    async with ScriptedServer(policy_directory, is_router=True).serve() as router:
        async with SglangRuntime(router.address) as runtime:
            assert not runtime.capabilities.aborts
            assert not runtime.capabilities.honours_seeds
            await runtime.probe()
            outcomes = Outcomes()
            long = generate_request(Prefix("x", token_ids=(5,) * PROMPT_LIMIT))
            await runtime.generate([long], outcomes.deliver)
            assert "takes 505" in str(outcomes[long]), "the limit is that of the model's configuration"
        routed = await solve_on([router])
    assert [run.failed for run in (*direct, *routed)] == [0] * 4


async def test_a_problem_stays_on_one_server(policy_directory: Path) -> None:
    async with AsyncExitStack() as stack:
        servers = [await stack.enter_async_context(ScriptedServer(policy_directory).serve()) for _ in range(3)]
        *policies, reward = (SglangRuntime(server.address) for server in servers)
        run = await solve_dataset(
            load_problems("arithmetic", limit=12),
            Rebase(width=8),
            policy=RuntimePool(policies),
            reward=reward,
            options=SolveOptions(reward_format="lines"),
        )
    assert run.failed == 0
    asked = [
        {str(server.tokenizer.decode(prompt)).partition("\n")[0] for prompt in server.prompts} for server in servers[:2]
    ]
    assert not asked[0] & asked[1]
    assert min(map(len, asked)) > 3


async def test_the_work_of_a_dead_server_moves_until_it_is_back(policy_directory: Path) -> None:
    async with AsyncExitStack() as stack:
        steady = await stack.enter_async_context(ScriptedServer(policy_directory).serve())
        fragile = ScriptedServer(policy_directory, held=True)
        outcomes = Outcomes()
        requests = [generate_request(Prefix(f"problem {n}\n")) for n in range(8)]
        async with AsyncExitStack() as life:
            await life.enter_async_context(fragile.serve())
            port = int(fragile.address.rpartition(":")[2])
            members = [SglangRuntime(steady.address), SglangRuntime(fragile.address)]
            pool = await stack.enter_async_context(RuntimePool(members, probe_seconds=0.02))
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(pool.generate, requests, outcomes.deliver)
                await until(lambda: len(fragile.running) == 4)
                fragile.reject = lambda _: True
                tasks.start_soon(life.aclose)
        assert len(outcomes) == 8
        assert all(isinstance(outcome, GenerateResult) for outcome in outcomes.values())
        before = len(fragile.prompts)
        fragile.held, fragile.reject = False, lambda _: False
        await stack.enter_async_context(fragile.serve(port))
        with anyio.fail_after(20):
            while len(fragile.prompts) == before:
                more = [generate_request(Prefix(f"another {n}\n")) for n in range(4)]
                await pool.generate(more, outcomes.deliver)
                assert all(isinstance(outcomes[request], GenerateResult) for request in more)


async def test_requests_wait_for_the_only_server(policy_directory: Path) -> None:
    server, outcomes = ScriptedServer(policy_directory), Outcomes()
    async with AsyncExitStack() as stack:
        async with server.serve():
            port = int(server.address.rpartition(":")[2])
            pool = await stack.enter_async_context(RuntimePool([SglangRuntime(server.address)], probe_seconds=0.02))
        request = generate_request(Prefix("problem\n"))
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(pool.generate, [request], outcomes.deliver)
            await anyio.wait_all_tasks_blocked()
            assert not outcomes
            await stack.enter_async_context(server.serve(port))
        assert isinstance(outcomes[request], GenerateResult)


async def test_calls_share_a_pool_and_whoever_leaves_last_closes_it(policy_directory: Path) -> None:
    """Each call opens it in a task of its own, and the first to come is not the last to go."""
    async with ScriptedServer(policy_directory).serve() as server:
        pool = RuntimePool([SglangRuntime(server.address)])
        runs: dict[int, Run] = {}

        async def one(count: int) -> None:
            runs[count] = await solve_dataset(
                load_problems("arithmetic", limit=count),
                Rebase(width=4),
                policy=pool,
                reward=pool,
                options=SolveOptions(reward_format="lines"),
            )

        async with anyio.create_task_group() as tasks:
            for count in (1, 6, 3):
                tasks.start_soon(one, count)
        assert {count: run.solved for count, run in runs.items()} == {1: 1, 6: 6, 3: 3}
        async with pool:  # and it can be opened again
            assert pool.capabilities.model == str(policy_directory)


async def test_who_opens_what_is_being_closed_finds_it_open(policy_directory: Path) -> None:
    outcomes = Outcomes()
    async with ScriptedServer(policy_directory).serve() as server:
        pool = RuntimePool([SglangRuntime(server.address)])
        request = generate_request(Prefix("problem\n"))
        async with anyio.create_task_group() as tasks:

            async def open_and_use() -> None:
                async with pool:
                    await pool.generate([request], outcomes.deliver)

            async with pool:
                pass_on = anyio.Event()

                async def when_it_closes() -> None:
                    pass_on.set()
                    await open_and_use()

                tasks.start_soon(when_it_closes)
                await pass_on.wait()
        assert outcomes.generated(request).text


async def test_a_server_of_another_model_is_never_used(policy_directory: Path, reward_directory: Path) -> None:
    outcomes = Outcomes()
    async with AsyncExitStack() as stack:
        right = await stack.enter_async_context(ScriptedServer(policy_directory).serve())
        wrong = await stack.enter_async_context(ScriptedServer(reward_directory).serve())
        members = [SglangRuntime(right.address), SglangRuntime(wrong.address)]
        with pytest.raises(RuntimeGone, match="different models"):
            async with RuntimePool(members):
                pass
        # Nor if it comes up later, in the place of one that was down.
        port = wrong.address.rpartition(":")[2]
    async with AsyncExitStack() as stack:
        right = await stack.enter_async_context(ScriptedServer(policy_directory).serve())
        members = [SglangRuntime(right.address), SglangRuntime(f"http://127.0.0.1:{port}")]
        pool = await stack.enter_async_context(RuntimePool(members, probe_seconds=0.0))
        wrong = await stack.enter_async_context(ScriptedServer(reward_directory).serve(int(port)))
        with anyio.fail_after(20):
            while not wrong.asked:
                await pool.generate([generate_request(Prefix(f"problem {len(outcomes)}\n"))], outcomes.deliver)
        requests = [generate_request(Prefix(f"another {number}\n")) for number in range(20)]
        await pool.generate(requests, outcomes.deliver)
        assert all(outcomes.generated(request).text for request in requests)
        assert not wrong.prompts


async def test_patience_ends(policy_directory: Path) -> None:
    server, outcomes = ScriptedServer(policy_directory), Outcomes()
    async with AsyncExitStack() as stack:
        async with server.serve():
            port = int(server.address.rpartition(":")[2])
            members = [SglangRuntime(server.address)]
            pool = await stack.enter_async_context(RuntimePool(members, patience_seconds=0.2, probe_seconds=0.02))
        request = generate_request(Prefix("problem\n"))
        await pool.generate([request], outcomes.deliver)
        assert isinstance(outcomes[request], RuntimeGone)
        await stack.enter_async_context(server.serve(port))
        again = generate_request(Prefix("problem\n"))
        await pool.generate([again], outcomes.deliver)
        assert outcomes.generated(again).text


async def test_what_waits_for_a_server_can_be_given_up(policy_directory: Path) -> None:
    server, outcomes = ScriptedServer(policy_directory), Outcomes()
    async with AsyncExitStack() as stack:
        async with server.serve():
            port = int(server.address.rpartition(":")[2])
            pool = await stack.enter_async_context(RuntimePool([SglangRuntime(server.address)], probe_seconds=0.02))
        given_up, kept = (generate_request(Prefix(f"problem {number}\n")) for number in range(2))
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(pool.generate, [given_up, kept], outcomes.deliver)
            await until(lambda: given_up in pool._waiting)
            await pool.abort([given_up])
            assert isinstance(outcomes[given_up], RequestAborted)
            await stack.enter_async_context(server.serve(port))
        assert isinstance(outcomes[kept], GenerateResult)
        assert len(server.prompts) == 1


async def test_a_host_that_takes_no_connection_is_unreachable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("runtimes.http._CONNECT_SECONDS", 0.2)
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen(0)
        port = listening.getsockname()[1]
        with ExitStack() as waiting:
            for _ in range(4):  # nobody accepts them, so that no further one is answered
                one = waiting.enter_context(socket.socket())
                one.setblocking(False)
                one.connect_ex(("127.0.0.1", port))
            async with JsonSession(f"http://127.0.0.1:{port}") as session:
                with pytest.raises(ServerUnreachable, match=r"no connection in 0\.2 s"):
                    await session.get("/model_info")


async def test_an_error_that_is_null_is_none(policy_directory: Path) -> None:
    async def handler(_: web.Request) -> web.Response:
        return web.json_response({"error": None, "value": 1})

    application = web.Application()
    application.router.add_get("/", handler)
    async with TestServer(application) as server, JsonSession(str(server.make_url("")).rstrip("/")) as session:
        assert await session.get("/") == {"error": None, "value": 1}


async def test_what_is_no_server_is_said_so() -> None:
    with pytest.raises(ModelError, match="cannot be reached"):
        await solve_dataset([], Sampling(scored=False), policy="sglang:127.0.0.1:9")
    with pytest.raises(ModelError, match="names no server"):
        await solve_dataset([], Sampling(scored=False), policy="sglang:,")
    with pytest.raises(ModelError, match="is no address"):
        await solve_dataset([], Sampling(scored=False), policy="sglang:http://[")
