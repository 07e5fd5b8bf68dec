"""Each benchmark at toy size: the shape of its tables, never its times."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
import pytest

from benchmarks.browser import HOW_TO_GET_IT, find_browser
from benchmarks.sglang import Pair, servers
from benchmarks.tables import README, filled

ROOT = Path(__file__).parent.parent


@dataclass(frozen=True, slots=True)
class Tables:
    """What a benchmark printed and wrote: its tables by their headings' first words."""

    printed: str
    record: dict[str, Any]

    def columns(self, number: int, heading: str) -> list[str]:
        """A column of a table."""
        table = self.record["tables"][number]
        return [row[table["headings"].index(heading)] for row in table["rows"]]


def run(name: str, output: Path, *arguments: str) -> Tables:
    """Run a benchmark."""
    done = subprocess.run(
        [sys.executable, "-m", f"benchmarks.{name}", *arguments, "--output", str(output)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    tables = Tables(done.stdout, orjson.loads(output.read_bytes()))
    assert tables.record["benchmark"] == name
    assert {"processor", "cores", "python", "packages"} <= tables.record["machine"].keys()
    for table in tables.record["tables"]:
        assert {len(row) for row in table["rows"]} == {len(table["headings"])}
    return tables


@pytest.fixture
def output(tmp_path: Path) -> Path:
    return tmp_path / "tables.json"


@pytest.fixture
def fitted(tmp_path: Path) -> Callable[[float], str]:
    """A file as `benchmarks.fit` writes it, of a server that takes so many seconds for a step."""

    def write(seconds: float) -> str:
        path = tmp_path / "fit.json"
        names = ["step_seconds", "sequence_seconds", "pass_seconds", "prefill_seconds"]
        times = dict.fromkeys(names, seconds)
        path.write_bytes(orjson.dumps({"tables": [{"samples": times}]}))
        return str(path)

    return write


def test_the_readme_has_the_latest_tables() -> None:
    assert filled(README.read_text(encoding="utf-8")) == README.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["makespan", "--searches", "0"], "--searches"),
        (["makespan", "--server", "nowhere.json"], "nowhere.json"),
        (["makespan", "--server", "pyproject.toml"], "benchmarks.fit"),
        (["overhead", "--finished", "200"], "--finished"),
        (["ordering", "--output", "benchmarks"], "benchmarks"),
        (["fit", "http://127.0.0.1:9"], "cannot be reached"),
        (["sglang_delivery", "http://127.0.0.1:9"], "127.0.0.1:9"),
        (["sglang", "http://127.0.0.1:9"], "reward"),
        (["sglang", "--width", "6"], "multiple"),
        (["gpu", "--device", "tpu"], "--device"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_what_is_wrong_is_said_before_anything_is_measured(arguments: list[str], said: str, output: Path) -> None:
    name, *others = arguments
    rest = [] if "--output" in others else ["--output", str(output)]
    done = subprocess.run(
        [sys.executable, "-m", f"benchmarks.{name}", *others, *rest],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert said in done.stderr
    assert "Traceback" not in done.stderr
    assert not output.exists()


def test_local(output: Path) -> None:
    found = run("local", output, "--problems", "1", "--repeats", "1")
    assert found.columns(0, "type") == ["float32", "float64"]
    assert "1 problems x 16 samples" in found.printed


def test_ets(output: Path) -> None:
    found = run("ets", output, "--sizes", "4", "--sizes", "8", "--rounds", "2")
    assert found.columns(0, "candidates") == ["4", "8"]


def test_heads(output: Path, tmp_path: Path) -> None:
    plot = tmp_path / "heads.svg"
    found = run("heads", output, "--solutions", "24", "--steps", "2", "--plot", str(plot))
    assert len(found.columns(0, "head")) == 4
    assert plot.read_text().startswith("<?xml")


def test_step_labels(output: Path) -> None:
    found = run("step_labels", output, "--problems", "4", "--width", "2", "--rollouts", "2", "--steps", "2")
    assert found.columns(0, "labels") == ["rollouts, hard", "rollouts, soft", "computed"]
    assert found.columns(0, "agree with computed")[2] == "100.0%"


@pytest.mark.skipif(find_browser() is None, reason=HOW_TO_GET_IT)
def test_report_page(output: Path) -> None:
    found = run("report_page", output, "--problems", "3", "--problems", "5", "--width", "4", "--repeats", "1")
    assert found.columns(0, "problems") == ["3", "5"]
    assert [int(nodes) > 20 for nodes in found.columns(0, "nodes")] == [True, True]


def test_journal(output: Path, fitted: Callable[[float], str]) -> None:
    sizes = ["--problems", "2", "--searches", "1", "--repeats", "1", "--nodes", "200"]
    found = run("journal", output, *sizes, "--server", fitted(1e-5))
    for number in (0, 1):
        assert found.columns(number, "the disk is made to take it") == [
            *("in memory", "never", "every 0.1 s", "each block")
        ]
    assert len(found.columns(2, "steps")) == 8


def test_overhead(output: Path) -> None:
    sizes = ["--in-flight", "2", "--in-flight", "4", "--widths", "4", "--repeats", "1", "--finished", "250"]
    found = run("overhead", output, *sizes)
    assert found.columns(0, "problems in flight") == ["2", "4"]
    assert found.columns(1, "width") == ["4"]
    assert len(found.columns(2, "bytes per open node")) == 2
    assert found.columns(3, "problems") == ["250"]


def test_makespan(output: Path) -> None:
    found = run("makespan", output, "--searches", "2", "--rows", "16", "--least", "4")
    for number in (0, 1):
        assert found.columns(number, "who waits") == [
            *("8 threads", "a thread a problem", "batches", "semaphore"),
            *("asyncsearch", "asyncsearch, speculative", "flood"),
        ]
        assert set(found.columns(number, "same answers")) == {"yes", ""}


def test_makespan_on_a_server_that_was_fitted(output: Path, fitted: Callable[[float], str]) -> None:
    found = run("makespan", output, "--searches", "1", "--rows", "16", "--least", "1", "--server", fitted(1.0))
    assert all(float(seconds.replace(",", "")) > 100 for seconds in found.columns(0, "s"))


def test_ordering(output: Path) -> None:
    sizes = ["--searches", "4", "--width", "4", "--in-flight", "2", "--rows", "8", "--kv-tokens", "5000"]
    found = run("ordering", output, *sizes)
    assert found.columns(0, "first goes") == [
        *("first come", "oldest problem", "deepest tree", "shortest remaining", "newest prefix")
    ]


def test_limits(output: Path, tmp_path: Path) -> None:
    plot = tmp_path / "limits.svg"
    sizes = ["--rooms", "20", "--kv-tokens", "9000", "--kv-tokens", "90000", "--searches", "10", "--plot", str(plot)]
    found = run("limits", output, *sizes)
    assert found.columns(0, "room") == ["20"] * 5
    assert found.columns(1, "tokens cached") == ["9,000", "9,000", "90,000", "90,000"]
    assert "One problem, mean" in plot.read_text()


def test_gpu(output: Path) -> None:
    sizes = ["--device", "cpu", "--searches", "1", "--width", "4", "--rows", "4", "--repeats", "1", "--no-sglang"]
    found = run("gpu", output, *sizes)
    assert found.columns(0, "who asks") == [
        *("asyncsearch", "flood", "transformers, continuous batching", "transformers, static batches")
    ]


@pytest.fixture(scope="module")
def pair() -> Iterator[Pair]:
    """Real servers, as `benchmarks.sglang` starts them."""
    with servers(31700, ()) as started:
        yield started


@pytest.mark.sglang
def test_sglang(output: Path, pair: Pair) -> None:
    sizes = ["--problems", "2", "--width", "4", "--repeats", "1"]
    found = run("sglang", output, pair.policy, pair.reward, *sizes)
    assert found.columns(0, "who asks") == ["asyncsearch", "flood", "sgl.function, 8 threads"]
    assert found.columns(1, "who asks") == ["asyncsearch", "flood", "its_hub"]
    assert found.columns(0, "tokens")[0] == found.columns(0, "tokens")[1]


@pytest.mark.sglang
def test_fit(output: Path, pair: Pair) -> None:
    found = run("fit", output, pair.policy, "--batches", "1", "--batches", "4", "--repeats", "1")
    assert found.columns(0, "sequences") == ["1", "4"]
    assert len(found.columns(1, "prompts")) == 6


@pytest.mark.sglang
def test_sglang_delivery(output: Path, pair: Pair) -> None:
    found = run("sglang_delivery", output, pair.policy, "--sequences", "4", "--repeats", "1")
    assert found.columns(0, "what") == ["steps generated", "solutions generated", "steps scored"]


@pytest.mark.sglang
def test_sglang_abort(output: Path, pair: Pair) -> None:
    found = run("sglang_abort", output, pair.policy, "--requests", "4", "--repeats", "1")
    assert found.columns(0, "how") == ["abort requests", "hang up"]


@pytest.mark.sglang
def test_gpu_with_sglang(output: Path) -> None:
    sizes = ["--device", "cpu", "--searches", "1", "--width", "4", "--rows", "4", "--repeats", "1", "--sglang"]
    found = run("gpu", output, *sizes)
    assert found.columns(1, "who asks") == ["asyncsearch", "flood"]


def test_references_are_themselves_and_not_their_neighbours(tmp_path: Path, output: Path) -> None:
    references = ["18", "\\frac{1}{2}", "(3, \\frac{\\pi}{2})", "\\text{Evelyn}", "2,3", "\\$1,234"]
    records = [{"problem": f"p{number}", "answer": answer} for number, answer in enumerate(references)]
    (tmp_path / "some.jsonl").write_bytes(b"\n".join(map(orjson.dumps, records)))
    tables = run("grading", output, str(tmp_path / "some.jsonl"))
    assert tables.columns(0, "different references") == ["6"]
    for column, least in (("the same", 78 + 20), ("not the same", 30)):  # 13 each, and the other spellings
        ((right, made),) = (cell.split(" of ") for cell in tables.columns(0, column))
        assert right == made
        assert int(made) > least
    assert tables.columns(0, "raised") == ["0"]
