// Whatever a model, a dataset or a directory's name says is untrusted text. It is shown as it is written: what has no
// shape of its own, as escapes and what turns the direction of writing, is shown by its code point.

const UNSEEN = /[^\P{C}\n\t]|[\p{Zl}\p{Zp}]/gu;
const LONGEST_SHOWN = 20_000;

function codePoint(character) {
  return `U+${character.codePointAt(0).toString(16).toUpperCase().padStart(4, "0")}`;
}

/** A text for where there is no markup: attributes, options, labels of a drawing. */
function plain(text) {
  return text.replace(UNSEEN, (character) => `⟨${codePoint(character)}⟩`);
}

/** A text cut to so many characters. */
function shortened(text, most) {
  const line = text.replace(/\s+/g, " ").trim();
  return plain(line.length > most ? `${line.slice(0, most - 1)}…` : line);
}

/** A text as nodes, in an element that its direction of writing does not leave. */
function quoted(text, name = "bdi", attributes = {}) {
  const parts = [];
  let end = 0;
  for (const found of text.matchAll(UNSEEN)) {
    parts.push(text.slice(end, found.index), make("span", { class: "unseen" }, codePoint(found[0])));
    end = found.index + found[0].length;
  }
  return make(name, attributes, ...parts, text.slice(end));
}

/** A text of several lines; of a very long one its beginning, until more is asked for. */
function passage(text, attributes = {}) {
  const { class: kind = "", ...rest } = attributes;
  const element = make("div", { ...rest, class: `passage ${kind}`.trim(), dir: "auto" });
  element.append(quoted(text.slice(0, LONGEST_SHOWN), "span"));
  if (text.length > LONGEST_SHOWN) {
    const more = make(
      "button",
      { type: "button", class: "link", onclick: showAll },
      `Show all ${count(text.length)} characters`,
    );
    element.append("… ", more);
  }
  function showAll() {
    element.replaceChildren(quoted(text, "span"));
  }
  return element;
}

const WHOLE = new Intl.NumberFormat("en");

function count(number) {
  return number < 1e7 ? WHOLE.format(number) : `${(number / 1e6).toFixed(1)}M`;
}

function countOf(number, one, many = `${one}s`) {
  return `${count(number)} ${number === 1 ? one : many}`;
}

function operations(number) {
  return number === null ? "–" : number === 0 ? "0" : number.toExponential(2).replace("e+", "e");
}

function percent(share, digits = 1) {
  return `${(100 * share).toFixed(digits)}%`;
}

function seconds(number) {
  return `${number < 100 ? number.toFixed(2) : count(Math.round(number))} s`;
}
