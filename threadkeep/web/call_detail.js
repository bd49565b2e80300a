// One model call or tool call, exactly: what was sent, with which parameters, and what came back.

import { el } from "./dom.js";
import { jsonTree } from "./json_tree.js";
import { duration, spent } from "./trace_tree.js";
import { textOf } from "./transcript.js";

const OPEN = 2; // the last messages are what the call was about

/** `contents` are the trace's, by hash. */
export function callDetail(span, contents, recorded) {
  const facts = [
    ["Outcome", span.outcome],
    ["Began", new Date(span.started_at).toLocaleString()],
    ["Took", span.seconds === null ? "not over yet" : duration(span.seconds)],
    ["First token after", typeof span.first_after_seconds === "number" ? duration(span.first_after_seconds) : null],
    ["Provider", span.provider],
    ["Spent", spent(span.usage, span.cost_usd) || null],
    ["Super-step", span.step],
    ["Attempt", span.attempt > 1 ? span.attempt : null],
  ];
  return el(
    "section",
    { class: "call-detail", "aria-label": `${span.kind} ${span.name}` },
    el("h3", {}, `${span.kind} ${span.name}`),
    el(
      "dl",
      {},
      facts
        .filter(([, value]) => value !== null && value !== undefined)
        .map(([name, value]) => [el("dt", {}, name), el("dd", {}, String(value))]),
    ),
    span.error
      ? el("p", { class: "refusal" }, [span.error.error, span.error.message].filter(Boolean).join(": "))
      : null,
    span.kind === "node" ? null : said(span, contents, recorded),
  );
}

function said(span, contents, recorded) {
  if (!span.sent) {
    const why = recorded === "metadata" ? " This server keeps traces without it (TRACES=metadata)." : "";
    return el("p", { class: "hint" }, `What was said is not kept.${why}`);
  }
  const sent = span.sent.map((hash) => contents[hash] ?? gone);
  return [
    el("h4", {}, span.kind === "model" ? `Sent: ${sent.length} messages` : "Called with"),
    span.kind === "model"
      ? sent.map((message, place) => messageNode(message, place >= sent.length - OPEN))
      : sent.map((given) => jsonTree(given, "arguments")),
    span.parameters ? [el("h4", {}, "Parameters"), folded(contents[span.parameters] ?? gone, "parameters")] : null,
    span.answer
      ? [el("h4", {}, "Answer"), messageNode(contents[span.answer] ?? gone, true)]
      : el("p", { class: "hint" }, "There is no answer."),
  ];
}

const gone = "This is kept no more.";

function messageNode(message, open) {
  if (typeof message === "string") return el("pre", { tabindex: "0" }, message);
  if (message === null || typeof message !== "object" || typeof message.type !== "string")
    return jsonTree(message, "value");
  const text = textOf(message);
  const calls = (message.tool_calls ?? []).map((call) => jsonTree(call.args ?? {}, `calls ${call.name}`));
  const start = text.replaceAll(/\s+/g, " ").slice(0, 80);
  return el(
    "details",
    { class: "sent", open },
    el("summary", {}, el("span", { class: "badge" }, message.type), " ", message.name ?? "", " ", start),
    text ? el("pre", { tabindex: "0" }, text) : null,
    calls,
    folded(message, "the whole message"),
  );
}

function folded(value, name) {
  const tree = jsonTree(value, name);
  if (tree.tagName === "DETAILS") tree.open = false;
  return tree;
}
