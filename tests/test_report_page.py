"""The report's page in a real browser."""

from __future__ import annotations

import asyncio
import itertools
import os
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from selenium.common.exceptions import StaleElementReferenceException
from selenium.webdriver import ActionChains, Chrome, Keys
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.ui import Select, WebDriverWait

from asyncsearch import Candidate, Problem, SolveOptions, make_strategy, read_results, solve_dataset
from asyncsearch.evaluation import Method
from asyncsearch.regrowth import tree_of_candidates
from asyncsearch.report.page.packing import pack
from asyncsearch.report.page.run_data import Outcome, RunData, read_run
from asyncsearch.report.page.trees import tree_columns
from asyncsearch.report.page.votes import AnswerGroup, Count
from asyncsearch.report.page.writing import Plot, write_page
from asyncsearch.tree import Node, NodeState
from benchmarks.browser import HOW_TO_GET_IT, find_browser, open_browser
from runtimes.base import Prefix
from runtimes.simulated import Faults, SimulatedRuntime
from runtimes.virtual_clock import run_virtual

PATIENCE = 20.0
COMPARED = {"problem": "p3", "run": "stopped", "with": "beam"}
STRATEGIES = {
    "rebase": make_strategy("rebase", {"width": 12}),
    "stopped": make_strategy("early-stop:rebase", {"width": 16, "confidence": 0.8, "max_tokens": 90}),
    "beam": make_strategy("beam", {"width": 8, "lookahead": 1}),
}
OWN = {"stopped": ("majority", None)}
SUBJECTS = ("Algebra", "Geometry", "Number theory")
PROBLEMS = [
    Problem(
        id=f"p{number}",
        text=f"Problem number {number}, which is {'even' if number % 2 == 0 else 'odd'}: what is it?",
        answer=str(number % 5),
        level=str(1 + number % 5),
        subject=SUBJECTS[number % 3],
    )
    for number in range(60)
]


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Runs of three strategies, in which some nodes fail, are cut off or given up."""
    folder = tmp_path_factory.mktemp("runs")
    for name, strategy in STRATEGIES.items():
        vote = "majority" if name == "stopped" else "weighted"
        options = SolveOptions(vote=vote, durability=None, policy_parameters=1e9, reward_parameters=1e9)
        runtime = SimulatedRuntime(faults=Faults(rejected=0.06, retryable=0.05))
        run_virtual(
            partial(
                solve_dataset,
                PROBLEMS,
                strategy,
                policy=runtime,
                reward=runtime,
                run_dir=folder / name,
                options=options,
            )
        )
    return {name: folder / name for name in STRATEGIES}


@pytest.fixture(scope="module")
def read(runs: dict[str, Path]) -> list[RunData]:
    return [asyncio.run(read_run(path, name=name)) for name, path in runs.items()]


@pytest.fixture(scope="module")
def page(read: list[RunData], tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_page(tmp_path_factory.mktemp("report"), read)


@pytest.fixture(scope="module")
def driver() -> Iterator[Chrome]:
    browser = find_browser()
    if browser is None:
        (pytest.fail if os.environ.get("CI") else pytest.skip)(HOW_TO_GET_IT)
    with open_browser(browser) as driver:
        yield driver


class Page:
    """A page that is open, and what somebody does with it."""

    def __init__(self, driver: Chrome) -> None:
        self.driver = driver
        self._wait = WebDriverWait(driver, PATIENCE)

    def open(
        self,
        address: str,
        place: Mapping[str, str] | None = None,
        *,
        width: int = 1440,
        height: int = 900,
        scheme: str = "light",
    ) -> Page:
        """Open it anew, at a place."""
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
        features = [
            {"name": "prefers-color-scheme", "value": scheme},
            {"name": "prefers-reduced-motion", "value": "reduce"},
        ]
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})
        self.driver.get("about:blank")
        self.complaints()
        self.driver.get(f"{address}#{urlencode(place)}" if place else address)
        self.until("return document.body.dataset.ready")
        if place and "problem" in place:
            self.until_shown(place["problem"])
        return self

    def run(self, script: str, *arguments: Any) -> Any:
        return self.driver.execute_script(script, *arguments)

    def until(self, script: str, *arguments: Any) -> Any:
        """What a script comes to, once that is something."""
        return self._wait.until(lambda _: self.run(script, *arguments))

    def until_shown(self, problem: str) -> None:
        self.until("return document.getElementById('problem').dataset.problem === arguments[0]", problem)
        self.until("return !document.getElementById('problem').hidden")

    def get(self, selector: str) -> WebElement:
        return self._wait.until(lambda driver: driver.find_element(By.CSS_SELECTOR, selector))

    def all(self, selector: str) -> list[WebElement]:
        return self.driver.find_elements(By.CSS_SELECTOR, selector)

    def text(self, selector: str) -> str:
        return str(self.get(selector).get_property("textContent"))

    def choose(self, menu: str, name: str) -> None:
        Select(self.get(f"#{menu}")).select_by_visible_text(name)

    def press(self, *keys: str) -> None:
        for key in keys:
            ActionChains(self.driver).send_keys(key).perform()

    def click_row(self, row: int) -> None:
        """Click on one of the rows at the list's beginning, however often it is drawn anew meanwhile."""

        def click(_: Chrome) -> bool:
            self.all("#list .row")[row].click()
            return True

        WebDriverWait(self.driver, PATIENCE, ignored_exceptions=[StaleElementReferenceException]).until(click)

    def click_node(self, node: int, *, tree: int = 0) -> None:
        """Click on a node's shape."""
        shape = self.get(f"#tree{tree}-{node} .shape")
        ActionChains(self.driver).scroll_to_element(shape).move_to_element(shape).click().perform()

    def rows(self) -> list[str]:
        """The ids of the problems at the list's beginning."""
        ids = "return [...document.querySelectorAll('#list .row-id')].map((each) => each.textContent)"
        return [*self.run(ids)]

    def place(self) -> dict[str, str]:
        """What the address says."""
        return dict(self.run("return [...new URLSearchParams(location.hash.slice(1))]"))

    def selected(self, tree: int = 0) -> int:
        return int(str(self.get(f'#tree{tree} [aria-selected="true"]').get_attribute("data-node")))

    def count(self) -> str:
        return self.text("#count")

    def complaints(self) -> list[str]:
        """What the browser has logged."""
        return [entry["message"] for entry in self.driver.get_log("browser")]  # type: ignore[no-untyped-call]


