// What the page was written with. The summary is read at once; the trees stand behind it, in blocks that are read when
// one of them is looked at.

const KEPT_BLOCKS = 12;

/** The value in a block, see packing.py. */
async function unpack(block) {
  const bytes = Uint8Array.from(atob(block.textContent), (character) => character.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
  return JSON.parse(await new Response(stream).text());
}

/** Wait until the whole page is there. */
function wholePage() {
  if (document.readyState !== "loading") return Promise.resolve();
  return new Promise((done) => document.addEventListener("DOMContentLoaded", done, { once: true }));
}

class Run {
  #number;
  #rows = new Map();
  #blocks = new Map();

  constructor(number, summary) {
    Object.assign(this, summary);
    this.#number = number;
    this.outcomes.problem.forEach((problem, row) => this.#rows.set(problem, row));
    this.isScored = summary.parameters.scored !== false;
    this.costName = summary.figures.flops === null ? "tokens" : "FLOPs";
  }

  /** What a run has of a problem in a column, undefined where it has nothing. */
  of(problem, column) {
    const row = this.#rows.get(problem);
    return row === undefined ? undefined : this.outcomes[column][row];
  }

  has(problem) {
    return this.#rows.has(problem);
  }

  /** What came of a problem: right, wrong, failed, unfinished, answered (without a reference) or absent. */
  outcome(problem) {
    const state = this.of(problem, "state");
    if (state === undefined) return "absent";
    if (state === "u") return "unfinished";
    if (state === "f") return "failed";
    const correct = this.of(problem, "correct");
    return correct === null ? "answered" : correct ? "right" : "wrong";
  }

  async tree(problem) {
    const row = this.#rows.get(problem);
    let block = this.begins.length - 1;
    while (this.begins[block] > row) block -= 1;
    return new Tree((await this.#block(block))[row - this.begins[block]]);
  }

  async #block(number) {
    let found = this.#blocks.get(number);
    if (found === undefined) {
      found = wholePage().then(() => unpack(byId(`trees-${this.#number}-${number}`)));
      if (this.#blocks.size === KEPT_BLOCKS) this.#blocks.delete(this.#blocks.keys().next().value);
      this.#blocks.set(number, found);
    }
    return found;
  }
}

const OUTCOMES = {
  right: { mark: "✓", word: "right" },
  wrong: { mark: "✗", word: "wrong" },
  failed: { mark: "!", word: "failed" },
  unfinished: { mark: "…", word: "not finished" },
  answered: { mark: "–", word: "no reference" },
  absent: { mark: "·", word: "not in this run" },
};

/** All of it: runs, and the problems' columns. Problems are known by their numbers, and in links by their keys. */
class Report {
  #numbers = new Map();
  #sought = null;

  constructor(summary) {
    this.written = summary.written;
    this.version = summary.version;
    this.notes = summary.notes;
    this.pairs = summary.pairs;
    this.runs = summary.runs.map((run, number) => new Run(number, run));
    this.problems = summary.problems;
    this.size = this.problems.id.length;
    this.keys = this.problems.id.map((id, number) => {
      let key = id;
      for (let again = 2; this.#numbers.has(key); again += 1) key = `${id}~${again}`;
      this.#numbers.set(key, number);
      return key;
    });
  }

  numberOf(key) {
    return this.#numbers.get(key);
  }

  /** Whether a problem's id, text, reference or one of its answers has some words in it. */
  mentions(problem, words) {
    this.#sought ??= this.problems.id.map((id, number) =>
      [
        id,
        this.problems.text[number],
        this.problems.answer[number],
        ...this.runs.map((run) => run.of(number, "answer")),
      ]
        .filter((text) => text)
        .join("\n")
        .toLowerCase(),
    );
    return words.every((word) => this.#sought[problem].includes(word));
  }
}
