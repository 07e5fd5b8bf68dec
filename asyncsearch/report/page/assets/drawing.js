// A tree as a drawing that can be moved, zoomed, folded and walked through.

const SMALLEST = 0.08;
const LARGEST = 3;
const MARGIN = 24;
const HIGHEST = 760;
const LOWEST = 160;
const MOST_UNFOLDED = 500;
const COLUMNS = { least: 44, most: 220 };
const DRAGGED = 4;
const UNREADABLE = 0.25;
const READABLE = 0.6;

class TreeDrawing {
  #tree;
  #name;
  #onselect;
  #onleave;
  #collapsed = new Set();
  #layout = null;
  #drawnFor = 0;
  #selected = 0;
  #view = { x: 0, y: 0, scale: 1 };
  #isUntouched = true;
  #pointers = new Map();
  #svg;
  #world;

  /** It is drawn when a node is selected, once it has its place in the page. `name` tells its nodes' ids from others';
   * `onselect` is told a node, and `onleave` that Escape was pressed. */
  constructor(tree, { name, label, isScored, onselect, onleave }) {
    this.#tree = tree;
    this.#name = name;
    this.#onselect = onselect;
    this.#onleave = onleave;
    this.#world = draw("g", {});
    this.#svg = draw(
      "svg",
      {
        class: "tree",
        id: name,
        tabindex: 0,
        role: "tree",
        "aria-label": label,
        onkeydown: (event) => this.#press(event),
        onclick: (event) => this.#click(event),
        ondblclick: (event) => this.#doubleClick(event),
        onwheel: (event) => this.#wheel(event),
        onpointerdown: (event) => this.#grasp(event),
        onpointermove: (event) => this.#drag(event),
        onpointerup: (event) => this.#release(event),
        onpointercancel: (event) => this.#release(event),
      },
      this.#world,
    );
    const button = (text, title, action) =>
      make("button", { type: "button", "aria-label": title, title, onclick: action }, text);
    this.element = make(
      "div",
      { class: "tree-box" },
      make(
        "div",
        { class: "tree-tools", role: "group", "aria-label": "View of the tree" },
        button("−", "Zoom out", () => this.#zoom(1 / 1.4)),
        button("+", "Zoom in", () => this.#zoom(1.4)),
        button("Fit", "Fit the tree into its place", () => this.fit()),
        button("Fold", "Fold what lies beside the chosen answer's path", () => this.#foldOthers()),
        button("Unfold", "Unfold all", () => this.#unfoldAll()),
      ),
      this.#svg,
      legend(tree, isScored),
    );
    if (tree.size > MOST_UNFOLDED) this.#collapsed = this.#besideChosen();
    // In the next frame: what is drawn may change the size again.
    new ResizeObserver(() => requestAnimationFrame(() => this.#refit())).observe(this.#svg);
  }

  focus() {
    this.#svg.focus();
  }

  /** Mark a node, and bring it into view, unfolding what hides it. */
  select(node) {
    const hidden = this.#tree
      .lineage(node)
      .slice(0, -1)
      .concat(0)
      .filter((each) => this.#collapsed.delete(each));
    this.#selected = node;
    if (hidden.length || this.#layout === null) this.#render();
    else this.#mark();
    if (this.#isUntouched) this.#settle();
    else this.#reveal(node);
  }

  /** Show the whole tree. */
  fit() {
    const { width, height } = this.#size();
    const { width: wide, top, bottom } = this.#layout;
    const fitting = Math.min((width - 2 * MARGIN) / wide, (height - 2 * MARGIN) / (bottom - top), 1.2);
    const scale = Math.max(fitting, SMALLEST);
    this.#isUntouched = true;
    this.#look({ scale, x: MARGIN, y: height / 2 - (scale * (top + bottom)) / 2 });
  }

  /** Show the whole tree, or where it would be too small the selected node and what is around it. */
  #settle() {
    this.fit();
    if (this.#view.scale > UNREADABLE) return;
    const { height } = this.#size();
    const { top, bottom, y } = this.#layout;
    const [lowest, highest] = [height - MARGIN - READABLE * bottom, MARGIN - READABLE * top];
    const middle = height / 2 - READABLE * y[this.#selected];
    this.#look({ scale: READABLE, x: MARGIN, y: Math.min(Math.max(middle, lowest), highest) });
    this.#reveal(this.#selected);
    this.#isUntouched = true;
  }

  #size() {
    return { width: this.#svg.clientWidth || 640, height: parseFloat(this.#svg.style.height) };
  }

  #look(view) {
    this.#view = view;
    this.#world.setAttribute("transform", `translate(${view.x} ${view.y}) scale(${view.scale})`);
  }

  #zoom(factor, at = { x: this.#size().width / 2, y: this.#size().height / 2 }) {
    const { x, y, scale } = this.#view;
    const next = Math.min(Math.max(scale * factor, SMALLEST), LARGEST);
    this.#isUntouched = false;
    this.#look({ scale: next, x: at.x - ((at.x - x) * next) / scale, y: at.y - ((at.y - y) * next) / scale });
  }

  #move(x, y) {
    this.#isUntouched = false;
    this.#look({ ...this.#view, x: this.#view.x + x, y: this.#view.y + y });
  }

  #reveal(node) {
    const { width, height } = this.#size();
    const { x, y, scale } = this.#view;
    const place = { x: this.#layout.x[node] * scale + x, y: this.#layout.y[node] * scale + y };
    const beyond = (at, end) => (at < MARGIN ? MARGIN - at : at > end - MARGIN ? end - MARGIN - at : 0);
    const [right, down] = [beyond(place.x, width), beyond(place.y, height)];
    if (right || down) this.#move(right, down);
  }

  /** Use the width that there is now, unless somebody has moved or zoomed. */
  #refit() {
    if (this.#layout !== null && this.#isUntouched && this.#svg.clientWidth !== this.#drawnFor) this.#render();
  }

  #render() {
    const tree = this.#tree;
    this.#drawnFor = this.#svg.clientWidth;
    this.#layout = this.#fittingLayout();
    const chosen = new Set(tree.chosen === -1 ? [] : tree.lineage(tree.chosen));
    const edges = draw("g", { class: "edges", "aria-hidden": "true" });
    const nodes = draw("g", { role: "group" });
    const { order } = this.#layout;
    for (const isChosen of [false, true]) {
      for (const node of order) if (node && chosen.has(node) === isChosen) edges.append(this.#edge(node, isChosen));
    }
    for (const node of order) nodes.append(this.#node(node, chosen.has(node)));
    this.#world.replaceChildren(edges, nodes);
    this.#mark();
    if (this.#isUntouched) this.#settle();
  }

  /** A layout, and a height for it, that use the width there is. */
  #fittingLayout() {
    const tree = this.#tree;
    const labels = Array.from({ length: tree.size }, (_, node) => this.#label(node));
    const { deepest } = tree;
    const longest = labels.reduce(
      (most, label, node) => (tree.depth[node] === deepest ? Math.max(most, label.length) : most),
      0,
    );
    const { least, most } = COLUMNS;
    const wide = this.#size().width - 2 * MARGIN;
    let [scale, layout] = [1, null];
    for (let pass = 0; pass < 2; pass += 1) {
      const shownAt = scale > UNREADABLE ? scale : READABLE;
      const fitting = (wide / shownAt - BESIDE - LETTER * longest) / deepest;
      const column = Math.min(Math.max(fitting, least), most / shownAt);
      layout = layoutOf(tree, { labels, collapsed: this.#collapsed, column });
      scale = Math.min((HIGHEST - 2 * MARGIN) / (layout.bottom - layout.top), wide / layout.width, 1);
    }
    this.#svg.style.height = `${Math.max(scale * (layout.bottom - layout.top) + 2 * MARGIN, LOWEST)}px`;
    return layout;
  }

  #edge(node, isChosen) {
    const tree = this.#tree;
    const { x, y } = this.#layout;
    const parent = tree.parent(node);
    const middle = (x[parent] + x[node]) / 2;
    const kinds = [
      "edge",
      isChosen && "chosen",
      tree.role(node) !== "n" && "aside",
      tree.state(node) === "p" && "given-up",
    ];
    return draw("path", {
      class: kinds.filter(Boolean).join(" "),
      d: `M${x[parent]} ${y[parent]}C${middle} ${y[parent]} ${middle} ${y[node]} ${x[node]} ${y[node]}`,
      "stroke-width": (1 + 7 * Math.sqrt(tree.width[node] / Math.max(tree.width[0], 1))).toFixed(2),
    });
  }

  #node(node, isChosen) {
    const tree = this.#tree;
    const state = tree.state(node);
    const isFolded = this.#collapsed.has(node);
    const kinds = [
      "node",
      isChosen && "on-path",
      node === tree.chosen && "chosen",
      (tree.role(node) === "d" || (node && "at".includes(state) && !tree.votes(node))) && "no-vote",
    ];
    const shape = shapeOf(tree.role(node) === "g" && state !== "f" ? "g" : state);
    const score = tree.score(node);
    if (score !== null && state !== "f" && state !== "p") shape.style.fill = colourOf(score);
    const element = draw(
      "g",
      {
        class: kinds.filter(Boolean).join(" "),
        id: `${this.#name}-${node}`,
        role: "treeitem",
        "data-node": node,
        "aria-level": tree.depth[node] + 1,
        "aria-label": plain(tree.describe(node)),
        "aria-expanded": tree.children[node].length ? String(!isFolded) : null,
        "aria-selected": "false",
        transform: `translate(${this.#layout.x[node]} ${this.#layout.y[node]})`,
      },
      draw("circle", { r: 11, class: "reach" }),
      shape,
    );
    const label = this.#label(node);
    if (label) element.append(this.#labelled(node, label));
    return element;
  }

  /** What stands beside a node: how much is folded, or what a leaf answers. */
  #label(node) {
    const tree = this.#tree;
    if (this.#collapsed.has(node)) return `+${count(this.#below(node))}`;
    if (!node || tree.state(node) === "o" || tree.role(node) !== "n") return "";
    const votes = tree.votes(node);
    const answer = tree.answer(node);
    const text =
      answer !== null
        ? shortened(answer, 18)
        : !votes && "at".includes(tree.state(node))
          ? "no vote"
          : STATES[tree.state(node)].label;
    return `${tree.group(node)?.right ? "✓ " : ""}${text}${votes > 1 ? ` ×${votes}` : ""}`;
  }

  #labelled(node, label) {
    const isFolded = this.#collapsed.has(node);
    const isFaint = isFolded || this.#tree.answer(node) === null;
    const isRight = !isFolded && this.#tree.group(node)?.right === true;
    const text = draw("text", { x: 12, dy: "0.35em", class: isFaint ? "faint" : null });
    if (isRight) text.append(draw("tspan", { class: "right" }, "✓ "));
    text.append(isRight ? label.slice(2) : label);
    return text;
  }

  #below(node) {
    return this.#tree.children[node].reduce((sum, child) => sum + 1 + this.#below(child), 0);
  }

  #mark() {
    this.#world.querySelector('[aria-selected="true"]')?.setAttribute("aria-selected", "false");
    this.#world.querySelector(`[data-node="${this.#selected}"]`)?.setAttribute("aria-selected", "true");
    this.#svg.setAttribute("aria-activedescendant", `${this.#name}-${this.#selected}`);
  }

  /** Fold a node or unfold it; where somebody has moved or zoomed, it stays where it is. */
  #fold(node) {
    if (!this.#tree.children[node].length) return;
    const { x, y } = this.#layout;
    if (!this.#collapsed.delete(node)) this.#collapsed.add(node);
    this.#render();
    if (this.#isUntouched) return;
    const { scale } = this.#view;
    this.#move((x[node] - this.#layout.x[node]) * scale, (y[node] - this.#layout.y[node]) * scale);
  }

  /** What can be folded and does not lead to the chosen answer. */
  #besideChosen() {
    const tree = this.#tree;
    const kept = new Set([0, ...(tree.chosen === -1 ? [] : tree.lineage(tree.chosen))]);
    return new Set(tree.parents().filter((node) => !kept.has(node) && kept.has(tree.parent(node))));
  }

  #foldOthers() {
    this.#collapsed = this.#besideChosen();
    this.#render();
    if (!this.#layout.order.includes(this.#selected)) this.#choose(0);
  }

  #unfoldAll() {
    this.#collapsed.clear();
    this.#render();
  }

  #choose(node) {
    this.select(node);
    this.#onselect(node);
  }

  #nodeAt(event) {
    const found = event.target.closest("[data-node]");
    return found === null ? undefined : Number(found.dataset.node);
  }

  #click(event) {
    const node = this.#nodeAt(event);
    if (node !== undefined) this.#choose(node);
  }

  #doubleClick(event) {
    const node = this.#nodeAt(event);
    if (node !== undefined) this.#fold(node);
  }

  #wheel(event) {
    if (!event.ctrlKey && !event.metaKey) return;
    event.preventDefault();
    const box = this.#svg.getBoundingClientRect();
    this.#zoom(Math.exp(-event.deltaY / 300), { x: event.clientX - box.x, y: event.clientY - box.y });
  }

  #grasp(event) {
    this.#pointers.set(event.pointerId, { x: event.clientX, y: event.clientY, moved: 0 });
  }