@pytest.fixture
def opened(driver: Chrome, page: Path) -> Iterator[Page]:
    opened = Page(driver).open(page.as_uri())
    yield opened
    assert opened.complaints() == []


def test_it_opens_with_what_runs_these_are(opened: Page, read: list[RunData]) -> None:
    assert opened.text("#what") == "3 runs, 60 problems"
    names = [opened.run("return arguments[0].textContent", name) for name in opened.all(".runs tbody th > bdi")]
    assert names == [run.name for run in read]
    for run, row in zip(read, opened.all(".runs tbody tr"), strict=True):
        figures = run.about["figures"]
        own = next(
            each["accuracy"]
            for each in figures["accuracies"]
            if (each["vote"], each["aggregation"]) == OWN.get(run.name, ("weighted", "last"))
        )
        assert f"{own:.1%}" in row.text
        assert f"{figures['accounts']['policy']['generated_tokens']:,}" in row.text
    assert "width 12" in opened.text(".runs tbody")
    opened.get(".run-details summary").click()
    assert "softmax_temperature 0.2" in opened.text(".run-details .facts")
    assert "pass@k" in opened.text(".run-details .facts")
    groups = opened.all(".run-details:first-of-type .groups")
    rows = [[row.text.split()[0] for row in table.find_elements(By.CSS_SELECTOR, "tbody tr")] for table in groups]
    assert rows == [["1", "2", "3", "4", "5"], [*sorted({subject.split()[0] for subject in SUBJECTS})]]
    assert opened.count() == "60 problems"
    assert opened.rows()[:3] == ["p0", "p1", "p2"]
    assert len(opened.rows()) < 60, "rows that cannot be seen are not there"


def test_the_list_shows_every_problem_as_it_is_scrolled(opened: Page) -> None:
    seen: set[str] = set()
    while "p59" not in seen:
        rows = opened.rows()
        assert not seen or seen & {*rows}, "no row is passed over"
        seen.update(rows)
        opened.run("document.getElementById('list').scrollTop += 400")
        opened.until(
            "return [...document.querySelectorAll('#list .row-id')].at(-1).textContent !== arguments[0]", rows[-1]
        )
        if "p59" in opened.rows():
            seen.update(opened.rows())
    assert len(seen) == 60


def correct(runs: dict[str, Path], run: str) -> dict[str, bool | None]:
    return {result.id: result.correct for result in read_results(runs[run])}


def test_problems_are_filtered(opened: Page, read: list[RunData], runs: dict[str, Path]) -> None:
    outcomes = {run.name: dict(zip((one.id for one in run.problems), run.outcomes, strict=True)) for run in read}
    expected = {
        "Wrong": [id for id, one in outcomes["stopped"].items() if one.correct is False],
        "Right": [id for id, one in outcomes["stopped"].items() if one.correct],
        "Ties": [id for id, one in outcomes["stopped"].items() if one.tie],
        "Failed": [id for id, one in outcomes["stopped"].items() if one.state == "f"],
        "With truncated solutions": [id for id, one in outcomes["stopped"].items() if one.truncated],
        "Wrong with a right one among them": [
            id for id, one in outcomes["stopped"].items() if one.correct is False and one.found
        ],
    }
    opened.choose("choose-run", "stopped")
    for name, ids in expected.items():
        opened.choose("choose-choice", name)
        assert opened.count() == f"{len(ids)} of 60 problems", name
        assert opened.rows() == ids[: len(opened.rows())], name
    assert sum(map(bool, expected.values())) > 4, "most of them show something"
    rebase, stopped, beam = (correct(runs, name) for name in STRATEGIES)
    opened.choose("choose-choice", "Wrong here, right in another run")
    anywhere = [id for id in stopped if not stopped[id] and (rebase[id] or beam[id])]
    assert opened.count() == f"{len(anywhere)} of 60 problems"
    opened.choose("choose-other", "beam")
    there = [id for id in stopped if not stopped[id] and beam[id]]
    assert opened.count() == f"{len(there)} of 60 problems"
    opened.choose("choose-choice", "All")
    opened.choose("choose-subject", "Geometry")
    opened.choose("choose-level", "2")
    assert opened.rows() == [one.id for one in PROBLEMS if (one.subject, one.level) == ("Geometry", "2")]


