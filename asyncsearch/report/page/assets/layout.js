// Where nodes stand: a column a step, every node in the middle of its children, and subtrees as near to each other as
// they can come without touching (Reingold and Tilford 1981, with nodes of different heights as of van der Ploeg 2014).
// What stands beside a leaf takes its room in the columns behind it.

const HALF_BARE = 6;
const HALF_LABELLED = 10;
const LETTER = 7;
const BESIDE = 14;

/** `labels` are the texts beside nodes, "" for none; `collapsed` nodes show none of their children. */
function layoutOf(tree, { labels, collapsed, column }) {
  const x = new Float64Array(tree.size);
  const y = new Float64Array(tree.size);
  const order = [];
  const stack = [0];
  while (stack.length) {
    const node = stack.pop();
    order.push(node);
    if (!collapsed.has(node)) stack.push(...[...tree.children[node]].reverse());
  }
  // Each outline is that of a subtree, by columns from its root on, which stands at 0.
  const outlines = new Map();
  for (const node of [...order].reverse()) {
    const children = collapsed.has(node) ? [] : tree.children[node];
    const outline = besides(children.map((child) => outlines.get(child)));
    const middle = children.length ? (outline.at[0] + outline.at.at(-1)) / 2 : 0;
    children.forEach((child, index) => {
      y[child] = outline.at[index] - middle;
      outlines.delete(child);
    });
    const half = labels[node] ? HALF_LABELLED : HALF_BARE;
    const columns = 1 + (labels[node] ? Math.ceil((BESIDE + LETTER * labels[node].length) / column) : 0);
    const own = children.length ? 1 : columns;
    outlines.set(node, {
      top: [...Array(own).fill(-half), ...outline.top.map((each) => each - middle)],
      bottom: [...Array(own).fill(half), ...outline.bottom.map((each) => each - middle)],
    });
  }
  let width = 0;
  for (const node of order) {
    x[node] = tree.depth[node] * column;
    if (node) y[node] += y[tree.parent(node)];
    width = Math.max(width, x[node] + (labels[node] ? BESIDE + LETTER * labels[node].length : 0));
  }
  const { top, bottom } = outlines.get(0);
  return { x, y, order, width, top: Math.min(...top), bottom: Math.max(...bottom) };
}

/** Outlines one below the other: where each of them stands, and the outline of all. */
function besides(outlines) {
  const [at, top, bottom] = [[], [], []];
  for (const outline of outlines) {
    let place = at.length ? -Infinity : 0;
    const shared = Math.min(bottom.length, outline.top.length);
    for (let column = 0; column < shared; column += 1) place = Math.max(place, bottom[column] - outline.top[column]);
    at.push(place);
    outline.bottom.forEach((each, column) => {
      bottom[column] = place + each;
      if (column >= top.length) top.push(place + outline.top[column]);
    });
  }
  return { at, top, bottom };
}
