// One problem: its text, what each run made of it, and the tree of a run, or of two side by side.

/** A run's tree, its vote, and a node of it. */
class Column {
  #tree;
  #drawing;
  #panel = make("div", { class: "node-place", "aria-live": "polite" });
  #onselect;

  /** `beside` stands beside the run's name, if anything does. */
  constructor(run, tree, { name, beside, onselect, onleave }) {
    this.#tree = tree;
    this.#onselect = onselect;
    this.#drawing = new TreeDrawing(tree, {
      name,
      label: plain(`Tree of ${run.name}`),
      isScored: run.isScored,
      onselect: (node) => this.#choose(node),
      onleave,
    });
    this.element = make(
      "section",
      { class: "column", "aria-label": plain(run.name) },
      make(
        "div",
        { class: "column-tree" },
        make("div", { class: "column-head" }, make("h3", {}, quoted(run.name)), beside),
        tree.note === null ? null : make("p", { class: "notice" }, quoted(tree.note)),
        voteTable(tree, run),
        this.#drawing.element,
      ),
      this.#panel,
    );
  }

  focus() {
    this.#drawing.focus();
  }

  /** Show the node at an address; without one the one that stands for the answer. */
  goTo(path) {
    const node = (path === null ? undefined : this.#tree.at(path)) ?? Math.max(this.#tree.chosen, 0);
    this.#drawing.select(node);
    this.#tell(node);
  }

  #choose(node) {
    this.#tell(node);
    this.#onselect(this.#tree.path(node));
  }

  #tell(node) {
    const panel = nodePanel(this.#tree, node, (other) => {
      this.#drawing.select(other);
      this.#choose(other);
    });
    this.#panel.replaceChildren(panel);
  }
}

function missing(run, beside) {
  const head = make("div", { class: "column-head" }, make("h3", {}, quoted(run.name)), beside);
  return make(
    "section",
    { class: "column" },
    make(
      "div",
      { class: "column-tree" },
      head,
      make("p", { class: "notice" }, "This run has nothing of this problem."),
    ),
  );
}

class ProblemView {
  #report;
  #element;
  #actions;
  #asked = 0;
  #columns = [];

  /** `actions`: go(changes) to another place, step(by) through the problems, and leaveTree(). */
  constructor(report, element, actions) {
    this.#report = report;
    this.#element = element;
    this.#actions = actions;
  }

  focusTree() {
    this.#columns[0]?.focus();
  }

