// Scores as colours: the scale "viridis" of matplotlib (van der Walt and Smith 2015), nine stops of it. Its lightness
// rises with the score, so that it can be read with any colour vision, and in grey.

const STOPS = [
  [68, 1, 84],
  [71, 45, 123],
  [59, 82, 139],
  [44, 114, 142],
  [33, 145, 140],
  [40, 174, 128],
  [94, 201, 98],
  [173, 220, 48],
  [253, 231, 37],
];

/** The colour of a score in [0, 1]. */
function colourOf(score) {
  const place = Math.min(Math.max(score, 0), 1) * (STOPS.length - 1);
  const index = Math.min(Math.floor(place), STOPS.length - 2);
  const mixed = STOPS[index].map((from, part) => Math.round(from + (STOPS[index + 1][part] - from) * (place - index)));
  return `rgb(${mixed.join(" ")})`;
}

const KINDS = {
  o: "open",
  a: "answered",
  t: "truncated",
  f: "failed",
  p: "given up",
  g: "greedy look-ahead",
};

/** What the colours and shapes of a tree mean, as far as it has them. */
function legend(tree, isScored) {
  const sample = (width, content) =>
    draw("svg", { viewBox: `${-width / 2} -9 ${width} 18`, width, height: 16, "aria-hidden": "true" }, content);
  const has = (kind) => (kind === "g" ? tree.columns.role : tree.columns.state).includes(kind);
  const items = Object.entries(KINDS)
    .filter(([kind]) => has(kind))
    .map(([kind, name]) => make("li", {}, sample(18, shapeOf(kind)), name));
  const line = (kind, name, width) =>
    make("li", {}, sample(24, draw("path", { d: "M-11 0H11", class: `edge ${kind}`, "stroke-width": width })), name);
  if (tree.columns.role.includes("d")) items.push(line("aside", "drawn ahead in vain", 1.5));
  if (tree.chosen !== -1) items.push(line("chosen", "path of the chosen answer", 4));
  const list = make("ul", { class: "legend", "aria-label": "Legend" }, ...items);
  if (isScored) {
    const bar = draw("svg", {
      viewBox: "0 0 90 10",
      width: 90,
      height: 10,
      role: "img",
      "aria-label": "Colours of scores from 0 to 1",
    });
    for (let part = 0; part < 30; part += 1)
      bar.append(draw("rect", { x: part * 3, width: 3.2, height: 10, fill: colourOf(part / 29) }));
    list.prepend(make("li", {}, "score 0", bar, "1"));
  }
  return list;
}

const SHAPES = {
  o: { d: "M-4.5 0a4.5 4.5 0 1 0 9 0a4.5 4.5 0 1 0 -9 0", class: "shape" },
  a: { d: "M-6.5 0a6.5 6.5 0 1 0 13 0a6.5 6.5 0 1 0 -13 0", class: "shape" },
  t: { d: "M-5.5 -5.5H5.5V5.5H-5.5Z", class: "shape" },
  f: { d: "M-5 -5L5 5M5 -5L-5 5", class: "shape failed" },
  p: { d: "M-5 0a5 5 0 1 0 10 0a5 5 0 1 0 -10 0", class: "shape aborted" },
  g: { d: "M0 -6L6 0L0 6L-6 0Z", class: "shape" },
};

/** The shape of a state, or of what was grown greedily; neutral until it is given a colour. */
function shapeOf(kind) {
  return draw("path", SHAPES[kind]);
}
