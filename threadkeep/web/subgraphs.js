// What went on inside a subgraph: its checkpoints, read when one asks for them, and those of the subgraphs within.

import { post } from "./api.js";
import { el } from "./dom.js";
import { jsonTree } from "./json_tree.js";
import { telling } from "./notices.js";

const MOST = 100;

/** One element for each task of `state` that is a subgraph; empty when there is none. */
export function insidesOf(threadId, state) {
  return (state?.tasks ?? []).filter((task) => task.checkpoint).map((task) => insideOf(threadId, task));
}

function insideOf(threadId, task) {
  const steps = el("div", { class: "children" });
  const node = el("details", { class: "inside" }, el("summary", {}, `Inside ${task.name}`), steps);
  node.addEventListener("toggle", () => {
    if (node.open && !steps.hasChildNodes()) telling(fill);
  });

  async function fill() {
    const select = ["values", "next", "metadata", "tasks"];
    const states = await post(`/threads/${threadId}/history`, { checkpoint: task.checkpoint, limit: MOST, select });
    const newest = states.length === MOST ? `The newest ${MOST} steps are shown.` : "";
    steps.replaceChildren(
      el("p", { class: "hint" }, states.length ? newest : "It kept no checkpoints, or has not begun."),
      ...states.map((state, place) => stepNode(state, place === 0)),
    );
  }

  function stepNode(state, open) {
    const next = state.next.length ? `next: ${state.next.join(", ")}` : "end";
    return el(
      "details",
      { open },
      el("summary", {}, el("strong", {}, `Step ${state.metadata?.step ?? "?"}`), ` · ${next}`),
      el(
        "div",
        { class: "children" },
        Object.entries(state.values ?? {}).map(([key, value]) => jsonTree(value, key)),
        insidesOf(threadId, state),
      ),
    );
  }

  return node;
}