  goToNodes(place) {
    [place.node, place.node2].forEach((path, index) => this.#columns[index]?.goTo(path));
  }

  /** The trees of a place's runs, null for one that does not have the problem; null where another place was asked for
   * meanwhile. */
  async read(place) {
    const asked = (this.#asked += 1);
    const trees = await Promise.all(
      this.#runsOf(place).map((run) => (run.has(place.problem) ? run.tree(place.problem) : null)),
    );
    return asked === this.#asked ? trees : null;
  }

  /** Show a problem, in an element that can be seen: drawings take the width that there is. */
  show(place, trees, position) {
    const runs = this.#runsOf(place);
    this.#columns = [];
    const columns = trees.map((tree, index) => {
      const beside = index ? null : this.#compareMenu(place);
      if (tree === null) return missing(runs[index], beside);
      const column = new Column(runs[index], tree, {
        name: `tree${index}`,
        beside,
        onselect: (path) => this.#actions.go(index ? { node2: path } : { node: path }),
        onleave: this.#actions.leaveTree,
      });
      this.#columns[index] = column;
      return column.element;
    });
    const isAnother = this.#element.dataset.problem !== this.#report.keys[place.problem];
    renew(
      this.#element,
      ...this.#head(place, position),
      this.#outcomes(place),
      make("div", { class: `columns ${columns.length > 1 ? "two" : "one"}` }, ...columns),
    );
    this.goToNodes(place);
    this.#element.dataset.problem = this.#report.keys[place.problem];
    if (isAnother) this.#element.parentElement.scrollTop = 0;
  }

  #runsOf(place) {
    return [place.run, place.other].filter((run) => run !== null).map((number) => this.#report.runs[number]);
  }

  #head(place, position) {
    const { problems } = this.#report;
    const number = place.problem;
    const level = problems.level[number];
    const tags = [problems.subject[number], level && !/level/i.test(level) ? `level ${level}` : level].filter(
      (text) => text,
    );
    const reference = problems.answer[number];
    const step = (text, name, by) =>
      make(
        "button",
        {
          type: "button",
          id: by > 0 ? "next" : "previous",
          "aria-label": name,
          title: name,
          onclick: () => this.#actions.step(by),
        },
        text,
      );
    return [
      make(
        "header",
        { class: "problem-head" },
        make("h2", {}, quoted(problems.id[number])),
        ...tags.map((text) => quoted(text, "bdi", { class: "tag" })),
        make("span", { class: "position faint" }, position),
        make("span", { class: "buttons" }, step("↑", "Previous problem", -1), step("↓", "Next problem", 1)),
      ),
      passage(problems.text[number], { class: "statement" }),
      make(
        "div",
        { class: "reference" },
        make("span", { class: "faint" }, "Reference answer"),
        reference === null ? "none" : passage(reference),
      ),
    ];
  }

  /** What each run made of it; the rows choose whose tree is shown. */
  #outcomes(place) {
    const { runs } = this.#report;
    const names = [
      "run",
      "answer",
      "margin",
      "nodes",
      "tokens",
      runs.every((run) => run.costName === "FLOPs") ? "FLOPs" : "cost",
      "seconds",
    ];
    const head = names.map((name) =>
      make("th", { scope: "col", class: ["run", "answer"].includes(name) ? null : "number" }, name),
    );
    const rows = runs.map((run, number) => this.#outcome(place, run, number));
    const table = make(
      "table",
      { class: "outcomes" },
      make("thead", {}, make("tr", {}, ...head)),
      make("tbody", {}, ...rows),
    );
    return scrolled("What each run made of it", table);
  }

  #compareMenu(place) {
    const { runs } = this.#report;
    if (runs.length < 2) return null;
    const others = runs
      .map((run, number) => [String(number), plain(run.name)])
      .filter(([number]) => Number(number) !== place.run);
    return menu(
      "compare",
      "Compare with",
      [["", "no other run"], ...others],
      place.other === null ? "" : String(place.other),
      (value) => this.#actions.go({ other: value === "" ? null : Number(value), node2: null }),
    );
  }

  #outcome(place, run, number) {
    const problem = place.problem;
    const outcome = run.outcome(problem);
    const { mark, word } = OUTCOMES[outcome];
    const of = (column) => run.of(problem, column);
    const cell = (value, show = count) =>
      make("td", { class: "number" }, value === undefined || value === null ? "–" : show(value));
    const name = make(
      "button",
      {
        type: "button",
        class: "run-choice",
        id: `run-${number}`,
        "aria-pressed": String(number === place.run),
        onclick: () => this.#actions.go({ run: number, node: null }),
      },
      make("span", { class: `mark ${outcome}`, role: "img", "aria-label": word, title: word }, mark),
      quoted(run.name),
    );
    const answer = of("answer") ?? null;
    const error = of("error") ?? null;
    return make(
      "tr",
      { class: number === place.run ? "current" : number === place.other ? "compared" : null },
      make("th", { scope: "row" }, name),
      make(
        "td",
        { class: "answer" },
        error !== null
          ? passage(error, { class: "error" })
          : answer === null
            ? make("span", { class: "faint" }, outcome === "absent" ? word : "none")
            : quoted(shortenedAnswer(answer)),
        of("tie") ? make("span", { class: "tag" }, "tie") : null,
        outcome === "wrong" && of("found") ? make("span", { class: "tag" }, "right one among them") : null,
      ),
      cell(of("margin"), percent),
      cell(of("nodes")),
      cell(of("generated")),
      cell(of("cost"), run.costName === "FLOPs" ? operations : count),
      cell(of("seconds"), (value) => value.toFixed(1)),
    );
  }
}