def test_problems_are_sorted(opened: Page, read: list[RunData]) -> None:
    rows = [*zip((one.id for one in read[0].problems), read[0].outcomes, strict=True)]
    opened.choose("choose-order", "Most expensive")
    assert opened.rows()[:5] == [id for id, _ in sorted(rows, key=lambda row: -(row[1].cost or 0))[:5]]
    opened.choose("choose-order", "Most nodes")
    assert opened.rows()[:5] == [id for id, _ in sorted(rows, key=lambda row: -row[1].nodes)[:5]]
    opened.choose("choose-order", "Lowest margin")
    margins = [outcome.margin for _, outcome in rows if outcome.margin is not None]
    assert f"{100 * min(margins):.0f}% ahead" in opened.text("#list .row-figure")


def test_problems_are_searched(opened: Page) -> None:
    opened.press("/")
    opened.press("EVEN 14,")
    opened.until("return document.getElementById('count').textContent === '1 of 60 problems'")
    assert opened.rows() == ["p14"]
    opened.get("#search").clear()
    opened.get("#search").send_keys("nothing has this in it")
    opened.until("return document.getElementById('count').textContent === '0 of 60 problems'")
    assert opened.rows() == []
    opened.press(Keys.ESCAPE, "j")
    assert "problem" not in opened.place(), "there is none to go to"


def test_what_one_run_has_right_and_another_wrong_is_a_click_away(opened: Page, runs: dict[str, Path]) -> None:
    rebase, beam = correct(runs, "rebase"), correct(runs, "beam")
    ids = [id for id in rebase if beam[id] and not rebase[id]]
    button = opened.get(".pairs tbody tr:nth-child(2) td:nth-of-type(2) button")
    assert button.text == str(len(ids))
    button.click()
    assert opened.count() == f"{len(ids)} of 60 problems"
    assert opened.rows() == ids
    assert opened.place()["run"] == "beam"


def test_a_problem_is_shown_with_its_vote_and_its_tree(opened: Page, read: list[RunData]) -> None:
    opened.click_row(2)
    opened.until_shown("p2")
    outcome = read[0].outcomes[2]
    assert opened.text("#problem h2") == "p2"
    assert opened.text(".statement") == PROBLEMS[2].text
    assert opened.text(".reference .passage") == "2"
    assert opened.text(".outcomes .current").startswith("✓" if outcome.correct else "✗")
    assert len(opened.all("#tree0 .node")) == outcome.nodes + 1
    assert len(opened.all("#tree0 .edge")) == outcome.nodes
    leaf = opened.selected()
    assert "chosen" in str(opened.get(f"#tree0-{leaf}").get_attribute("class")).split()
    assert opened.text(f"#tree0-{leaf} text").removeprefix("✓ ") == outcome.answer
    assert opened.text(".votes .chosen th bdi") == outcome.answer
    assert len(opened.all("#tree0 .edge.chosen")) == len(opened.all("#tree0 .on-path"))


def test_nodes_keep_their_distance(opened: Page) -> None:
    """What is drawn does not touch, in trees of every kind; and edges are as wide as what was paid out below them."""
    for run in STRATEGIES:
        opened.choose("choose-run", run)
        for problem in ("p3", "p4"):
            opened.run("location.hash = arguments[0]", f"#problem={problem}&run={run}")
            opened.until_shown(problem)
            places = opened.until(
                """const nodes = [...document.querySelectorAll("#tree0 .node")];
                return nodes.map((node) => node.getAttribute("transform").match(/-?[\\d.]+/g).map(Number));"""
            )
            columns: dict[float, list[float]] = {}
            for x, y in places:
                columns.setdefault(round(x, 3), []).append(y)
            for column in columns.values():
                column.sort()
                assert all(low + 11.9 <= high for low, high in itertools.pairwise(column))
            first = [float(str(edge.get_attribute("stroke-width"))) for edge in opened.all("#tree0 .edge")]
            assert max(first) <= 8
            assert len(set(first)) > 1


