// Elements are made here and nowhere else. Text goes in as text, never as markup.

const SVG = "http://www.w3.org/2000/svg";

/** An HTML element. Attributes that are null or false are left out; those that begin with "on" listen to an event. */
function make(name, attributes = {}, ...children) {
  return filled(document.createElement(name), attributes, children);
}

/** The same of a drawing. */
function draw(name, attributes = {}, ...children) {
  return filled(document.createElementNS(SVG, name), attributes, children);
}

function filled(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
}

function byId(id) {
  return document.getElementById(id);
}

/** Give an element other children. What has the focus in it keeps it, if there is something with its id again. */
function renew(element, ...children) {
  const { id } = document.activeElement ?? {};
  const hadFocus = id && element.contains(document.activeElement);
  element.replaceChildren(...children);
  if (hadFocus) byId(id)?.focus({ preventScroll: true });
}

/** A menu with the choices' names by their values. */
function menu(id, label, choices, value, onchoose) {
  const select = make("select", { id, onchange: () => onchoose(select.value) });
  for (const [each, name] of choices) select.append(make("option", { value: each, selected: each === value }, name));
  return make("label", { class: "field" }, make("span", {}, label), select);
}

/** A table that is moved sideways where it is too wide, by keys too. */
function scrolled(label, table) {
  table.setAttribute("aria-label", label);
  return make("div", { class: "scroll", tabindex: 0, role: "group", "aria-label": label }, table);
}