  #drag(event) {
    const before = this.#pointers.get(event.pointerId);
    if (before === undefined) return;
    const [right, down] = [event.clientX - before.x, event.clientY - before.y];
    const moved = before.moved + Math.abs(right) + Math.abs(down);
    if (moved < DRAGGED) return;
    if (!this.#svg.hasPointerCapture(event.pointerId)) this.#svg.setPointerCapture(event.pointerId);
    this.#pointers.set(event.pointerId, { x: event.clientX, y: event.clientY, moved });
    const other = [...this.#pointers].find(([id]) => id !== event.pointerId)?.[1];
    if (other === undefined) {
      this.#move(right, down);
    } else {
      const box = this.#svg.getBoundingClientRect();
      const apart = (one) => Math.hypot(one.x - other.x, one.y - other.y);
      const now = { x: event.clientX, y: event.clientY };
      this.#zoom(apart(now) / Math.max(apart(before), 1), { x: other.x - box.x, y: other.y - box.y });
    }
  }

  #release(event) {
    this.#pointers.delete(event.pointerId);
  }

  #press(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const tree = this.#tree;
    const node = this.#selected;
    const shown = this.#layout.order;
    const children = this.#collapsed.has(node) ? [] : tree.children[node];
    const actions = {
      ArrowRight: () => (this.#collapsed.has(node) ? this.#fold(node) : children.length && this.#choose(children[0])),
      ArrowLeft: () => node && this.#choose(tree.parent(node)),
      ArrowUp: () => this.#beside(node, -1),
      ArrowDown: () => this.#beside(node, 1),
      Home: () => this.#choose(0),
      End: () => this.#choose(shown.at(-1)),
      c: () => tree.chosen !== -1 && this.#choose(tree.chosen),
      " ": () => this.#fold(node),
      "+": () => this.#zoom(1.4),
      "-": () => this.#zoom(1 / 1.4),
      0: () => this.fit(),
      Escape: () => this.#onleave(),
    };
    const action = actions[event.key];
    if (action === undefined) return;
    event.preventDefault();
    event.stopPropagation();
    action();
  }

  /** Go to the next node of the same depth, up or down: the sibling, or the first or last of the next family. */
  #beside(node, direction) {
    const level = this.#layout.order.filter((each) => this.#tree.depth[each] === this.#tree.depth[node]);
    const next = level[level.indexOf(node) + direction];
    if (next !== undefined) this.#choose(next);
  }
}
