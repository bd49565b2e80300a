// The views beside the chat, by the name in the address; `fits` says for which states there is something to see.

import { graphPanel } from "./graph_panel.js";
import { historyPanel } from "./history_panel.js";
import { planPanel } from "./plan_panel.js";
import { planOf, treeOf } from "./progress.js";
import { statePanel } from "./state_panel.js";
import { tracePanel } from "./trace_panel.js";
import { treePanel } from "./tree_panel.js";

export const PANELS = {
  state: { title: "State", fits: () => true, make: statePanel },
  history: { title: "History", fits: () => true, make: historyPanel },
  trace: { title: "Trace", fits: () => true, make: tracePanel },
  graph: { title: "Graph", fits: () => true, make: graphPanel },
  plan: { title: "Plan", fits: (values) => planOf(values) !== null, make: planPanel },
  tree: { title: "Tree", fits: (values) => treeOf(values) !== null, make: treePanel },
};

/** The panel of that name on a thread's page, drawn once; null for the chat alone. */
export function panelOf(name, page) {
  return PANELS[name]?.make(page) ?? null;
}