def test_states_are_told_apart_by_their_shapes(opened: Page) -> None:
    shapes: dict[str, set[str]] = {}
    for problem in PROBLEMS:
        opened.run("location.hash = arguments[0]", f"#problem={problem.id}&run=stopped")
        opened.until_shown(problem.id)
        for label, shape in opened.run(
            """return [...document.querySelectorAll("#tree0 .node")].slice(1).map((node) =>
                [node.getAttribute("aria-label"), node.querySelector(".shape").getAttribute("d")])"""
        ):
            found = [name for name in ("answered", "truncated", "failed", "aborted") if f", {name}" in label]
            shapes.setdefault(found[0] if found else "open", set()).add(shape)
        if len(shapes) == 5:
            break
    assert shapes.keys() == {"open", "answered", "truncated", "failed", "aborted"}
    assert all(len(found) == 1 for found in shapes.values())
    assert len(set.union(*shapes.values())) == 5


def test_a_click_on_a_node_shows_it(opened: Page) -> None:
    opened.click_row(1)
    opened.until_shown("p1")
    for node in (1, 2):
        opened.click_node(node)
        assert opened.selected() == node
        path = opened.text(".node-panel .path")
        assert opened.place()["node"] == path
        panel = opened.text(".node-panel")
        assert f"Step {path.count('.') + 1}: " in panel, "the text of its step"
        assert "Policy tokens" in panel
        assert "Score" in panel
    opened.click_node(0)
    assert opened.text(".node-panel h4") == "Root"


def test_a_failed_node_says_why(driver: Chrome, page: Path, read: list[RunData]) -> None:
    opened = Page(driver).open(page.as_uri(), {"problem": "p0", "run": "stopped"})
    for problem in range(len(PROBLEMS)):
        opened.run("location.hash = arguments[0]", f"#problem=p{problem}&run=stopped")
        opened.until_shown(f"p{problem}")
        if failed := opened.all('#tree0 [aria-label*="failed"]'):
            opened.click_node(int(str(failed[0].get_attribute("data-node"))))
            assert opened.text(".node-panel .error") == "simulated rejection"
            return
    raise AssertionError("none failed")


def test_subtrees_are_folded(opened: Page) -> None:
    opened.click_row(1)
    opened.until_shown("p1")
    nodes = len(opened.all("#tree0 .node"))
    parent = opened.run(
        """const widest = [...document.querySelectorAll('#tree0 [aria-expanded="true"]')].slice(1);
        return Number(widest[0].dataset.node)"""
    )
    opened.click_node(parent)
    opened.press(" ")
    folded = opened.get(f"#tree0-{parent}")
    assert folded.get_attribute("aria-expanded") == "false"
    hidden = int(opened.text(f"#tree0-{parent} text").removeprefix("+"))
    assert len(opened.all("#tree0 .node")) == nodes - hidden
    opened.press(Keys.ARROW_RIGHT)
    assert len(opened.all("#tree0 .node")) == nodes
    opened.get('[aria-label^="Fold"]').click()
    assert len(opened.all("#tree0 .node")) < nodes
    opened.get('[aria-label="Unfold all"]').click()
    assert len(opened.all("#tree0 .node")) == nodes


def test_a_tree_is_zoomed_and_moved(opened: Page) -> None:
    opened.click_row(1)
    opened.until_shown("p1")
    view = "return document.querySelector('#tree0 > g').getAttribute('transform')"
    fitted = opened.run(view)
    opened.get('[aria-label="Zoom in"]').click()
    zoomed = opened.run(view)
    assert zoomed != fitted
    tree = opened.get("#tree0")
    ActionChains(opened.driver).move_to_element_with_offset(tree, 3, 3).click_and_hold().move_by_offset(
        40, 20
    ).release().perform()
    assert opened.run(view) not in (zoomed, fitted)
    opened.get('[aria-label^="Fit"]').click()
    assert opened.run(view) == fitted


def test_keys_walk_through_problems_and_trees(opened: Page) -> None:
    opened.press("j")
    opened.until_shown("p0")
    opened.press("j", "j", "k")
    opened.until_shown("p1")
    assert opened.text('#list [aria-selected="true"] .row-id') == "p1"
    opened.get("#list").send_keys(Keys.ARROW_DOWN)
    opened.until_shown("p2")
    opened.press(Keys.ENTER)
    assert opened.run("return document.activeElement.id") == "tree0"
    opened.press(Keys.HOME)
    assert opened.selected() == 0
    opened.press(Keys.ARROW_RIGHT)
    child = opened.selected()
    assert opened.text(".node-panel .path") == "0"
    opened.press(Keys.ARROW_DOWN)
    assert opened.text(".node-panel .path") == "1"
    opened.press(Keys.ARROW_UP)
    assert opened.selected() == child
    opened.press(Keys.ARROW_LEFT)
    assert opened.selected() == 0
    opened.press("c")
    assert "chosen" in str(opened.get(f"#tree0-{opened.selected()}").get_attribute("class"))
    assert opened.get("#tree0").get_attribute("aria-activedescendant") == f"tree0-{opened.selected()}"
    opened.press(Keys.ESCAPE)
    assert opened.run("return document.activeElement.id") == "list"
    opened.press(Keys.ESCAPE)
    opened.until("return document.getElementById('problem').hidden")
    assert "problem" not in opened.place()
    opened.press("?")
    assert opened.run("return document.getElementById('help').open")
    opened.press(Keys.ESCAPE)
    assert not opened.run("return document.getElementById('help').open")


