// What is known of one node: its text and scores, what it cost, and the solution up to it.

function scoreMark(score) {
  if (score === null || score === undefined) return null;
  const chip = draw("svg", { class: "swatch", viewBox: "0 0 10 10", width: 10, height: 10, "aria-hidden": "true" });
  chip.append(draw("rect", { width: 10, height: 10, rx: 2, fill: colourOf(score) }));
  return make("span", { class: "score" }, chip, score.toFixed(4));
}

/** One step with its score. */
function stepBlock(text, score, title) {
  return make(
    "li",
    { class: "step" },
    make("p", { class: "step-head" }, make("span", {}, title), scoreMark(score)),
    passage(text),
  );
}

/** `onselect` is told a node that is asked for. */
function nodePanel(tree, node, onselect) {
  const columns = tree.columns;
  const panel = make("section", { class: "node-panel", "aria-label": "Node" });
  const address = make("code", { class: "path", title: "Its address: the draws that lead to it" }, tree.path(node));
  panel.append(
    make("header", {}, make("h4", {}, node === 0 ? "Root" : `Step ${tree.depth[node]}`), node === 0 ? null : address),
  );
  if (node === 0) {
    panel.append(make("p", { class: "faint" }, "The problem, from which everything grows."));
    return panel;
  }
  panel.append(facts(nodeFacts(tree, node)));
  const error = tree.error(node);
  if (error !== null) panel.append(make("h5", {}, "Error"), passage(error, { class: "error" }));
  const steps = tree.steps(node);
  const scores = columns.scores[node];
  const first = tree.firstStep(node);
  panel.append(make("h5", {}, "Text"));
  if (steps.length > 1) {
    panel.append(
      make(
        "ol",
        { class: "steps" },
        ...steps.map((step, index) => stepBlock(step, scores[index], `Step ${first + index}`)),
      ),
    );
  } else {
    panel.append(
      steps.length ? passage(steps[0], { class: "text" }) : make("p", { class: "faint" }, "Nothing was written."),
    );
  }
  const way = tree.lineage(node);
  if (way.length > 1) {
    panel.append(make("h5", {}, "Solution up to here"));
    const list = make("ol", { class: "steps" });
    for (const each of way) {
      const item = stepBlock(tree.text(each), tree.score(each), `Step ${tree.depth[each]}`);
      if (each === node) item.classList.add("current");
      else
        item
          .querySelector(".step-head")
          .append(make("button", { type: "button", class: "link", onclick: () => onselect(each) }, "Show"));
      list.append(item);
    }
    panel.append(list);
  }
  return panel;
}

function nodeFacts(tree, node) {
  const columns = tree.columns;
  const state = STATES[tree.state(node)];
  const role = ROLES[tree.role(node)];
  const group = tree.group(node);
  const answer = tree.answer(node);
  const votes = tree.votes(node);
  const isLeaf = "at".includes(tree.state(node));
  const tokens = (name) => columns[name][node];
  const time = (name) => seconds(columns[name][node] / 100);
  const policy = [
    `${count(tokens("generated"))} generated`,
    `${count(tokens("prompted"))} read`,
    `${count(tokens("cached"))} cached`,
  ];
  const reward = [`${count(tokens("read"))} read`, `${count(tokens("remembered"))} cached`];
  const isJudged = tree.score(node) !== null;
  return [
    ["State", [state.name, role].filter(Boolean).join(", "), state.what],
    isJudged ? ["Score", scoreMark(tree.score(node))] : null,
    answer === null
      ? null
      : ["Answer", make("span", {}, quoted(shortenedAnswer(answer)), rightness(group && group.right))],
    isLeaf ? ["Votes", votes ? `${votes}${node === tree.chosen ? ", and stands for the answer" : ""}` : "none"] : null,
    ["Leaves below", tree.children[node].length ? count(tree.width[node]) : null],
    ["Policy tokens", policy.join(", ")],
    isJudged ? ["Reward tokens", reward.join(", ")] : null,
    tokens("wasted") ? ["Wasted tokens", count(tokens("wasted"))] : null,
    ["Policy time", `${time("served")}, ${time("queued")} queued`],
    isJudged ? ["Reward time", `${time("scoring_served")}, ${time("scoring_queued")} queued`] : null,
  ].filter((fact) => fact !== null && fact[1] !== null);
}

function shortenedAnswer(answer) {
  return answer.length > 200 ? `${answer.slice(0, 199)}…` : answer;
}

/** Names and values, each value a text or an element. */
function facts(rows) {
  const list = make("dl", { class: "facts" });
  for (const [name, value, title] of rows)
    list.append(make("dt", {}, name), make("dd", { title: title ?? null }, value));
  return list;
}

function rightness(isRight) {
  if (isRight === null || isRight === undefined) return null;
  const { mark, word } = OUTCOMES[isRight ? "right" : "wrong"];
  return make("span", { class: `mark ${word}`, role: "img", "aria-label": word, title: word }, mark);
}
