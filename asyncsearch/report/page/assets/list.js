// The list of problems. Only the rows that can be seen are there, however many problems there are.

const ROW_HEIGHT = 58;
const AROUND = 6;
const MOST_MARKS = 6;

class ProblemList {
  #report;
  #element;
  #onselect;
  #content = make("div", { class: "list-content", role: "presentation" });
  #problems = [];
  #selected = null;
  #run = 0;
  #order;
  #isWaiting = false;

  constructor(report, element, { onselect, onenter, onleave }) {
    this.#report = report;
    this.#element = element;
    this.#onselect = onselect;
    element.append(this.#content);
    element.addEventListener("scroll", () => this.#drawSoon());
    new ResizeObserver(() => this.#drawSoon()).observe(element);
    element.addEventListener("click", (event) => {
      const row = event.target.closest("[data-problem]");
      if (row !== null) onselect(Number(row.dataset.problem));
    });
    element.addEventListener("keydown", (event) => {
      if (event.ctrlKey || event.metaKey || event.altKey) return;
      const page = Math.max(Math.floor(element.clientHeight / ROW_HEIGHT) - 1, 1);
      const steps = { ArrowDown: 1, ArrowUp: -1, PageDown: page, PageUp: -page, Home: -Infinity, End: Infinity };
      if (event.key in steps) this.step(steps[event.key]);
      else if (event.key === "Enter" && this.#selected !== null) onenter();
      else if (event.key === "Escape") onleave();
      else return;
      event.preventDefault();
      event.stopPropagation();
    });
  }

  get problems() {
    return this.#problems;
  }

  focus() {
    this.#element.focus();
  }

  /** Show these problems as one run has them, with what they are ordered by. */
  show(problems, run, order) {
    this.#problems = problems;
    this.#run = run;
    this.#order = order;
    this.#content.style.height = `${problems.length * ROW_HEIGHT}px`;
    this.#draw();
  }

  select(problem) {
    this.#selected = problem;
    const index = this.#problems.indexOf(problem);
    const { scrollTop, clientHeight } = this.#element;
    if (index >= 0) {
      const top = index * ROW_HEIGHT;
      if (top < scrollTop) this.#element.scrollTop = top;
      else if (top + ROW_HEIGHT > scrollTop + clientHeight) this.#element.scrollTop = top + ROW_HEIGHT - clientHeight;
    }
    this.#draw();
  }

  /** Select the problem so many rows further. */
  step(by) {
    if (!this.#problems.length) return;
    const at = this.#problems.indexOf(this.#selected);
    const next = at < 0 ? (by > 0 ? 0 : this.#problems.length - 1) : at + by;
    this.#onselect(this.#problems[Math.min(Math.max(next, 0), this.#problems.length - 1)]);
  }

  #drawSoon() {
    if (this.#isWaiting) return;
    this.#isWaiting = true;
    requestAnimationFrame(() => {
      this.#isWaiting = false;
      this.#draw();
    });
  }

  #draw() {
    const { scrollTop, clientHeight } = this.#element;
    const first = Math.max(Math.floor(scrollTop / ROW_HEIGHT) - AROUND, 0);
    const last = Math.min(Math.ceil((scrollTop + clientHeight) / ROW_HEIGHT) + AROUND, this.#problems.length);
    const rows = this.#problems.slice(first, last).map((problem, index) => this.#row(problem, first + index));
    this.#content.replaceChildren(...rows);
    const selected = byId(`problem-${this.#selected}`);
    if (selected === null) this.#element.removeAttribute("aria-activedescendant");
    else this.#element.setAttribute("aria-activedescendant", selected.id);
  }

  #row(problem, index) {
    const { runs, problems } = this.#report;
    const run = runs[this.#run];
    const around = Math.min(Math.max(this.#run - MOST_MARKS + 1, 0), Math.max(runs.length - MOST_MARKS, 0));
    const marks = runs.slice(around, around + MOST_MARKS).map((each) => {
      const outcome = each.outcome(problem);
      const { mark, word } = OUTCOMES[outcome];
      const name = plain(runs.length > 1 ? `${each.name}: ${word}` : word);
      return make(
        "span",
        {
          class: each === run && runs.length > 1 ? `mark ${outcome} own` : `mark ${outcome}`,
          role: "img",
          "aria-label": name,
          title: name,
        },
        mark,
      );
    });
    const value = this.#order.value?.(run, problem);
    const figure = value === undefined || value === null ? null : this.#order.show(value, run);
    const row = make(
      "div",
      {
        class: "row",
        role: "option",
        id: `problem-${problem}`,
        "data-problem": problem,
        "aria-selected": String(problem === this.#selected),
        "aria-posinset": index + 1,
        "aria-setsize": this.#problems.length,
      },
      make(
        "span",
        { class: "row-head" },
        make("span", { class: "marks" }, ...marks),
        make("bdi", { class: "row-id" }, shortened(problems.id[problem], 60)),
        run.of(problem, "tie") ? make("span", { class: "tag" }, "tie") : null,
        figure === null ? null : make("span", { class: "row-figure" }, figure),
      ),
      make("bdi", { class: "row-text" }, shortened(problems.text[problem], 160)),
    );
    row.style.transform = `translateY(${index * ROW_HEIGHT}px)`;
    return row;
  }
}