def test_two_runs_are_compared_side_by_side(opened: Page, read: list[RunData]) -> None:
    opened.click_row(3)
    opened.until_shown("p3")
    opened.choose("compare", "beam")
    opened.get("#tree1")
    for tree, run in ((0, read[0]), (1, read[2])):
        assert len(opened.all(f"#tree{tree} .node")) == run.outcomes[3].nodes + 1
    left, right = (opened.get(f"#tree{tree}").rect for tree in (0, 1))
    assert left["x"] + left["width"] < right["x"]
    opened.click_node(1, tree=1)
    opened.click_node(2)
    assert opened.place().keys() == {"problem", "run", "with", "node", "node2"}
    assert len(opened.all(".node-panel")) == 2
    assert opened.run("return document.activeElement.id") == "tree0"
    opened.choose("compare", "no other run")
    opened.until("return document.getElementById('tree1') === null")


def test_a_place_is_found_again_by_its_address(driver: Chrome, page: Path) -> None:
    opened = Page(driver).open(page.as_uri(), {"problem": "p5", "run": "beam", "with": "rebase"})
    opened.click_node(3)
    opened.click_node(2, tree=1)
    place, nodes = opened.place(), (opened.selected(0), opened.selected(1))
    assert nodes == (3, 2)
    again = Page(driver).open(page.as_uri(), place)
    again.get("#tree1")
    assert (again.selected(0), again.selected(1)) == nodes
    assert Select(again.get("#choose-run")).first_selected_option.text == "beam"
    again.press("j")
    again.until_shown("p6")
    driver.back()
    again.until_shown("p5")
    nowhere = Page(driver).open(page.as_uri())
    nowhere.run("location.hash = '#problem=none&run=nobody&node=9.9'")
    nowhere.until("return document.getElementById('problem').hidden")
    assert nowhere.complaints() == []


def contrasts(opened: Page) -> list[tuple[float, str]]:
    """The contrast of each text that is shown with what it stands on (WCAG 2.2, relative luminance)."""
    found = opened.run(
        """
        const canvas = Object.assign(document.createElement("canvas"), { width: 1, height: 1 });
        const context = canvas.getContext("2d", { willReadFrequently: true });
        const rgba = (colour) => {
          context.clearRect(0, 0, 1, 1);
          context.fillStyle = colour;
          context.fillRect(0, 0, 1, 1);
          return [...context.getImageData(0, 0, 1, 1).data];
        };
        const luminance = (colour) => {
          const [red, green, blue] = colour.map((part) => {
            const share = part / 255;
            return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
          });
          return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
        };
        const ground = (element) => {
          for (let each = element; each; each = each.parentElement) {
            const colour = rgba(getComputedStyle(each).backgroundColor);
            if (colour[3] === 255) return colour;
          }
          return [255, 255, 255, 255];
        };
        const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
        const found = [];
        while (walker.nextNode()) {
          const element = walker.currentNode.parentElement;
          if (!walker.currentNode.data.trim() || !element.checkVisibility()) continue;
          if (element.closest("script, option, noscript")) continue;
          const style = getComputedStyle(element);
          const colour = rgba(element.closest("svg") ? style.fill : style.color);
          const [one, other] = [luminance(colour), luminance(ground(element))].sort((a, b) => b - a);
          found.push([(one + 0.05) / (other + 0.05), walker.currentNode.data.trim()]);
        }
        return found;
        """
    )
    return [(float(contrast), text) for contrast, text in found]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_texts_can_be_read_in_light_and_dark(driver: Chrome, page: Path, scheme: str) -> None:
    opened = Page(driver).open(page.as_uri(), scheme=scheme)
    for _ in opened.all(".run-details"):
        opened.run("document.querySelectorAll('.run-details').forEach((each) => { each.open = true })")
    lightness = opened.run("return getComputedStyle(document.body).backgroundColor")
    assert (lightness == "rgb(255, 255, 255)") == (scheme == "light")
    found = contrasts(opened)
    opened.open(page.as_uri(), COMPARED, scheme=scheme)
    found += contrasts(opened)
    assert len(found) > 300
    assert [each for each in found if each[0] < 4.5] == []


