// The trace of a run: a waterfall of its calls, each to be opened; what one thought of it; and the run once more.

import { call, get } from "./api.js";
import { callDetail } from "./call_detail.js";
import { button, el, timeAgo } from "./dom.js";
import { feedbackForm } from "./feedback.js";
import { telling } from "./notices.js";
import { runAgainForm } from "./run_again.js";
import { duration, spent, stepOf } from "./trace_tree.js";
import { waterfall } from "./waterfall.js";

const RUNS = 100;
const FRESH_MS = 1000;
const ACTIVE = ["pending", "running"];

export function tracePanel({ session, run: start }) {
  const base = `/threads/${session.threadId}/runs`;
  const runs = el("select", { "aria-label": "Run", on: { change: () => telling(() => open(runs.value)) } });
  const told = el("p", { class: "hint", role: "status" });
  const actions = el("div", { class: "actions" });
  const calls = waterfall(choose);
  const detail = el("div", { class: "detail", "aria-live": "polite" });
  const opinion = el("div", {});
  const node = el(
    "div",
    { class: "trace" },
    el("h2", {}, "Trace"),
    el("label", { class: "inline" }, "Run ", runs),
    told,
    actions,
    calls.node,
    detail,
    opinion,
  );
  let trace = null;
  let chosen = null;
  let newest = null;
  let seen = null;
  let timer = null;

  async function list() {
    const found = await get(`${base}?limit=${RUNS}&select=run_id&select=status&select=created_at`);
    const known = found.some((one) => one.run_id === runs.value) && found[0].run_id === newest;
    const wanted = known ? runs.value : found[0]?.run_id;
    newest = found[0]?.run_id ?? null;
    const words = (one) => `${timeAgo(one.created_at).textContent}, ${one.status}`;
    runs.replaceChildren(...found.map((one) => el("option", { value: one.run_id }, words(one))));
    if (!wanted) told.textContent = "There is no run on this thread yet.";
    else await open(wanted);
  }

  async function open(runId) {
    clearTimeout(timer);
    const same = trace?.run.run_id === runId;
    const found = await get(`${base}/${runId}/trace`);
    runs.value = runId;
    trace = found;
    if (!same) {
      chosen = null;
      detail.replaceChildren();
      opinion.replaceChildren(feedbackForm(`${base}/${runId}`, found.feedback));
    }
    draw();
    if (ACTIVE.includes(found.run.status)) timer = setTimeout(() => telling(() => open(runId)), FRESH_MS);
  }

  function draw() {
    const { run, spans } = trace;
    const count = (kind) => {
      const many = spans.filter((span) => span.kind === kind).length;
      return `${many} ${kind} call${many === 1 ? "" : "s"}`;
    };
    const took = run.ended_at ? duration((Date.parse(run.ended_at) - Date.parse(run.started_at)) / 1000) : null;
    const used = spent(run.usage, run.usage?.cost_usd);
    const words = [run.status, took, count("model"), count("tool"), used];
    told.textContent = spans.length ? words.filter(Boolean).join(" · ") : nothing(run);
    actions.replaceChildren(
      button("Download", () => telling(() => download(run.run_id))),
      button("Run again from the start", () => again(null), { disabled: ACTIVE.includes(run.status) }),
    );
    calls.node.hidden = !spans.length;
    if (spans.length) calls.show(spans, chosen?.span_id);
    const now = chosen && spans.find((span) => span.span_id === chosen.span_id);
    if (now && now.outcome !== chosen.outcome) choose(now);
  }

  function nothing(run) {
    if (ACTIVE.includes(run.status)) return "Nothing has happened in this run yet.";
    if (trace.recorded === "off") return "This server keeps no traces (TRACES=off).";
    return "No trace of this run is kept: it did nothing, or it is too long ago.";
  }

  function choose(span) {
    chosen = span;
    calls.show(trace.spans, span.span_id);
    const step = stepOf(span, trace.spans);
    detail.replaceChildren(
      callDetail(span, trace.contents, trace.recorded),
      ...(step === null || ACTIVE.includes(trace.run.status)
        ? []
        : [button("Run again from here", () => again(span, step))]),
    );
  }

  function again(span, step = null) {
    detail.querySelector(".again")?.remove();
    const form = runAgainForm(trace.run, span, step, start);
    detail.append(form);
    form.scrollIntoView({ block: "nearest" });
  }

  async function download(runId) {
    const answer = await call("GET", `${base}/${runId}/trace`);
    const url = URL.createObjectURL(await answer.blob());
    el("a", { href: url, download: `trace-${runId}.json` }).click();
    URL.revokeObjectURL(url);
  }

  function update() {
    const now = session.run?.id ?? session.state?.checkpoint_id ?? "";
    if (now === seen) return;
    seen = now;
    telling(list);
  }

  return { node, update, close: () => clearTimeout(timer) };
}
