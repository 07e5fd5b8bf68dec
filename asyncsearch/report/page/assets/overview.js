// What runs these are, and how they did.

/** What there is to say, and the runs side by side. */
function overviewOf(report) {
  const notes = [
    ...report.notes.map((note) => [null, note]),
    ...report.runs.flatMap((run) => run.notes.map((note) => [run, note])),
  ];
  return [
    ...notes.map(([run, note]) =>
      make("p", { class: "notice" }, run === null ? "" : quoted(run.name, "b"), run === null ? "" : ": ", quoted(note)),
    ),
    scrolled("Runs and their figures", runTable(report)),
  ];
}

/** Runs against each other, and each by itself. `onsurpass` is told a run that has right what the other has wrong. */
function detailsOf(report, onsurpass) {
  return [
    ...(report.pairs.length ? [pairTable(report, onsurpass)] : []),
    ...report.runs.map((run) => runDetails(run)),
    make("p", { class: "faint" }, `Written on ${report.written} by asyncsearch ${report.version}.`),
  ];
}

/** The accuracy of a run's own vote, null where nothing can be said of it. */
function ownAccuracy(run) {
  const own = run.figures.accuracies.find(
    (each) => each.vote === run.vote && (each.aggregation === null || each.aggregation === run.aggregation),
  );
  return own === undefined || !own.problems ? null : own;
}

function runTable(report) {
  const names = [
    ["run", ""],
    ["accuracy", "of the run's own vote"],
    ["95 % interval", "by the bootstrap over the problems"],
    [
      "right among",
      "problems with a right answer among their candidates: what a vote that never erred would come to",
    ],
    ["different answers", "in the mean, of a problem"],
    ["solved", ""],
    ...(report.runs.some((run) => run.figures.failed) ? [["failed", ""]] : []),
    ["policy tokens", "generated"],
    ["reward tokens", "read, the cached ones left out"],
    ["FLOPs", "of both models"],
    ["time", "until the last result"],
  ];
  const head = names.map(([name, title]) =>
    make("th", { scope: "col", title: title || null, class: name === "run" ? null : "number" }, name),
  );
  const rows = report.runs.map((run) => {
    const figures = run.figures;
    const own = ownAccuracy(run);
    const cell = (text) => make("td", { class: "number" }, text);
    return make(
      "tr",
      {},
      make("th", { scope: "row" }, quoted(run.name), make("span", { class: "faint under" }, quoted(manner(run)))),
      cell(own === null ? "–" : percent(own.accuracy)),
      make(
        "td",
        { class: "number interval" },
        own === null ? "–" : intervalMark(own),
        own === null ? null : ` ${percent(own.interval[0])} – ${percent(own.interval[1])}`,
      ),
      cell(own === null ? "–" : percent(figures.found)),
      cell(own === null ? "–" : figures.different_answers.toFixed(1)),
      cell(`${count(figures.solved)} of ${count(run.problems)}`),
      names.some(([name]) => name === "failed") ? cell(count(figures.failed)) : null,
      cell(count(figures.accounts.policy.generated_tokens)),
      cell(count(figures.accounts.reward.prompt_tokens)),
      cell(operations(figures.flops)),
      cell(`${count(Math.round(figures.seconds))} s`),
    );
  });
  return make("table", { class: "runs" }, make("thead", {}, make("tr", {}, ...head)), make("tbody", {}, ...rows));
}

/** Runs against each other on the problems that both have. */
function pairTable(report, onsurpass) {
  const { runs, pairs } = report;
  const names = [
    ["compared", "on the problems that both have"],
    ["right in the first alone", ""],
    ["right in the second alone", ""],
    ["difference", "accuracy of the second less that of the first"],
    ["95 % interval", "by the bootstrap over the problems"],
    ["p", "McNemar's exact test"],
  ];
  const head = names.map(([name, title], index) =>
    make("th", { scope: "col", title: title || null, class: index ? "number" : null }, name),
  );
  const points = (share) => `${share > 0 ? "+" : share < 0 ? "−" : ""}${percent(Math.abs(share))}`;
  const rows = pairs.map((pair) => {
    const surpassing = (run, other, number) => {
      const name = plain(
        `Show the ${countOf(number, "problem")} right in ${runs[run].name} and wrong in ${runs[other].name}`,
      );
      const button = make(
        "button",
        { type: "button", class: "link", "aria-label": name, title: name, onclick: () => onsurpass(run, other) },
        count(number),
      );
      return make("td", { class: "number" }, number ? button : "0");
    };
    return make(
      "tr",
      {},
      make("th", { scope: "row" }, quoted(runs[pair.first].name), " and ", quoted(runs[pair.second].name)),
      surpassing(pair.first, pair.second, pair.only_first),
      surpassing(pair.second, pair.first, pair.only_second),
      make("td", { class: "number" }, points(pair.difference)),
      make("td", { class: "number" }, pair.interval.map(points).join(" to ")),
      make("td", { class: "number" }, pair.p_value < 0.001 ? "< 0.001" : pair.p_value.toFixed(3)),
    );
  });
  return scrolled(
    "Runs against each other",
    make("table", { class: "pairs" }, make("thead", {}, make("tr", {}, ...head)), make("tbody", {}, ...rows)),
  );
}