def test_the_theme_is_chosen_and_kept(driver: Chrome, page: Path) -> None:
    opened = Page(driver).open(page.as_uri())
    ground = "return getComputedStyle(document.body).backgroundColor"
    light = opened.run(ground)
    opened.get("#theme").click()
    opened.get("#theme").click()
    assert opened.text("#theme") == "Theme: dark"
    dark = opened.run(ground)
    assert dark != light
    assert Page(driver).open(page.as_uri()).run(ground) == dark
    opened.get("#theme").click()
    assert opened.text("#theme") == "Theme: auto"
    assert opened.run(ground) == light


@pytest.mark.parametrize("width", [360, 768, 1920])
def test_it_fits_any_screen(driver: Chrome, page: Path, width: int) -> None:
    opened = Page(driver).open(page.as_uri(), width=width, height=800)
    fits = """const { scrollWidth, clientWidth } = document.documentElement;
        const main = document.querySelector("main");
        return scrollWidth <= clientWidth && main.scrollWidth <= main.clientWidth"""
    assert opened.run(fits)
    if width < 860:
        opened.get("#to-list").click()
    opened.click_row(3)
    opened.until_shown("p3")
    assert opened.run(fits)
    assert opened.get("#tree0").is_displayed()
    opened.choose("compare", "beam")
    left, right = opened.get("#tree0").rect, opened.get("#tree1").rect
    assert opened.run(fits)
    assert (left["x"] == right["x"]) == (width < 1000), "below each other where there is no room"
    if width < 860:
        opened.get("#to-list").click()
        assert opened.get("#list").is_displayed()
        assert not opened.get("#problem").is_displayed()
        opened.click_row(3)
        assert opened.get("#problem").is_displayed(), "the same again"
    opened.get("#to-overview").click()
    assert opened.get("#overview").is_displayed()


def test_what_can_be_reached_has_a_name_and_a_role(driver: Chrome, page: Path) -> None:
    opened = Page(driver).open(page.as_uri(), COMPARED)
    nodes = driver.execute_cdp_cmd("Accessibility.getFullAXTree", {})["nodes"]
    focusable = 0
    for node in nodes:
        if node.get("ignored"):
            continue
        properties = {each["name"]: each["value"].get("value") for each in node.get("properties", [])}
        role, name = node["role"]["value"], node.get("name", {}).get("value", "")
        if role in ("treeitem", "option", "image", "tree", "listbox") or properties.get("focusable"):
            focusable += 1
            assert name or role in ("main", "RootWebArea", "MenuListPopup"), node
    assert focusable > 50
    roles = {node["role"]["value"] for node in nodes}
    assert {"tree", "treeitem", "listbox", "option", "main", "complementary", "search", "status"} <= roles
    assert opened.run("return document.documentElement.lang") == "en"
    ids = opened.run("return [...document.querySelectorAll('[id]')].map((each) => each.id)")
    assert len(set(ids)) == len(ids)
    levels = opened.run(
        """return [...document.querySelectorAll("h1, h2, h3, h4, h5")].filter((each) => each.checkVisibility())
            .map((each) => Number(each.tagName[1]))"""
    )
    assert levels[0] == 1
    assert all(lower <= upper + 1 for upper, lower in itertools.pairwise(levels)), "none is passed over"
    option = opened.get('#list [aria-selected="true"]')
    assert (option.get_attribute("aria-posinset"), option.get_attribute("aria-setsize")) == ("4", "60")
    assert opened.get("#list").get_attribute("aria-activedescendant") == option.get_attribute("id")


def test_what_has_the_focus_shows_it(opened: Page) -> None:
    opened.get("#list").click()
    opened.until("return document.getElementById('problem').hidden === false")
    seen = set()
    for _ in range(25):
        opened.press(Keys.TAB)
        name, outline = opened.run(
            """const focused = document.activeElement;
            const { outlineStyle, outlineWidth } = getComputedStyle(focused);
            return [focused.outerHTML.slice(0, 80), outlineStyle + parseFloat(outlineWidth)]"""
        )
        seen.add(name)
        assert outline == "solid2" or name.startswith(("<main", "<body", "<html")), name
    assert len(seen) > 15


HOSTILE = "".join(
    [
        "<script>window.hacked = 1</script>",
        "</script><script>window.hacked = 2</script>",
        "<!-- <img src=x onerror='window.hacked = 3'> -->",
        "<img src=x onerror='window.hacked = 4'>",
        "\u2028\u202egnp.exe\u2066 \x1b[31mred\x1b[0m \x00 \x7f \u200b \ufeff \ud800 &amp; ${1} `",
    ]
)
UNSEEN = ["U+2028", "U+202E", "U+2066", "U+001B", "U+001B", "U+0000", "U+007F", "U+200B", "U+FEFF", "U+D800"]
LONG = "x" * 100_000


