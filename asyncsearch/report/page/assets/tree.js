// A tree as it was written, see trees.py: nodes are numbers, and what is known of them stands in columns.

const STATES = {
  o: { name: "open", label: "", what: "continued, or never chosen to be" },
  a: { name: "answered", label: "no answer found", what: "solution finished here" },
  t: { name: "truncated", label: "cut off", what: "cut off: no tokens or no depth were left" },
  f: { name: "failed", label: "failed", what: "could not be generated or scored" },
  p: { name: "aborted", label: "given up", what: "given up, or never settled" },
};

const ROLES = { n: "", g: "greedy, to look ahead", d: "drawn ahead in vain" };

class Tree {
  constructor(columns) {
    this.columns = columns;
    this.size = columns.parent.length;
    this.groups = columns.groups.map((group) => ({ ...group, answer: columns.texts[group.answer] }));
    this.chosen = columns.chosen;
    this.note = columns.note;
    this.children = Array.from({ length: this.size }, () => []);
    this.depth = new Uint16Array(this.size);
    this.width = new Uint32Array(this.size);
    this.deepest = 1;
    for (let node = 1; node < this.size; node += 1) {
      const parent = columns.parent[node];
      this.children[parent].push(node);
      this.depth[node] = this.depth[parent] + 1;
      this.deepest = Math.max(this.deepest, this.depth[node]);
    }
    for (let node = this.size - 1; node > 0; node -= 1) {
      if (this.role(node) === "n" && this.state(node) !== "o") this.width[node] = 1;
      if (this.role(node) === "n") this.width[columns.parent[node]] += this.width[node];
    }
  }

  state(node) {
    return this.columns.state[node];
  }

  role(node) {
    return this.columns.role[node];
  }

  parent(node) {
    return this.columns.parent[node];
  }

  /** The nodes that have children. */
  parents() {
    return [...this.children.keys()].filter((node) => this.children[node].length);
  }

  /** The score of a node's last step, null where it has none. */
  score(node) {
    return this.columns.scores[node].at(-1) ?? null;
  }

  steps(node) {
    return this.columns.steps[node].map((number) => this.columns.texts[number]);
  }

  /** The number of a node's first step in its solution. */
  firstStep(node) {
    const before = this.lineage(node).slice(0, -1);
    return before.reduce((sum, each) => sum + Math.max(this.columns.steps[each].length, 1), 1);
  }

  text(node) {
    return this.steps(node).join("");
  }

  error(node) {
    const number = this.columns.errors[node];
    return number === undefined ? null : this.columns.texts[number];
  }

  /** How often a leaf votes. */
  votes(node) {
    if (this.role(node) !== "n" || !"at".includes(this.state(node))) return 0;
    return this.columns.votes[node] ?? 1;
  }

  answer(node) {
    const number = this.columns.answer[node];
    return number === -1 ? null : this.columns.texts[number];
  }

  group(node) {
    const number = this.columns.group[node];
    return number === -1 ? null : this.groups[number];
  }

  /** The nodes from below the root to a node. */
  lineage(node) {
    const nodes = [];
    for (let each = node; each > 0; each = this.parent(each)) nodes.unshift(each);
    return nodes;
  }

  /** Which of its parent's draws a node is: "g" is the greedy one, and "d" stands before one drawn in vain. */
  drawOf(node) {
    const role = this.role(node);
    return role === "g" ? "g" : `${role === "d" ? "d" : ""}${this.columns.draw[node]}`;
  }

  /** A node's address: the draws that lead to it. */
  path(node) {
    return this.lineage(node)
      .map((each) => this.drawOf(each))
      .join(".");
  }

  /** The node at an address, undefined where there is none. */
  at(path) {
    let node = 0;
    for (const step of path === "" ? [] : path.split(".")) {
      node = this.children[node].find((child) => this.drawOf(child) === step);
      if (node === undefined) return undefined;
    }
    return node;
  }

  /** What a node is, in words. */
  describe(node) {
    if (node === 0) return `root, ${countOf(this.children[0].length, "child", "children")}`;
    const score = this.score(node);
    const answer = this.answer(node);
    const group = this.group(node);
    return [
      `step ${this.depth[node]}, draw ${this.drawOf(node)}`,
      score === null ? null : `score ${score.toFixed(2)}`,
      this.state(node) === "o" ? null : STATES[this.state(node)].name,
      ROLES[this.role(node)] || null,
      answer === null ? null : `answer ${shortened(answer, 40)}`,
      group === null || group.right === null ? null : group.right ? "right" : "wrong",
      node === this.chosen ? "chosen" : null,
      this.children[node].length ? countOf(this.children[node].length, "child", "children") : null,
    ]
      .filter((part) => part !== null)
      .join(", ");
  }
}
