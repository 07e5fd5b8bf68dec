"""How large the report's page is, and how soon a browser has it.

    python -m benchmarks.report_page [--problems N]... [--width N] [--repeats N] [--output FILE]

Runs of REBASE on models that answer at once, whose steps are as long as MATH's: words in no order, which compress worse
than sentences. Each page is opened in a Chromium without a screen. What is measured there are milliseconds from the
beginning of its loading until the list of problems can be used, and until the file's last byte is read; from a choice
in the list until the tree is drawn, of trees all over the page; and from a letter in the search field until the list
is another one.
"""

from __future__ import annotations

import asyncio
import random
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Annotated

import typer
from selenium.webdriver import Chrome
from selenium.webdriver.support.ui import WebDriverWait

from asyncsearch import ConfigurationError, Problem, Rebase, SolveOptions, load_problems, solve_dataset
from asyncsearch.report.page.run_data import read_run
from asyncsearch.report.page.writing import write_page
from benchmarks.browser import HOW_TO_GET_IT, Browser, find_browser, open_browser
from benchmarks.command import run
from benchmarks.instant import InstantRuntime
from benchmarks.measuring import Report, Spread
from runtimes.base import Deliver, FinishReason, GenerateRequest, GenerateResult, Usage

__all__ = ["main"]

_WORDS = 55
"""Of a step: about 80 tokens."""

_TREES = 20
"""That are looked at in each page."""

_PATIENCE = 60.0

_CHOOSE = """
const [problem, done] = arguments;
const place = document.getElementById("problem");
const begun = performance.now();
new MutationObserver((_, observer) => {
  if (place.dataset.problem !== problem) return;
  observer.disconnect();
  requestAnimationFrame(() => setTimeout(() => done(performance.now() - begun)));
}).observe(place, { attributes: true });
history.replaceState(null, "", `#problem=${problem}`);
dispatchEvent(new PopStateEvent("popstate"));
"""

_SEARCH = """
const [words, done] = arguments;
const search = document.getElementById("search");
const begun = performance.now();
search.value = words;
search.dispatchEvent(new Event("input"));
requestAnimationFrame(() => setTimeout(() => done(performance.now() - begun)));
"""

_LOADED = "return performance.getEntriesByType('navigation')[0].loadEventEnd"


class _Wordy(InstantRuntime):
    """Writes steps of many words; ``written`` are their characters."""

    def __init__(self) -> None:
        super().__init__()
        self.written = 0

    async def generate(self, requests: Sequence[GenerateRequest], deliver: Deliver) -> None:
        """See `runtimes.base.Runtime.generate`."""
        for request in requests:
            source = random.Random(request.seed)
            step = int(request.stop[0].removeprefix("Step ")) - 1
            text = f"Step {step}: {' '.join(source.choices(_vocabulary(), k=_WORDS))}\n"
            last = step == 3 or (step == 2 and source.random() < 1 / 2)
            if last:
                text += f"The answer is: {source.randrange(8)}"
            self.written += len(text)
            finish = FinishReason.END if last else FinishReason.STOP
            usage = Usage(prompt_tokens=200, cached_tokens=180, generated_tokens=80)
            deliver(request, GenerateResult(prefix=request.prefix.extend(text), finish=finish, usage=usage))


@cache
def _vocabulary() -> list[str]:
    return " ".join(problem.text for problem in load_problems("arithmetic")).split()


@dataclass(slots=True)
class _Times:
    """Milliseconds."""

    usable: list[float] = field(default_factory=list)
    loaded: list[float] = field(default_factory=list)
    tree: list[float] = field(default_factory=list)
    search: list[float] = field(default_factory=list)

    def measure(self, driver: Chrome, page: Path, problems: int) -> None:
        """Open a page, and look around in it."""
        driver.get("about:blank")
        driver.get(page.as_uri())
        wait = WebDriverWait(driver, _PATIENCE)
        ready = wait.until(lambda driver: driver.execute_script("return document.body.dataset.ready"))
        loaded = wait.until(lambda driver: driver.execute_script(_LOADED))
        self.usable.append(float(ready))
        self.loaded.append(float(loaded))
        for number in range(0, problems, max(problems // _TREES, 1)):
            self.tree.append(driver.execute_async_script(_CHOOSE, f"p{number}"))
        for words in ("t", "to", "tom", ""):
            self.search.append(driver.execute_async_script(_SEARCH, words))


def _solve(folder: Path, problems: int, width: int) -> tuple[int, int]:
    """Make a run; the nodes of it, and the characters of their texts."""
    words = _vocabulary()
    source = random.Random(0)
    chosen = [
        Problem(id=f"p{number}", text=" ".join(source.choices(words, k=40)), answer="1") for number in range(problems)
    ]
    policy = _Wordy()
    done = asyncio.run(
        solve_dataset(
            chosen,
            Rebase(width=width),
            policy=policy,
            reward=_Wordy(),
            run_dir=folder,
            options=SolveOptions(reward_format="lines", durability=None),
        )
    )
    return done.statistics.generate.settled, policy.written


def _row(browser: Browser, folder: Path, problems: int, width: int, repeats: int) -> list[str]:
    nodes, text = _solve(folder / "run", problems, width)
    begun = time.perf_counter()
    page = write_page(folder / "report", [asyncio.run(read_run(folder / "run", name="run"))])
    written = time.perf_counter() - begun
    times = _Times()
    with open_browser(browser) as driver:
        for _ in range(repeats):
            times.measure(driver, page, problems)
    size = page.stat().st_size
    return [
        f"{problems:,}",
        f"{nodes:,}",
        f"{text / 1e6:.1f}",
        f"{size / 1e6:.1f}",
        f"{size / text:.2f}",
        f"{written:.1f}",
        *(f"{Spread.of(found):.0f}" for found in (times.usable, times.loaded, times.tree, times.search)),
    ]


def main(
    problems: Annotated[
        list[int] | None, typer.Option(min=1, help="Problems of a run. [default: 200 and 2,000]")
    ] = None,
    width: Annotated[int, typer.Option(min=1, help="Of each search; a leaf takes two and a half nodes.")] = 40,
    repeats: Annotated[int, typer.Option(min=1, help="Times that each page is opened.")] = 5,
    output: Annotated[Path | None, typer.Option(help="Where the tables are written as JSON.")] = None,
) -> None:
    """Print the tables."""
    browser = find_browser()
    if browser is None:
        raise ConfigurationError(f"this {HOW_TO_GET_IT}")
    report = Report("report_page", output)
    rows = []
    for count in problems or (200, 2000):
        with tempfile.TemporaryDirectory() as name:
            rows.append(_row(browser, Path(name), count, width, repeats))
    headings = ["problems", "nodes", "texts, MB", "page, MB", "of the texts", "written in, s"]
    headings += ["usable, ms", "loaded, ms", "a tree, ms", "a search, ms"]
    report.add(f"one run of REBASE, width {width}", headings, rows)


if __name__ == "__main__":
    run(main)