def hostile_run(name: str) -> RunData:
    """A run in which every text is hostile."""
    candidates = [
        Candidate(text=HOSTILE, answer=f"answer {HOSTILE}", truncated=False, tokens=1, step_scores=(0.5,)),
        Candidate(text=LONG, answer=LONG, truncated=False, tokens=1),
    ]
    tree = tree_of_candidates(candidates)
    root = tree.root
    failed = Node(parent=root, draw=2, depth=1, prefix=Prefix(""), reward_prefix=None, state=NodeState.FAILED)
    failed.error = f"error {HOSTILE}"
    root.children.append(failed)
    groups = tuple(AnswerGroup(answer=each.answer or "", weight=1.0, votes=1, right=False) for each in candidates)
    count = Count(groups=groups, group_of=(0, 1), chosen=0)
    problems = (
        Problem(
            id=f"id {HOSTILE}", text=f"text {HOSTILE}", answer=f"reference {HOSTILE}", level=HOSTILE, subject=HOSTILE
        ),
        Problem(id="long", text=LONG, answer=LONG),
        Problem(id="failed", text="a problem", answer=None),
    )
    outcome = Outcome(
        state="s",
        correct=False,
        found=False,
        answer=f"answer {HOSTILE}",
        error=None,
        margin=0.0,
        tie=True,
        truncated=0,
        nodes=3,
        generated=2,
        read=0,
        cost=2,
        seconds=0.0,
    )
    lost = Outcome(
        state="f",
        correct=None,
        found=None,
        answer=None,
        error=f"error {HOSTILE}",
        margin=None,
        tie=False,
        truncated=0,
        nodes=3,
        generated=2,
        read=0,
        cost=2,
        seconds=0.0,
    )
    model = {"prompt_tokens": 0, "generated_tokens": 2}
    figures = {
        "solved": 2,
        "failed": 1,
        "found": 0.0,
        "different_answers": 2.0,
        "seconds": 1.0,
        "flops": None,
        "accounts": {"policy": model, "reward": model},
        "accuracies": [
            {"vote": "majority", "aggregation": None, "accuracy": 0.0, "interval": [0.0, 0.6], "problems": 2}
        ],
        "passes": [],
    }
    by_level = {"by": "level", "group": HOSTILE, "problems": 2, "accuracy": 0.0, "interval": [0.0, 0.6]}
    about = {
        "path": HOSTILE,
        "strategy": HOSTILE,
        "parameters": {HOSTILE: HOSTILE, "width": HOSTILE},
        "seed": 0,
        "vote": "majority",
        "aggregation": "last",
        "grader": HOSTILE,
        "problems": 3,
        "reward_format": HOSTILE,
        "format": HOSTILE,
        "policy": HOSTILE,
        "reward": HOSTILE,
        "figures": figures,
        "groups": [by_level],
        "notes": [HOSTILE],
    }
    columns = tree_columns(tree, candidates, count, note=HOSTILE)
    return RunData(
        name=f"{name} {HOSTILE}",
        about=about,
        method=Method("majority", None),
        judgements=(),
        problems=problems,
        outcomes=(outcome, outcome, lost),
        blocks=(pack([columns] * 3),),
        begins=(0,),
    )


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Path:
    drawing = (
        '<svg xmlns="http://www.w3.org/2000/svg" onload="parent.hacked = 5"><script>parent.hacked = 6</script></svg>'
    )
    return write_page(
        tmp_path_factory.mktemp("hostile"),
        [hostile_run("one"), hostile_run("two")],
        plots=[Plot(HOSTILE.replace("\ud800", ""), drawing)],
        notes=[HOSTILE],
    )


def shown(text: str) -> str:
    """What a reader sees of a text."""
    for character, point in zip((one for one in HOSTILE if not one.isprintable()), UNSEEN, strict=True):
        text = text.replace(character, point)
    return text


def test_hostile_text_is_text(driver: Chrome, hostile: Path) -> None:
    opened = Page(driver).open(hostile.as_uri())
    elements = (
        "return document.querySelectorAll('script:not([type]), iframe, object, embed, link:not([rel=icon])').length"
    )
    assert opened.run(elements) == 1, "the page's own"
    assert len(opened.all("img")) == 1, "the plot"
    assert opened.text("#runs .notice") == shown(HOSTILE)
    assert opened.text(".runs tbody th > bdi") == shown(f"one {HOSTILE}")
    opened.run("document.querySelectorAll('details').forEach((each) => { each.open = true })")
    opened.click_row(0)
    opened.until("return document.getElementById('problem').hidden === false")
    assert opened.text("#problem h2") == shown(f"id {HOSTILE}")
    assert opened.text(".statement") == shown(f"text {HOSTILE}")
    assert opened.text(".reference .passage") == shown(f"reference {HOSTILE}")
    assert opened.text(".node-panel .text") == shown(HOSTILE)
    marks = opened.run(
        "return [...document.querySelectorAll('.node-panel .text .unseen')].map((each) => each.textContent)"
    )
    assert marks == UNSEEN
    assert opened.text(".votes .chosen bdi").startswith(shown(f"answer {HOSTILE}")[:190])
    for unseen in ("\u202e", "\u2066", "\x1b", "\x00", "\u200b"):
        assert unseen not in opened.run("return document.body.innerText"), "nothing of it reaches the reader"
        assert unseen not in opened.run(
            """return ["title", "alt", "aria-label", "value", "label"].flatMap((name) =>
                [...document.querySelectorAll(`[${name}]`)].map((each) => each.getAttribute(name))).join()"""
        )
    opened.click_node(3)
    assert opened.text(".node-panel .error") == shown(f"error {HOSTILE}")
    opened.run("document.getElementById('compare').selectedIndex = 1")
    opened.run("document.getElementById('compare').dispatchEvent(new Event('change'))")
    opened.get("#tree1")
    opened.press("j", "j")
    opened.until_shown("failed")
    assert opened.text(".outcomes .error") == shown(f"error {HOSTILE}")
    assert opened.run("return window.hacked") is None
    assert opened.run(elements) == 1
    assert len(opened.all("img")) == 1
    assert opened.complaints() == []


