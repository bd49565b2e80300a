// The graph drawn, with the nodes of the newest run marked: at work, done, failed, or waiting for a person.

import { get } from "./api.js";
import { el, svg } from "./dom.js";
import { layout } from "./graph_layout.js";
import { telling } from "./notices.js";

const WORDS = { running: "at work", done: "done", failed: "failed", waiting: "waiting for you" };
const NAMES = { __start__: "start", __end__: "end" };

export function graphPanel({ session, assistantId }) {
  const drawing = el("div", { class: "drawing", tabindex: "0", role: "region", "aria-label": "Graph" });
  const told = el("p", { class: "hint", role: "status" });
  const inside = el("input", { type: "checkbox", on: { change: () => telling(() => draw(drawn)) } });
  const choice = el("label", { class: "inline", hidden: true }, inside, " look inside subgraphs");
  const node = el("div", { class: "graph" }, el("h2", {}, "Graph"), told, choice, drawing);
  let drawn = null;
  let marks = new Map();

  async function draw(id) {
    const graph = await get(`/assistants/${id}/graph${inside.checked ? "?xray=true" : ""}`);
    marks = new Map();
    const { nodes, edges, width, height } = layout(graph);
    const arrow = svg(
      "marker",
      {
        id: "arrow",
        viewBox: "0 0 8 8",
        refX: 7,
        refY: 4,
        markerWidth: 7,
        markerHeight: 7,
        orient: "auto-start-reverse",
      },
      svg("path", { d: "M0 0L8 4L0 8z" }),
    );
    const lines = edges.map((edge) =>
      svg("path", {
        class: `edge${edge.conditional ? " conditional" : ""}`,
        d: edge.path,
        "marker-end": "url(#arrow)",
      }),
    );
    const boxes = nodes.map((one) => {
      const title = svg("title", {}, one.id);
      const box = svg(
        "g",
        { class: "node", "data-node": one.id },
        title,
        svg("rect", { x: one.x, y: one.y, width: one.width, height: one.height, rx: 8 }),
        svg(
          "text",
          { x: one.x + one.width / 2, y: one.y + one.height / 2 + 4, "text-anchor": "middle" },
          short(NAMES[one.id] ?? one.id),
        ),
      );
      marks.set(one.id, { box, title });
      return box;
    });
    drawing.replaceChildren(
      svg(
        "svg",
        {
          viewBox: `0 0 ${width} ${height}`,
          width,
          height,
          role: "img",
          "aria-label": `Graph with ${nodes.length} nodes`,
        },
        svg("defs", {}, arrow),
        lines,
        boxes,
      ),
    );
    mark();
  }

  function mark() {
    for (const [id, { box, title }] of marks) {
      const state = session.nodes[id] ?? "";
      const words = state ? `${id}: ${WORDS[state]}` : id;
      if (title.textContent === words) continue;
      title.textContent = words;
      box.setAttribute("class", `node ${state}`);
    }
    const at = Object.keys(session.nodes).filter((id) => session.nodes[id] === "running");
    const done = Object.keys(session.nodes).filter((id) => session.nodes[id] === "done");
    const words = inside.checked
      ? "Nodes inside subgraphs are not marked; the trace of a run shows them."
      : at.length
        ? `At work: ${at.join(", ")}`
        : done.length
          ? `Done in the newest run: ${done.join(", ")}`
          : "No run was followed in this tab yet.";
    if (told.textContent !== words) told.textContent = words;
  }

  function update() {
    const id = assistantId();
    if (id && id !== drawn) {
      drawn = id;
      inside.checked = false;
      choice.hidden = true;
      telling(() => draw(id));
      telling(async () => {
        const subgraphs = await get(`/assistants/${id}/subgraphs`);
        if (id === drawn) choice.hidden = !Object.keys(subgraphs).length;
      });
    }
    mark();
  }

  return { node, update };
}

function short(name) {
  return name.length > 17 ? `${name.slice(0, 16)}…` : name;
}
