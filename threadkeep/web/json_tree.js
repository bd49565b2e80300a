// Any JSON as a tree that can be folded; long lists and texts are shown in part until asked for.

import { button, el } from "./dom.js";

const FIRST = 50;
const LONG_TEXT = 600;

export function jsonTree(value, name, depth = 0) {
  if (value === null || typeof value !== "object") return el("div", { class: "leaf" }, keyNode(name), leaf(value));
  const entries = Array.isArray(value) ? value.map((item, place) => [String(place), item]) : Object.entries(value);
  const size = Array.isArray(value) ? `[${entries.length}]` : `{${entries.length}}`;
  if (!entries.length) return el("div", { class: "leaf" }, keyNode(name), el("span", { class: "size" }, size));
  const children = el("div", { class: "children" });
  const details = el(
    "details",
    { class: "branch" },
    el(
      "summary",
      {},
      keyNode(name),
      el("span", { class: "size" }, size),
      " ",
      el("span", { class: "hint" }, hintOf(value)),
    ),
    children,
  );
  const fill = (from) => {
    children.append(...entries.slice(from, from + FIRST).map(([key, item]) => jsonTree(item, key, depth + 1)));
    const left = entries.length - from - FIRST;
    if (left > 0) {
      const more = button(`${left} more`, () => (more.remove(), fill(from + FIRST)), { class: "quiet" });
      children.append(more);
    }
  };
  // What is never opened is never made: a state may be large.
  details.addEventListener("toggle", () => details.open && !children.hasChildNodes() && fill(0));
  if (depth === 0) {
    fill(0);
    details.open = true;
  }
  return details;
}

function keyNode(name) {
  return el("span", { class: "key" }, name, ": ");
}

function leaf(value) {
  if (typeof value !== "string") return el("span", { class: `value ${typeof value}` }, String(value));
  if (value.length <= LONG_TEXT) return el("span", { class: "value string" }, JSON.stringify(value));
  const node = el("span", { class: "value string" }, JSON.stringify(value.slice(0, LONG_TEXT)));
  const more = button(
    `… ${value.length - LONG_TEXT} characters more`,
    () => ((node.textContent = JSON.stringify(value)), more.remove()),
    { class: "quiet" },
  );
  return [node, more];
}

// What tells one message, step or thought from the next without opening it.
function hintOf(value) {
  if (Array.isArray(value)) return "";
  const parts = [
    value.type,
    value.name,
    value.id,
    typeof value.content === "string" ? value.content : (value.task ?? value.text),
  ];
  return parts
    .filter((part) => typeof part === "string" && part)
    .join(" · ")
    .slice(0, 90);
}
