// A trace drawn on a time axis: a row for each node, model call and tool call, those within others moved to the right.

import { button, el } from "./dom.js";
import { duration, laidOut, spent } from "./trace_tree.js";

const FIRST = 150;
const TICKS = 4;
const WORDS = { error: "failed", interrupted: "asked or handed over", cancelled: "cancelled", running: "under way" };

/** `{node, show(spans, chosenId)}`; `choose(span)` is called for the row that was chosen. */
export function waterfall(choose) {
  const axis = el("div", { class: "axis", "aria-hidden": "true" });
  const list = el("ol", { class: "waterfall", "aria-label": "Nodes, model calls and tool calls by time" });
  const node = el("div", {}, axis, list);
  let shownRows = FIRST;

  function show(spans, chosenId) {
    const focused = document.activeElement?.dataset?.span;
    const rows = laidOut(spans);
    const total = Math.max(...rows.map((row) => row.until), 1e-6);
    axis.replaceChildren(...ticks(total));
    const more = rows.length - shownRows;
    list.replaceChildren(
      ...rows.slice(0, shownRows).map((row) => rowOf(row, total, chosenId)),
      ...(more > 0 ? [el("li", {}, button(`${more} more`, () => further(spans, chosenId), { class: "quiet" }))] : []),
    );
    if (focused) list.querySelector(`[data-span="${CSS.escape(focused)}"]`)?.focus();
  }

  function further(spans, chosenId) {
    shownRows += 500;
    show(spans, chosenId);
  }

  function rowOf({ span, depth, from, until }, total, chosenId) {
    const bar = el("span", { class: `bar of-${span.kind} ${span.outcome}` });
    bar.style.marginInlineStart = `${(100 * from) / total}%`;
    bar.style.width = `${(100 * (until - from)) / total}%`;
    const name = el("span", { class: "name" }, el("span", { class: "kind" }, span.kind), " ", span.name);
    name.style.paddingInlineStart = `${depth}rem`;
    const facts = [
      span.outcome === "ok" ? null : (WORDS[span.outcome] ?? span.outcome),
      span.seconds === null ? null : duration(span.seconds),
      spent(span.usage, span.cost_usd) || null,
    ];
    return el(
      "li",
      {},
      button(
        [
          name,
          el("span", { class: "track", "aria-hidden": "true" }, bar),
          el("span", { class: "facts" }, facts.filter(Boolean).join(" · ")),
        ],
        () => choose(span),
        { class: "row", "data-span": span.span_id, "aria-pressed": String(span.span_id === chosenId) },
      ),
    );
  }

  return { node, show };
}

function ticks(total) {
  const places = Array.from({ length: TICKS + 1 }, (_, place) => place / TICKS);
  return places.map((part) => el("span", {}, part ? duration(total * part) : "0"));
}
