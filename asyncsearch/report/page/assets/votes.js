// The vote: how much each group of equal answers has.

const MOST_GROUPS = 6;

function voteTable(tree, run) {
  if (!tree.groups.length) return make("p", { class: "faint" }, "No candidate has an answer.");
  const chosen = tree.chosen === -1 ? null : tree.group(tree.chosen);
  const whole = run.vote === "best-of-n" ? 1 : tree.groups.reduce((sum, group) => sum + group.weight, 0);
  const ranked = [...tree.groups].sort(
    (one, other) => (other === chosen) - (one === chosen) || other.weight - one.weight,
  );
  const body = make("tbody", {});
  const rows = ranked.map((group) => {
    const bar = draw("svg", {
      class: "share",
      viewBox: "0 0 100 8",
      preserveAspectRatio: "none",
      "aria-hidden": "true",
    });
    bar.append(draw("rect", { width: 100, height: 8, class: "bar-back" }));
    bar.append(
      draw("rect", {
        width: whole ? (100 * group.weight) / whole : 0,
        height: 8,
        class: group === chosen ? "bar-chosen" : "bar-rest",
      }),
    );
    return make(
      "tr",
      { class: group === chosen ? "chosen" : null },
      make("th", { scope: "row" }, rightness(group.right), " ", quoted(shortenedAnswer(group.answer))),
      make("td", { class: "bar-cell" }, bar),
      make("td", { class: "number" }, run.vote === "majority" ? count(group.weight) : group.weight.toFixed(3)),
      make("td", { class: "number" }, count(group.votes)),
    );
  });
  body.append(...rows.slice(0, MOST_GROUPS));
  const weight = { majority: "votes", weighted: "weight", "best-of-n": "best score" }[run.vote];
  const table = make(
    "table",
    { class: "votes", "aria-label": "Votes by answer" },
    make(
      "thead",
      {},
      make(
        "tr",
        {},
        ...["answer", "", weight, "candidates"].map((name) =>
          make("th", { scope: "col", class: name === "answer" ? null : name ? "number" : "bar-cell" }, name),
        ),
      ),
    ),
    body,
  );
  if (rows.length <= MOST_GROUPS) return table;
  const more = make(
    "button",
    { type: "button", class: "link", onclick: showAll },
    `Show ${countOf(rows.length - MOST_GROUPS, "more answer")}`,
  );
  function showAll() {
    body.append(...rows.slice(MOST_GROUPS));
    more.remove();
  }
  return make("div", {}, table, more);
}
