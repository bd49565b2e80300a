// plan_execute's plan as a checklist that fills while it is carried out.

import { el } from "./dom.js";
import { planOf } from "./progress.js";

const MARKS = { pending: "○", running: "◐", done: "✓", failed: "✗", skipped: "–" };

export function planPanel({ session }) {
  const list = el("ol", { class: "plan" });
  const told = el("p", { class: "hint", role: "status" });
  const node = el("div", {}, el("h2", {}, "Plan"), told, list);
  let shown = "";

  function update() {
    const plan = planOf(session.values) ?? [];
    const signature = JSON.stringify(plan);
    if (signature === shown) return;
    shown = signature;
    const done = plan.filter((step) => step.status === "done").length;
    told.textContent = `${done} of ${plan.length} steps done`;
    list.replaceChildren(...plan.map((step) => stepNode(step, plan)));
  }

  return { node, update };
}

function stepNode(step, plan) {
  const needs = step.depends_on ?? [];
  const waits = needs.filter((id) => plan.find((one) => one.id === id)?.status !== "done");
  const waiting = waits.length && step.status === "pending" ? `; waits for ${waits.join(", ")}` : "";
  return el(
    "li",
    { class: `step ${step.status}`, "data-step": step.id },
    el("span", { class: "mark", "aria-hidden": "true" }, MARKS[step.status] ?? "?"),
    el(
      "div",
      {},
      el(
        "p",
        {},
        el("strong", {}, step.id),
        " ",
        step.task,
        " ",
        el("span", { class: `badge ${step.status}` }, step.status),
      ),
      needs.length
        ? el(
            "p",
            { class: "hint" },
            `needs ${needs.join(", ")}${waiting}`,
          )
        : null,
      step.tool
        ? el("p", { class: "hint" }, el("code", {}, step.tool), " ", el("code", {}, JSON.stringify(step.args ?? {})))
        : null,
      step.attempts > 1 ? el("p", { class: "hint" }, `${step.attempts} attempts`) : null,
      step.output ? el("pre", { tabindex: "0" }, step.output) : null,
    ),
  );
}
