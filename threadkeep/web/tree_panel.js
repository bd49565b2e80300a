// tree_of_thought's search as a tree: each thought with its value and fate, the chosen path marked and opened.

import { el } from "./dom.js";
import { treeOf } from "./progress.js";

export function treePanel({ session }) {
  const place = el("div", { class: "tree" });
  const told = el("p", { class: "hint", role: "status" });
  const all = el("input", { type: "checkbox", on: { change: () => ((shown = null), update()) } });
  const node = el(
    "div",
    {},
    el("h2", {}, "Tree of thoughts"),
    told,
    el("label", { class: "inline" }, all, " show dropped, dead and duplicate thoughts"),
    place,
  );
  const opened = new Map(); // thought id -> whether a person opened or closed it
  let shown = null;
  let pathName = "";

  function update() {
    const tree = treeOf(session.values);
    if (!tree || tree === shown) return;
    shown = tree;
    const children = new Map();
    for (const thought of Object.values(tree)) {
      if (!children.has(thought.parent)) children.set(thought.parent, []);
      children.get(thought.parent).push(thought);
    }
    const path = chosenPath(tree);
    const solved = Object.values(tree).some((one) => one.status === "solved");
    pathName = session.busy && !solved ? "best so far" : "chosen";
    const expanded = Object.values(tree).filter((one) => one.status === "expanded").length;
    told.textContent = `${Object.keys(tree).length} thoughts, ${expanded} expanded${solved ? ", solved" : ""}`;
    place.replaceChildren(...(children.get(null) ?? []).map((root) => thoughtNode(root, children, path)));
  }

  function thoughtNode(thought, children, path) {
    const chosen = path.has(thought.id);
    const below = (children.get(thought.id) ?? []).filter(
      (one) => all.checked || path.has(one.id) || !["dropped", "dead", "duplicate"].includes(one.status),
    );
    const words = [
      el("span", { class: "thought" }, thought.text || thought.state || "start"),
      " ",
      el("span", { class: `badge ${thought.status}` }, thought.status),
      el("span", { class: "worth" }, thought.value ? ` value ${Number(thought.value.toFixed(3))}` : ""),
      chosen ? el("strong", { class: "on-path" }, ` ${pathName}`) : null,
    ];
    const name = `branch${chosen ? " chosen" : ""}`;
    const hidden = (children.get(thought.id) ?? []).length - below.length;
    const note = hidden ? el("p", { class: "hint" }, `${hidden} more, dropped, dead or duplicate`) : null;
    if (!below.length) return el("div", { class: `${name} leaf`, "data-thought": thought.id }, words, note);
    const details = el(
      "details",
      { class: name, "data-thought": thought.id },
      el("summary", {}, words),
      note,
      below.sort(better).map((one) => thoughtNode(one, children, path)),
    );
    details.open = opened.get(thought.id) ?? (chosen || thought.parent === null);
    details.firstChild.addEventListener("click", () => opened.set(thought.id, !details.open));
    return details;
  }

  return { node, update };
}

function better(one, other) {
  return other.value - one.value;
}

/** The ids from the root to the solution, or to the deepest and best thought that is still worth something. */
export function chosenPath(tree) {
  const thoughts = Object.values(tree);
  const solved = thoughts.filter((one) => one.status === "solved");
  const worth = solved.length
    ? solved
    : thoughts.filter((one) => ["kept", "expanded", "proposed"].includes(one.status));
  const best = worth.reduce(
    (found, one) =>
      !found || one.depth > found.depth || (one.depth === found.depth && one.value > found.value) ? one : found,
    null,
  );
  const path = new Set();
  for (let one = best; one && !path.has(one.id); one = tree[one.parent]) path.add(one.id);
  return path;
}
