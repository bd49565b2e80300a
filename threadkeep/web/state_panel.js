// The state as it is now: values, what runs next, what it was made by.

import { el } from "./dom.js";
import { jsonTree } from "./json_tree.js";
import { insidesOf } from "./subgraphs.js";

export function statePanel({ session }) {
  const node = el("div", { class: "state" });
  let shown = null;
  let busy = null;

  function update() {
    if (shown === session.values && busy === session.busy) return;
    shown = session.values;
    busy = session.busy;
    const open = openPaths(node);
    const { next = [], created_at: made, metadata = {}, checkpoint_id: id } = session.state ?? {};
    const facts = session.busy
      ? [["Now", "a run is working"]]
      : [
          ["Checkpoint", id ?? "none yet"],
          ["Step", metadata?.step ?? "–"],
          ["Next", next.join(", ") || "nothing"],
          ["Made", made ? new Date(made).toLocaleString() : "–"],
        ];
    node.replaceChildren(
      el("h2", {}, "State"),
      el(
        "dl",
        {},
        facts.map(([name, value]) => [el("dt", {}, name), el("dd", {}, String(value))]),
      ),
      ...Object.entries(session.values).map(([key, value]) => topTree(key, value)),
      ...(session.busy ? [] : insidesOf(session.threadId, session.state)),
    );
    reopen(node, open);
  }

  return { node, update };
}

function topTree(key, value) {
  const tree = jsonTree(value, key);
  tree.dataset.key = key;
  if (tree.tagName === "DETAILS") tree.open = key === "messages";
  return tree;
}

// What was open stays open while the state moves on.
function openPaths(node) {
  return new Map([...node.querySelectorAll(":scope > details[data-key]")].map((one) => [one.dataset.key, one.open]));
}

function reopen(node, open) {
  for (const one of node.querySelectorAll(":scope > details[data-key]"))
    one.open = open.get(one.dataset.key) ?? one.open;
}
