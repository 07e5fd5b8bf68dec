// Where somebody is in the report, as the fragment of its address: so that a place can be kept and sent.

const NOWHERE = { problem: null, run: 0, other: null, node: null, node2: null };

function readPlace(report) {
  const found = new URLSearchParams(location.hash.slice(1));
  const run = (name) => {
    const number = report.runs.findIndex((each) => each.name === found.get(name));
    return number < 0 ? null : number;
  };
  const problem = found.has("problem") ? (report.numberOf(found.get("problem")) ?? null) : null;
  const place = {
    ...NOWHERE,
    problem,
    run: run("run") ?? 0,
    other: run("with"),
    node: found.get("node"),
    node2: found.get("node2"),
  };
  return place.other === place.run ? { ...place, other: null } : place;
}

/** Put a place into the address: as a new entry of the history, or in the place of the present one. */
function writePlace(report, place, isNew) {
  const fields = new URLSearchParams();
  if (place.problem !== null) fields.set("problem", report.keys[place.problem]);
  if (report.runs.length > 1) fields.set("run", report.runs[place.run].name);
  if (place.problem !== null) {
    if (place.other !== null) fields.set("with", report.runs[place.other].name);
    if (place.node !== null) fields.set("node", place.node);
    if (place.other !== null && place.node2 !== null) fields.set("node2", place.node2);
  }
  const fragment = `#${fields}`;
  if (fragment === location.hash) return;
  if (isNew) history.pushState(null, "", fragment);
  else history.replaceState(null, "", fragment);
}