/** A run in a few words. */
function manner(run) {
  const vote = run.vote === "majority" || !run.isScored ? run.vote : `${run.vote} by ${run.aggregation} score`;
  return [run.strategy, run.parameters.width === undefined ? null : `width ${run.parameters.width}`, vote]
    .filter((part) => part !== null)
    .join(" · ");
}

function intervalMark({ accuracy, interval: [low, high] }) {
  const mark = draw("svg", {
    class: "interval-mark",
    viewBox: "0 0 100 12",
    width: 60,
    height: 12,
    "aria-hidden": "true",
  });
  mark.append(
    draw("path", { d: "M0 6H100", class: "axis" }),
    draw("path", { d: `M${100 * low} 6H${100 * high}`, class: "range" }),
    draw("circle", { cx: 100 * accuracy, cy: 6, r: 3.5, class: "point" }),
  );
  return mark;
}

function runDetails(run) {
  const name = (path) => path?.split("/").filter(Boolean).at(-1) ?? path;
  const model = (path) =>
    path === null || path === undefined ? "none" : make("span", { title: plain(path) }, quoted(name(path)));
  const parameters = Object.entries(run.parameters).map(
    ([key, value]) => `${key} ${typeof value === "string" ? value : JSON.stringify(value)}`,
  );
  const rows = [
    ["Directory", quoted(run.path)],
    ["Strategy", quoted(run.strategy)],
    ["Parameters", quoted(parameters.join(", "))],
    ["Policy", model(run.policy)],
    ["Reward model", model(run.reward)],
    ["Formats", quoted([run.format, run.reward_format].filter(Boolean).join(", "))],
    ["Grader", quoted(run.grader)],
    ["Seed", String(run.seed)],
    ...(run.figures.passes.length
      ? [["pass@k", run.figures.passes.map((each) => `${each.k}: ${percent(each.value)}`).join(", ")]]
      : []),
  ];
  return make(
    "details",
    { class: "run-details" },
    make("summary", {}, quoted(run.name), ": parameters, models, and every vote"),
    facts(rows),
    methodTable(run),
    ...["level", "subject"].map((by) => groupTable(run, by)).filter((table) => table !== null),
  );
}

/** The accuracy of the run's own vote by level or subject, null where problems have none. */
function groupTable(run, by) {
  const groups = run.groups.filter((each) => each.by === by);
  if (!groups.length) return null;
  const names = [by, "problems", "accuracy", "95 % interval"];
  const head = names.map((name, index) => make("th", { scope: "col", class: index ? "number" : null }, name));
  const rows = groups.map(({ group, problems, accuracy, interval }) =>
    make(
      "tr",
      {},
      make("th", { scope: "row" }, quoted(group)),
      make("td", { class: "number" }, count(problems)),
      make("td", { class: "number" }, percent(accuracy)),
      make("td", { class: "number" }, interval.map(percent).join(" – ")),
    ),
  );
  return scrolled(
    `Accuracy by ${by}`,
    make("table", { class: "groups" }, make("thead", {}, make("tr", {}, ...head)), make("tbody", {}, ...rows)),
  );
}

/** The accuracy under every vote and aggregation. */
function methodTable(run) {
  const { accuracies } = run.figures;
  const columns = [...new Set(accuracies.map((each) => each.aggregation ?? "–"))];
  const votes = [...new Set(accuracies.map((each) => each.vote))];
  const rows = votes.map((vote) => {
    const cells = columns.map((column) => {
      const found = accuracies.find((each) => each.vote === vote && (each.aggregation ?? "–") === column);
      const isOwn = found !== undefined && found === ownAccuracy(run);
      return make(
        "td",
        { class: isOwn ? "number own" : "number", title: isOwn ? "the run's own vote" : null },
        found === undefined || !found.problems ? "" : percent(found.accuracy),
      );
    });
    return make("tr", {}, make("th", { scope: "row" }, vote), ...cells);
  });
  const head = make(
    "tr",
    {},
    make("th", { scope: "col" }, "vote"),
    ...columns.map((column) => make("th", { scope: "col", class: "number" }, column)),
  );
  return scrolled(
    "Accuracy under every vote",
    make("table", { class: "methods" }, make("thead", {}, head), make("tbody", {}, ...rows)),
  );
}
