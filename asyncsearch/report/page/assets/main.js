// What the page does when it is opened, and what its keys do anywhere.

const KEYS = [
  ["j, k or ↓, ↑", "next, previous problem"],
  ["Enter", "from the list into the tree"],
  ["→ ←", "in the tree: to the first child, to the parent"],
  ["↓ ↑", "in the tree: to the next node of the same depth"],
  ["Home, End", "in the tree: to the root, to the last leaf"],
  ["c", "in the tree: to the leaf that stands for the chosen answer"],
  ["Space", "in the tree: fold or unfold"],
  ["+ − 0", "in the tree: zoom in, out, fit"],
  ["Esc", "back: from the tree to the list, from a problem to the overview"],
  ["/", "search"],
  ["?", "this help"],
];

async function start() {
  followTheme(byId("theme"));
  const report = new Report(await unpack(byId("summary")));
  let place = readPlace(report);

  const list = new ProblemList(report, byId("list"), {
    onselect: open,
    onenter: () => view.focusTree(),
    onleave: leave,
  });
  const view = new ProblemView(report, byId("problem"), {
    go,
    step: (by) => list.step(by),
    leaveTree: () => list.focus(),
  });
  const filters = new Filters(report, byId("filters"), {
    run: place.run,
    onchange: refilter,
    onrun: (run) => go({ run, node: null }),
  });

  /** Go to another place, and show what is different there. */
  function go(changes) {
    const before = place;
    place = { ...place, ...changes };
    if (place.other === place.run) place = { ...place, other: null };
    writePlace(report, place, place.problem !== before.problem);
    return show(before);
  }

  /** On a narrow screen, show one part of the page alone: the overview, the list or the problem. */
  function turnTo(screen) {
    document.body.dataset.screen = screen;
  }

  function open(problem) {
    turnTo("problem");
    if (problem !== place.problem) go({ problem, node: null, node2: null });
  }

  /** List what one run has right and another wrong. */
  function surpass(run, other) {
    go({ run });
    filters.showSurpassing(run, other);
    turnTo("list");
    list.focus();
  }

  function leave() {
    if (place.problem !== null) go(overviewFrom(place));
    turnTo("list");
    list.focus();
  }

  function refilter() {
    const problems = filters.problems(place.run);
    list.show(problems, place.run, filters.order);
    byId("count").textContent =
      problems.length === report.size
        ? countOf(report.size, "problem")
        : `${count(problems.length)} of ${countOf(report.size, "problem")}`;
  }

  async function show(before) {
    if (before === null || before.run !== place.run) {
      filters.draw(place.run);
      refilter();
    }
    if (before === null || before.problem !== place.problem) list.select(place.problem);
    const isOverview = place.problem === null;
    if (isOverview) {
      byId("overview").hidden = false;
      byId("problem").hidden = true;
      return;
    }
    const isSame = before !== null && ["problem", "run", "other"].every((name) => before[name] === place[name]);
    if (isSame) return;
    const trees = await view.read(place);
    if (trees === null || place.problem === null) return; // somebody has gone on meanwhile
    byId("overview").hidden = true;
    byId("problem").hidden = false;
    const at = list.problems.indexOf(place.problem);
    view.show(place, trees, at < 0 ? "" : `${count(at + 1)} of ${count(list.problems.length)}`);
  }

  addEventListener("popstate", async () => {
    const before = place;
    place = readPlace(report);
    if (place.problem !== null) turnTo("problem");
    else if (before.problem !== null) turnTo("list");
    await show(before);
    if (place.problem !== null) view.goToNodes(place);
  });

  byId("what").append(`${countOf(report.runs.length, "run")}, ${countOf(report.size, "problem")}`);
  byId("runs").append(...overviewOf(report));
  byId("details").append(...detailsOf(report, surpass));
  byId("to-overview").addEventListener("click", () => {
    go(overviewFrom(place));
    turnTo("overview");
  });
  byId("to-list").addEventListener("click", () => {
    turnTo("list");
    list.focus();
  });
  const help = byId("help");
  help.append(
    make("h2", { id: "help-title" }, "Keys"),
    facts(KEYS),
    make("form", { method: "dialog" }, make("button", {}, "Close")),
  );
  byId("to-help").addEventListener("click", () => help.showModal());
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || help.open) return;
    const isTyping = event.target.closest("input, select, textarea") !== null;
    if (isTyping && event.key === "Escape") list.focus();
    if (isTyping) return;
    const actions = {
      j: () => list.step(1),
      k: () => list.step(-1),
      "/": () => filters.focus(),
      "?": () => help.showModal(),
      Escape: leave,
    };
    const action = actions[event.key];
    if (action === undefined) return;
    event.preventDefault();
    action();
  });
  if (place.problem !== null) turnTo("problem");
  await show(null);
  document.body.dataset.ready = String(Math.round(performance.now()));
}

/** The overview, with the run that was looked at. */
function overviewFrom(place) {
  return { ...NOWHERE, run: place.run };
}

start();
