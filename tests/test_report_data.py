"""What the report's page is made of: trees, votes and figures as they were, made small, and a page that holds them."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import shutil
from collections.abc import Callable, Sequence
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import orjson
import pytest
from command_line import command
from hypothesis import given
from hypothesis import strategies as st

from asyncsearch import (
    Candidate,
    JournalError,
    Problem,
    RunDirectoryError,
    Sampling,
    SolveOptions,
    Strategy,
    make_strategy,
    solve_dataset,
    strategy_names,
)
from asyncsearch.answers import Grader
from asyncsearch.answers.voting import VOTES
from asyncsearch.election import elect, gather_voters
from asyncsearch.errors import GradingError
from asyncsearch.journal import read_journal
from asyncsearch.journal.blocks import BlockReader
from asyncsearch.regrowth import Regrowth, voting_leaves
from asyncsearch.report.page.packing import pack, unpack
from asyncsearch.report.page.run_data import RunData, read_run
from asyncsearch.report.page.votes import count_votes
from asyncsearch.report.page.writing import Plot, write_page
from asyncsearch.run_directory import read_config, read_results
from asyncsearch.tree import Tree
from runtimes.simulated import Faults, SimulatedRuntime
from runtimes.virtual_clock import run_virtual

PROBLEMS = [Problem(id=f"p{number}", text=f"problem {number}", answer=str(number % 5)) for number in range(8)]

EVERY = [
    Sampling(width=8),
    Sampling(width=4, scored=False),
    *(make_strategy(name, {"width": 8}) for name in strategy_names() if ":" not in name and name != "sampling"),
    make_strategy("beam", {"width": 8, "lookahead": 2}),
    make_strategy("early-stop:rebase", {"width": 16, "confidence": 0.8}),
    make_strategy("speculative:beam", {"width": 8}),
    make_strategy("rebase", {"width": 8, "max_tokens": 60}),
]

FAULTS = Faults(rejected=0.05, retryable=0.05)


def run(path: Path, strategy: Strategy, *, faults: Faults = FAULTS) -> Path:
    runtime = SimulatedRuntime(faults=faults)
    options = SolveOptions(durability=None, policy_parameters=1e9, reward_parameters=1e9)
    run_virtual(
        lambda: solve_dataset(PROBLEMS, strategy, policy=runtime, reward=runtime, run_dir=path, options=options)
    )
    return path


def read(path: Path, *, most: int | None = None) -> RunData:
    return asyncio.run(read_run(path, name="run", most=most))


def trees(data: RunData) -> list[dict[str, Any]]:
    return [tree for block in data.blocks for tree in unpack(block)]


def lineage(tree: dict[str, Any], node: int) -> list[int]:
    nodes = []
    while node > 0:
        nodes.append(node)
        node = tree["parent"][node]
    return nodes[::-1]


def solution(tree: dict[str, Any], node: int) -> str:
    return "".join(tree["texts"][number] for each in lineage(tree, node) for number in tree["steps"][each])


def regrown(path: Path, *, strategy: str | None = None) -> dict[str, Tree]:
    """The trees of a run, by its own strategy or one of another name."""

    async def main() -> dict[str, Tree]:
        config = read_config(path)
        results = {result.id: result for result in read_results(path)}
        async with SolveOptions(grader=config["grader"]).make_grader() as grader:
            regrowth = Regrowth(config if strategy is None else {**config, "strategy": strategy}, grader)
            return {
                problem.id: await regrowth.tree_of(problem, nodes, results[problem.id].candidates)
                for problem, nodes in read_journal(path / "journal.bin")
            }

    return asyncio.run(main())


TEXTS = st.text(st.characters(exclude_categories=()), max_size=20)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False) | TEXTS,
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(TEXTS, inner, max_size=5),
)


@given(VALUES)
def test_what_is_packed_is_unpacked_again(value: Any) -> None:
    assert unpack(pack(value)) == value


def test_what_was_not_packed_is_refused() -> None:
    with pytest.raises(ValueError, match="cannot be decompressed"):
        unpack(b"nothing")


class Words(Grader):
    """Compares answers without case."""

    async def equal(self, left: str, right: str) -> bool:
        return left.lower() == right.lower()


CANDIDATES = st.lists(
    st.builds(
        lambda answer, scores, multiplicity: Candidate(
            text="", answer=answer, truncated=False, tokens=1, step_scores=tuple(scores), multiplicity=multiplicity
        ),
        st.sampled_from([None, "a", "A", "b", "c"]),
        st.lists(st.sampled_from([0.0, 0.25, 0.5, 1.0]), max_size=2),
        st.integers(1, 3),
    ),
    max_size=6,
)
ASKED = Problem(id="p", text="which?", answer="B")


@given(CANDIDATES, st.sampled_from(VOTES))
def test_votes_are_counted_as_the_search_counted_them(candidates: list[Candidate], vote: str) -> None:
    grader = Words()
    count = asyncio.run(count_votes(ASKED, candidates, grader, vote=vote, aggregation="last"))
    answer = elect(asyncio.run(gather_voters(candidates, grader)), vote, "last")
    assert (None if count.chosen is None else candidates[count.chosen].answer) == answer
    assert len(count.group_of) == len(candidates)
    assert sum(group.votes for group in count.groups) == sum(
        each.multiplicity for each in candidates if each.answer is not None
    )
    assert all((group is None) == (each.answer is None) for group, each in zip(count.group_of, candidates, strict=True))
    assert [group.right for group in count.groups] == [group.answer == "b" for group in count.groups]
    if count.winner is None:
        assert (count.margin, count.is_tie, count.found) == (None, False, None)
        return
    weights = [group.weight for group in count.groups]
    assert weights[count.winner] == max(weights)
    assert count.is_tie == (weights.count(max(weights)) > 1)
    assert count.margin is not None
    assert 0 <= count.margin <= 1
    assert count.found == any(group.right for group in count.groups)


class Broken(Words):
    def __init__(self, error: Exception) -> None:
        self.error = error

    async def equal(self, left: str, right: str) -> bool:
        raise self.error


def test_a_grader_that_fails_leaves_no_votes() -> None:
    candidates = [Candidate(text="", answer=answer, truncated=False, tokens=1) for answer in "ab"]
    count = asyncio.run(
        count_votes(ASKED, candidates, Broken(ValueError("broken")), vote="majority", aggregation="last")
    )
    assert (count.groups, count.group_of, count.chosen) == ((), (None, None), None)
    with pytest.raises(GradingError):
        asyncio.run(count_votes(ASKED, candidates, Broken(GradingError("gone")), vote="majority", aggregation="last"))


@pytest.mark.parametrize("strategy", EVERY, ids=lambda strategy: f"{strategy.full_name}-{strategy.max_tokens}")
def test_the_page_has_the_run(tmp_path: Path, strategy: Strategy) -> None:
    """Its nodes, tokens, votes and answers, for every strategy, with nodes that failed."""
    path = run(tmp_path / "run", strategy)
    data = read(path)
    results = {result.id: result for result in read_results(path)}
    grown = regrown(path)
    assert data.unreadable is None
    assert [problem.id for problem in data.problems] == [result.id for result in results.values()]
    assert sum(outcome.correct is True for outcome in data.outcomes) == sum(
        one.correct is True for one in results.values()
    )
    for problem, outcome, tree in zip(data.problems, data.outcomes, trees(data), strict=True):
        result, whole = results[problem.id], grown[problem.id]
        size = len(tree["parent"])
        assert outcome.nodes == size - 1 == sum(1 for _ in whole.all_nodes())
        assert {len(tree[name]) for name in ("draw", "state", "role", "steps", "scores", "group", "served")} == {size}
        assert all(parent < node for node, parent in enumerate(tree["parent"]))
        assert len(set(tree["texts"])) == len(tree["texts"])
        policy, reward = result.accounts.policy, result.accounts.reward
        assert sum(tree["generated"]) == policy.generated_tokens == outcome.generated
        assert sum(tree["prompted"]) == policy.prompt_tokens
        assert sum(tree["cached"]) == policy.cached_tokens
        assert sum(tree["read"]) == reward.prompt_tokens == outcome.read
        assert sum(tree["wasted"]) == sum(model.aborted_tokens + model.failed_tokens for model in (policy, reward))
        assert outcome.cost == result.accounts.flops
        assert len(tree["errors"]) == tree["state"].count("f") == sum(1 for node in whole.all_nodes() if node.error)
        assert sum(group["votes"] for group in tree["groups"]) == sum(
            candidate.multiplicity for candidate in result.candidates if candidate.answer is not None
        )
        chosen = tree["chosen"]
        if result.answer is None:
            assert chosen == -1
            continue
        assert tree["state"][chosen] == "a"
        assert chosen not in tree["parent"], "it is a leaf"
        assert tree["texts"][tree["answer"][chosen]] == result.answer
        winner = tree["groups"][tree["group"][chosen]]
        assert winner["weight"] == max(group["weight"] for group in tree["groups"])
        assert winner["right"] == result.correct
        assert solution(tree, chosen) in {candidate.text for candidate in result.candidates}


def test_a_tree_is_drawn_from_what_was_given_up_and_looked_at(tmp_path: Path) -> None:
    stopped = trees(
        read(run(tmp_path / "stopped", make_strategy("early-stop:rebase", {"width": 16, "confidence": 0.8})))
    )
    assert any("p" in tree["state"] for tree in stopped)
    beam = trees(read(run(tmp_path / "beam", make_strategy("beam", {"width": 8, "lookahead": 2}))))
    assert all(tree["draw"][node] == -1 for tree in beam for node, role in enumerate(tree["role"]) if role == "g")
    assert any("g" in tree["role"] for tree in beam)
    ahead = trees(read(run(tmp_path / "ahead", make_strategy("speculative:rebase", {"width": 16}))))
    assert any("d" in tree["role"] for tree in ahead)
    filtered = trees(read(run(tmp_path / "filtered", make_strategy("particle-filter", {"width": 16}))))
    assert any(votes > 1 for tree in filtered for votes in tree["votes"].values())
    cut = trees(read(run(tmp_path / "cut", make_strategy("rebase", {"width": 8, "max_tokens": 60}))))
    assert any("t" in tree["state"] for tree in cut)


def test_steps_of_whole_solutions_are_told_apart(tmp_path: Path) -> None:
    for tree in trees(read(run(tmp_path / "run", Sampling(width=8), faults=Faults()))):
        assert all(len(steps) == len(scores) for steps, scores in zip(tree["steps"], tree["scores"], strict=True))
        assert max(map(len, tree["steps"])) > 1
        assert all(tree["texts"][number].startswith("Step ") for steps in tree["steps"] for number in steps)


@pytest.mark.parametrize("strategy", EVERY, ids=lambda strategy: f"{strategy.full_name}-{strategy.max_tokens}")
def test_without_its_strategy_a_tree_is_what_is_recorded(tmp_path: Path, strategy: Strategy) -> None:
    """Every recorded node is what it was, and the leaves vote as the result says."""
    path = run(tmp_path / "run", strategy)
    recorded = {problem.id: nodes for problem, nodes in read_journal(path / "journal.bin")}
    own, other = regrown(path), regrown(path, strategy="no-such-strategy")
    for problem in PROBLEMS:
        known = recorded[problem.id]
        ours = {
            node.path: (node.state, node.text, node.step_scores, node.tokens, node.error)
            for node in own[problem.id].all_nodes()
            if node.path in known
        }
        theirs = {
            node.path: (node.state, node.text, node.step_scores, node.tokens, node.error)
            for node in other[problem.id].all_nodes()
            if node.path in known
        }
        assert theirs == ours
        assert [(leaf.solution(), leaf.multiplicity) for leaf in voting_leaves(other[problem.id])] == [
            (leaf.solution(), leaf.multiplicity) for leaf in voting_leaves(own[problem.id])
        ]


def test_a_strategy_that_only_python_has_is_shown_all_the_same(tmp_path: Path) -> None:
    class Unnamed(Sampling):
        name = "unnamed"

    data = read(run(tmp_path / "run", Unnamed(width=4)))
    assert data.unreadable is None
    assert all(outcome.nodes == 4 for outcome in data.outcomes)


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return run(tmp_path_factory.mktemp("finished") / "run", make_strategy("rebase", {"width": 8}))


@pytest.fixture
def rebased(finished: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(finished, tmp_path / "run"))


def cut(path: Path, blocks: Callable[[Sequence[int]], int], results: int) -> None:
    """Leave so many results, and the journal up to one of its blocks."""
    journal = path / "journal.bin"
    with BlockReader(journal) as reader:
        offsets = [offset for offset, _ in reader]
    journal.write_bytes(journal.read_bytes()[: blocks(offsets)])
    lines = (path / "results.jsonl").read_bytes().splitlines(keepends=True)
    (path / "results.jsonl").write_bytes(b"".join(lines[:results]))


def test_an_unfinished_run_is_shown_as_far_as_it_is(rebased: Path) -> None:
    cut(rebased, lambda offsets: offsets[len(offsets) // 2], 2)
    data = read(rebased)
    assert data.about["notes"] == ["6 of 8 problems are not finished."]
    assert [outcome.state for outcome in data.outcomes].count("u") == len(data.outcomes) - 2
    unfinished = [tree for tree, outcome in zip(trees(data), data.outcomes, strict=True) if outcome.state == "u"]
    assert any("p" in tree["state"] for tree in unfinished), "what was on its way is pending"
    assert any("a" in tree["state"] and tree["groups"] for tree in unfinished), "leaves that are there vote already"
    assert all(outcome.answer is None for outcome in data.outcomes if outcome.state == "u")


def test_without_its_journal_a_run_shows_its_solutions(rebased: Path) -> None:
    journal = rebased / "journal.bin"
    content = journal.read_bytes()
    journal.write_bytes(content[:-9] + bytes([content[-9] ^ 1]) + content[-8:])
    with pytest.raises(JournalError) as damaged:
        list(read_journal(journal))
    data = read(rebased)
    assert data.unreadable == str(damaged.value)
    assert data.about["notes"] == [f"There are no trees, and each solution is shown as one node: {damaged.value}"]
    for result, outcome, tree in zip(read_results(rebased), data.outcomes, trees(data), strict=True):
        assert outcome.answer == result.answer
        assert [solution(tree, node) for node in range(1, len(tree["parent"]))] == [
            one.text for one in result.candidates
        ]
        assert (tree["chosen"] > 0) == (result.answer is not None)


def test_a_result_that_the_journal_has_nothing_of_shows_its_solutions(rebased: Path) -> None:
    cut(rebased, lambda offsets: offsets[1], 8)  # its header alone is left
    data = read(rebased)
    assert data.unreadable is None
    assert len(data.outcomes) == 8
    assert all(tree["note"].startswith("The journal has nothing of this search") for tree in trees(data))


def test_the_first_problems_alone_may_be_shown(rebased: Path) -> None:
    data = read(rebased, most=3)
    assert len(data.problems) == len(data.outcomes) == len(trees(data)) == 3
    assert data.about["notes"] == ["The problems shown are the first 3; the figures are those of all."]
    assert data.about["figures"]["solved"] + data.about["figures"]["failed"] == 8


class Parsed(HTMLParser):
    """What a page is made of, as a browser reads it."""

    def __init__(self, page: str) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.contents: dict[str, list[str]] = {}
        self._open = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        self._open = tag if tag in ("script", "style", "title") else ""
        if self._open == "script" and dict(attrs).get("type"):
            self._open = f"#{dict(attrs)['id']}"

    def handle_endtag(self, tag: str) -> None:
        self._open = ""

    def handle_data(self, data: str) -> None:
        if self._open:
            self.contents.setdefault(self._open, []).append(data)

    def text(self, name: str) -> str:
        return "".join(self.contents[name])


def test_the_policy_of_the_page_lets_its_own_script_run_and_nothing_else(rebased: Path, tmp_path: Path) -> None:
    page = write_page(tmp_path / "report", [read(rebased)])
    parsed = Parsed(page.read_text(encoding="utf-8"))
    policy = next(
        each["content"] for tag, each in parsed.elements if each.get("http-equiv") == "Content-Security-Policy"
    )
    assert policy is not None
    rules = dict(rule.strip().split(" ", 1) for rule in policy.split(";"))
    assert rules.keys() == {"default-src", "script-src", "style-src", "img-src", "base-uri", "form-action"}
    assert {rules[name] for name in ("default-src", "base-uri", "form-action")} == {"'none'"}
    assert rules["img-src"] == "data:"
    for name in ("script", "style"):
        digest = base64.b64encode(hashlib.sha256(parsed.text(name).encode()).digest()).decode()
        assert rules[f"{name}-src"] == f"'sha256-{digest}'"
        assert len(parsed.contents[name]) == 1, "and there is one of it"
    addresses = [each[name] for _, each in parsed.elements for name in ("src", "href", "action") if name in each]
    assert addresses == ["data:,"]


def test_the_page_holds_what_it_was_given(rebased: Path, tmp_path: Path) -> None:
    data = read(rebased)
    other = replace(data, name="</script><b>", problems=(*data.problems[:-1], Problem(id="p7", text="another")))
    page = write_page(tmp_path / "report", [data, other], notes=["a note"])
    parsed = Parsed(page.read_text(encoding="utf-8"))
    summary = unpack(base64.b64decode(parsed.text("#summary")))
    assert summary["notes"] == ["a note"]
    assert [one["name"] for one in summary["runs"]] == ["run", "</script><b>"]
    assert summary["problems"]["text"] == [*(problem.text for problem in data.problems), "another"]
    assert summary["runs"][1]["outcomes"]["problem"] == [0, 1, 2, 3, 4, 5, 6, 8], "what has the same text is the same"
    assert unpack(base64.b64decode(parsed.text("#trees-1-0"))) == trees(data)
    assert parsed.text("title") == "asyncsearch: run, </script><b>"


def test_plots_are_pictures(rebased: Path, tmp_path: Path) -> None:
    drawing = '<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script><g id="figure_1"/></svg>'
    plots = [Plot('error & "FLOPs"', drawing), Plot("again", drawing)]
    page = write_page(tmp_path / "report", [read(rebased)], plots=plots).read_text(encoding="utf-8")
    assert "figure_1" not in page, "ids of one are not those of another"
    pictures = [attributes for tag, attributes in Parsed(page).elements if tag == "img"]
    assert [picture["alt"] for picture in pictures] == ['error & "FLOPs"', "again"]
    assert {base64.b64decode(str(picture["src"]).partition(",")[2]).decode() for picture in pictures} == {drawing}


def test_a_report_is_written_over_a_report_and_nothing_else(rebased: Path, tmp_path: Path) -> None:
    data = read(rebased)
    out = tmp_path / "report"
    before = write_page(out, [data]).read_bytes()
    assert write_page(out, [replace(data, name="again")]).read_bytes() != before
    (out / "index.html").write_text("somebody's own page")
    with pytest.raises(RunDirectoryError, match=r"index\.html: is there already, and no report"):
        write_page(out, [data])
    assert (out / "index.html").read_text() == "somebody's own page"
    assert [file.name for file in out.iterdir()] == ["index.html"]
    with pytest.raises(RunDirectoryError, match="cannot be written"):
        write_page(rebased / "config.json", [data])


def test_the_command_writes_a_page_and_says_where(rebased: Path, tmp_path: Path) -> None:
    shutil.copytree(rebased, tmp_path / "several" / "rebase")
    shutil.copytree(rebased, tmp_path / "several" / "again")
    done = command("report", "run", "several", "run", "--out", "report", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "report/index.html: 3 runs" in done.stdout
    shown = unpack(base64.b64decode(Parsed((tmp_path / "report/index.html").read_text()).text("#summary")))
    assert [one["name"] for one in shown["runs"]] == ["run", "again", "rebase"]
    (rebased / "journal.bin").unlink()
    partly = command("report", "run", "several/rebase", "--out", "report", "--problems", "2", cwd=tmp_path)
    assert partly.returncode == 1
    assert "run: its trees are not in the report: " in partly.stderr
    assert "report/index.html: 2 runs" in partly.stdout
    for arguments, said in (
        (("nowhere", "--out", "report"), "nowhere: does not exist"),
        (("run", "--out", "run/results.jsonl"), "results.jsonl: cannot be written"),
        (("run", "--out", "report", "--problems", "0"), "--problems"),
        (("run",), "--out"),
    ):
        refused = command("report", *arguments, cwd=tmp_path)
        assert refused.returncode == 2
        assert said in refused.stderr
        assert "Traceback" not in refused.stderr


def test_runs_of_one_name_are_told_apart(rebased: Path, tmp_path: Path) -> None:
    for name in ("one", "two"):
        shutil.copytree(rebased, tmp_path / name / "rebase")
    done = command("report", "one/rebase", "two/rebase", "--out", "report", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    shown = unpack(base64.b64decode(Parsed((tmp_path / "report/index.html").read_text()).text("#summary")))
    assert [one["name"] for one in shown["runs"]] == ["one/rebase", "two/rebase"]


def test_a_run_that_a_comparison_has_not_come_to_is_told(tmp_path: Path) -> None:
    solve = ("solve", "countdown", "--limit", "1", "--width", "1", "--out", "both", "--strategy", "sampling")
    assert command(*solve, "--strategy", "rebase", cwd=tmp_path).returncode == 0
    shutil.rmtree(tmp_path / "both" / "rebase")
    done = command("report", "both", "--out", "report", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    shown = unpack(base64.b64decode(Parsed((tmp_path / "report/index.html").read_text()).text("#summary")))
    assert shown["notes"] == ["both/rebase: not begun"]


def test_results_that_are_damaged_are_refused(rebased: Path, tmp_path: Path) -> None:
    (rebased / "results.jsonl").write_bytes(orjson.dumps({"id": 3}) + b"\n")
    done = command("report", "run", "--out", "report", cwd=tmp_path)
    assert done.returncode == 1
    assert "results.jsonl, line 1: damaged" in done.stderr
    assert not (tmp_path / "report").exists()
