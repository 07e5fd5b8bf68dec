// Which problems are shown, and in which order.

const CHOICES = {
  all: { name: "All", test: () => true },
  wrong: {
    name: "Wrong",
    test: (run, problem) =>
      run.outcome(problem) === "wrong" || (run.outcome(problem) === "failed" && run.of(problem, "correct") === false),
  },
  right: { name: "Right", test: (run, problem) => run.outcome(problem) === "right" },
  ties: { name: "Ties", test: (run, problem) => run.of(problem, "tie") === true },
  missed: {
    name: "Wrong with a right one among them",
    test: (run, problem) => run.of(problem, "correct") === false && run.of(problem, "found") === true,
  },
  failed: { name: "Failed", test: (run, problem) => run.outcome(problem) === "failed" },
  truncated: { name: "With truncated solutions", test: (run, problem) => run.of(problem, "truncated") > 0 },
  unfinished: { name: "Not finished", test: (run, problem) => run.outcome(problem) === "unfinished" },
  differs: {
    name: "Wrong here, right in another run",
    test: (run, problem, others) =>
      run.of(problem, "correct") === false && others.some((other) => other.of(problem, "correct") === true),
  },
  surpasses: {
    name: "Right here, wrong in another run",
    test: (run, problem, others) =>
      run.of(problem, "correct") === true && others.some((other) => other.of(problem, "correct") === false),
  },
};

const ORDERS = {
  dataset: { name: "Dataset order", value: null },
  cost: {
    name: "Most expensive",
    value: (run, problem) => run.of(problem, "cost"),
    show: (value, run) => `${run.costName === "FLOPs" ? operations(value) : count(value)} ${run.costName}`,
  },
  nodes: {
    name: "Most nodes",
    value: (run, problem) => run.of(problem, "nodes"),
    show: (value) => countOf(value, "node"),
  },
  margin: {
    name: "Lowest margin",
    value: (run, problem) => run.of(problem, "margin"),
    show: (value) => `${percent(value, 0)} ahead`,
    ascending: true,
  },
  seconds: { name: "Longest", value: (run, problem) => run.of(problem, "seconds"), show: (value) => seconds(value) },
};

class Filters {
  #report;
  #form;
  #onchange;
  #onrun;
  #chosen = { choice: "all", order: "dataset", words: "", level: "", subject: "", other: "" };
  #search;

  /** `onchange` is called when something else is to be shown, `onrun` with the number of another run. */
  constructor(report, form, { run, onchange, onrun }) {
    this.#report = report;
    this.#form = form;
    this.#onchange = onchange;
    this.#onrun = onrun;
    form.addEventListener("submit", (event) => event.preventDefault());
    this.#search = make("input", {
      type: "search",
      id: "search",
      placeholder: "Search problems and answers",
      "aria-label": "Search problems and answers",
      autocomplete: "off",
      spellcheck: "false",
      oninput: () => this.#choose({ words: this.#search.value }),
    });
    this.draw(run);
  }

  focus() {
    this.#search.focus();
    this.#search.select();
  }

  get order() {
    return ORDERS[this.#chosen.order];
  }

  /** Show what one run has right and another wrong. */
  showSurpassing(run, other) {
    Object.assign(this.#chosen, { choice: "surpasses", other: String(other), words: "", level: "", subject: "" });
    this.#search.value = "";
    this.draw(run);
    this.#onchange();
  }

  /** The menus, with what can be chosen of a run. */
  draw(run) {
    const { runs, problems } = this.#report;
    const only = runs.length === 1;
    const choices = Object.entries(CHOICES)
      .filter(([value]) => !only || !["differs", "surpasses"].includes(value))
      .map(([value, { name }]) => [value, name]);
    const sorts = (name) =>
      [...new Set(problems[name].filter((text) => text))].sort((one, other) =>
        one.localeCompare(other, "en", { numeric: true }),
      );
    const fields = [this.#search];
    const names = runs.map((each, number) => [String(number), plain(each.name)]);
    if (!only) fields.push(menu("choose-run", "Run", names, String(run), (value) => this.#onrun(Number(value))));
    fields.push(menu("choose-choice", "Show", choices, this.#chosen.choice, (choice) => this.#choose({ choice }, run)));
    if (runs.length > 2 && ["differs", "surpasses"].includes(this.#chosen.choice)) {
      const others = names.filter(([number]) => Number(number) !== run);
      fields.push(
        menu("choose-other", "Other run", [["", "any other run"], ...others], this.#chosen.other, (other) =>
          this.#choose({ other }),
        ),
      );
    }
    fields.push(
      menu(
        "choose-order",
        "Order",
        Object.entries(ORDERS).map(([value, { name }]) => [value, name]),
        this.#chosen.order,
        (order) => this.#choose({ order }),
      ),
    );
    for (const [name, label] of [
      ["subject", "Subject"],
      ["level", "Level"],
    ]) {
      const found = sorts(name);
      const labels = [["", "all"], ...found.map((text, index) => [String(index), plain(text)])];
      const chosen = found.indexOf(this.#chosen[name]);
      if (found.length)
        fields.push(
          menu(`choose-${name}`, label, labels, chosen < 0 ? "" : String(chosen), (index) =>
            this.#choose({ [name]: found[index] ?? "" }),
          ),
        );
    }
    renew(this.#form, ...fields);
  }

  #choose(change, run) {
    Object.assign(this.#chosen, change);
    if (run !== undefined) this.draw(run);
    this.#onchange();
  }

  /** The problems that are to be shown, in order. */
  problems(runNumber) {
    const { runs, problems, size } = this.#report;
    const run = runs[runNumber];
    const { choice, words, level, subject, other } = this.#chosen;
    const others =
      other === "" || Number(other) === runNumber ? runs.filter((each) => each !== run) : [runs[Number(other)]];
    const sought = words.toLowerCase().split(/\s+/).filter(Boolean);
    const found = [];
    for (let problem = 0; problem < size; problem += 1) {
      if (level && problems.level[problem] !== level) continue;
      if (subject && problems.subject[problem] !== subject) continue;
      if (!CHOICES[choice].test(run, problem, others)) continue;
      if (sought.length && !this.#report.mentions(problem, sought)) continue;
      found.push(problem);
    }
    const { value, ascending } = this.order;
    if (value === null) return found;
    const unknown = ascending ? Infinity : -Infinity;
    const key = new Map(found.map((problem) => [problem, value(run, problem) ?? unknown]));
    return found.sort(
      (one, another) => (ascending ? 1 : -1) * Math.sign(key.get(one) - key.get(another)) || one - another,
    );
  }
}
