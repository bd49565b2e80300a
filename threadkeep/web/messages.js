// The conversation: one element a message, drawn again only when the message has changed.

import { button, el } from "./dom.js";
import { rendered } from "./markdown.js";
import { jsonTree } from "./json_tree.js";
import { otherBlocks, textOf } from "./transcript.js";

const NAMES = { human: "You", ai: "Agent", tool: "Tool", system: "System" };

/** The log element; `act` has `edit(message, text)` and `again(message)`; `update(messages, busy)` draws. */
export function messageLog(act) {
  const node = el("div", { class: "log", role: "log", "aria-label": "Messages", tabindex: "0" });
  const drawn = new Map(); // id -> {signature, node}

  function update(messages, busy) {
    const atEnd = node.scrollHeight - node.scrollTop - node.clientHeight < 80;
    const answers = new Map(messages.filter((one) => one.type === "tool").map((one) => [one.tool_call_id, one]));
    const called = new Set(messages.flatMap((one) => (one.tool_calls ?? []).map((call) => call.id)));
    const shown = messages.filter((one) => one.type !== "tool" || !called.has(one.tool_call_id));
    const wanted = shown.map((message, place) => {
      const results = (message.tool_calls ?? []).map((call) => answers.get(call.id) ?? null);
      const signature = JSON.stringify([message, results, busy]);
      const id = message.id ?? `place ${place}`;
      const before = drawn.get(id);
      // A message that is being edited stays as it is, whatever happens around it.
      if (before && (before.signature === signature || before.node.querySelector("form"))) return before.node;
      const opened = [...(before?.node.querySelectorAll("details") ?? [])].map((details) => details.open);
      const made = messageNode(message, results, busy ? null : act);
      [...made.querySelectorAll("details")].forEach((details, at) => (details.open = opened[at] ?? details.open));
      drawn.set(id, { signature, node: made });
      return made;
    });
    if (wanted.length !== node.children.length || wanted.some((one, place) => node.children[place] !== one)) {
      replaceChanged(node, wanted);
    }
    if (atEnd) node.scrollTop = node.scrollHeight;
  }

  return { node, update };
}

// Without touching what stays, so that focus and selection survive.
function replaceChanged(parent, wanted) {
  wanted.forEach((one, place) => {
    const there = parent.children[place];
    if (there === one) return;
    if (there && !wanted.includes(there)) there.replaceWith(one);
    else parent.insertBefore(one, there ?? null);
  });
  while (parent.children.length > wanted.length) parent.lastElementChild.remove();
}

function messageNode(message, results, act) {
  const text = textOf(message);
  const body = el("div", { class: "text" });
  if (message.type === "ai") body.append(rendered(text));
  else body.textContent = text;
  const node = el(
    "article",
    { class: `message ${message.type}${message.growing ? " growing" : ""}`, "data-id": message.id },
    el("h3", {}, NAMES[message.type] ?? message.type, message.name ? ` · ${message.name}` : ""),
    text ? body : null,
    otherBlocks(message).map(blockNode),
    (message.tool_calls ?? []).map((call, place) => callNode(call, results[place])),
  );
  if (act && !message.growing) node.append(actionsOf(message, node, body, act));
  return node;
}

function blockNode(block) {
  const url =
    block.image_url?.url ??
    block.image_url ??
    (block.type === "image" && block.base64 ? `data:${block.mime_type};base64,${block.base64}` : null);
  if (typeof url === "string" && /^data:image\/(png|jpeg|gif|webp);/.test(url))
    return el("img", { src: url, alt: "Image in this message" });
  return jsonTree(block, block.type ?? "block");
}

function callNode(call, result) {
  const state = result ? (result.status === "error" ? "failed" : "done") : "called";
  return el(
    "details",
    { class: `call ${state}`, open: true },
    el("summary", {}, el("code", {}, call.name ?? "tool"), " ", el("span", { class: `badge ${state}` }, state)),
    typeof call.args === "string" ? el("pre", { tabindex: "0" }, call.args) : jsonTree(call.args ?? {}, "arguments"),
    result
      ? el("div", { class: "result" }, el("h4", {}, "Result"), el("pre", { tabindex: "0" }, textOf(result)))
      : null,
  );
}

function actionsOf(message, node, body, act) {
  const row = el("div", { class: "actions" });
  if (message.type === "human")
    row.append(button("Edit", () => editForm(message, node, body, row, act), { class: "quiet" }));
  if (message.type === "ai") row.append(button("Run again", () => act.again(message), { class: "quiet" }));
  return row;
}

function editForm(message, node, body, row, act) {
  const field = el("textarea", { rows: 3, "aria-label": "Edit the message", value: textOf(message) });
  const close = () => (form.replaceWith(body), (row.hidden = false));
  const form = el(
    "form",
    {
      class: "edit",
      on: {
        submit: (event) => {
          event.preventDefault();
          close();
          act.edit(message, field.value);
        },
      },
    },
    field,
    el(
      "div",
      { class: "actions" },
      el("button", { type: "submit", class: "primary" }, "Run again from here"),
      button("Cancel", close),
    ),
  );
  row.hidden = true;
  if (body.isConnected) body.replaceWith(form);
  else node.append(form);
  field.focus();
}