def test_a_very_long_text_is_shown_when_it_is_asked_for(driver: Chrome, hostile: Path) -> None:
    opened = Page(driver).open(hostile.as_uri(), {"problem": "long"}, width=360)
    assert opened.run("return document.documentElement.scrollWidth <= document.documentElement.clientWidth")
    statement = opened.get(".statement")
    assert len(opened.text(".statement")) < 21_000
    statement.find_element(By.CSS_SELECTOR, "button").click()
    assert opened.text(".statement") == LONG
    assert opened.run("const main = document.querySelector('main'); return main.scrollWidth <= main.clientWidth")


@contextmanager
def recording(folder: Path) -> Iterator[tuple[str, list[str]]]:
    """Serve a folder, and note what is asked for."""
    asked: list[str] = []

    class Handler(SimpleHTTPRequestHandler):
        def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
            asked.append(self.path)

    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=str(folder))) as server:
        serving = threading.Thread(target=server.serve_forever)
        serving.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}", asked
        finally:
            server.shutdown()
            serving.join()


def test_no_request_leaves_the_page(driver: Chrome, page: Path, hostile: Path) -> None:
    for each in (page, hostile):
        with recording(each.parent) as (address, asked):
            opened = Page(driver).open(f"{address}/index.html")
            opened.press("j")
            opened.until("return document.getElementById('problem').hidden === false")
            opened.press("j", Keys.ENTER, Keys.HOME)
            assert opened.run("return performance.getEntriesByType('resource').map((each) => each.name)") == []
            assert asked == ["/index.html"]


def test_nothing_could_leave_the_page_if_something_tried(driver: Chrome, page: Path) -> None:
    with recording(page.parent) as (address, asked):
        opened = Page(driver).open(f"{address}/index.html")
        refused = driver.execute_async_script(
            """
            const [address, done] = arguments;
            const refused = [];
            addEventListener("securitypolicyviolation", (event) => refused.push(event.effectiveDirective));
            const picture = new Image();
            picture.src = `${address}/picture`;
            const script = document.createElement("script");
            script.textContent = "window.hacked = 1";
            document.body.append(script);
            const frame = document.createElement("iframe");
            frame.src = `${address}/frame`;
            document.body.append(frame);
            fetch(`${address}/fetched`).catch(() => setTimeout(() => done(refused), 100));
            """,
            address,
        )
        assert {"img-src", "script-src-elem", "connect-src", "frame-src"} <= set(refused)
        assert opened.run("return window.hacked") is None
        assert asked == ["/index.html"]


def test_plots_have_their_place(driver: Chrome, read: list[RunData], tmp_path: Path) -> None:
    drawing = (
        '<svg xmlns="http://www.w3.org/2000/svg" width="40" height="30"><style>rect { fill: red }</style>'
        '<rect style="stroke: blue" width="40" height="30"/></svg>'
    )
    plots = [Plot("error against FLOPs", drawing), Plot("Pareto frontier", drawing)]
    opened = Page(driver).open(write_page(tmp_path, read[:1], plots=plots).as_uri())
    assert [each.text for each in opened.all("#plots figcaption")] == ["error against FLOPs", "Pareto frontier"]
    assert opened.run("return [...document.images].every((each) => each.complete && each.naturalWidth === 40)")
    assert opened.complaints() == []


def test_a_run_alone_is_compared_with_nothing(driver: Chrome, read: list[RunData], tmp_path: Path) -> None:
    opened = Page(driver).open(write_page(tmp_path, read[:1]).as_uri(), {"problem": "p1"})
    assert opened.all("#compare, #choose-run, .pairs") == []
    assert opened.place() == {"problem": "p1"}
    assert opened.complaints() == []


def test_a_report_of_nothing_opens(driver: Chrome, read: list[RunData], tmp_path: Path) -> None:
    empty = replace(read[0], problems=(), outcomes=(), blocks=(), begins=())
    opened = Page(driver).open(write_page(tmp_path, [empty]).as_uri())
    assert opened.count() == "0 problems"
    opened.press("j", Keys.ENTER, "k")
    assert opened.complaints() == []
