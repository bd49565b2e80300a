// The history as a timeline of checkpoints: look at one, compare two, fork, change the state, go on from there.

import { get, post } from "./api.js";
import { differences } from "./diff.js";
import { button, el, labelled, timeAgo } from "./dom.js";
import { jsonTree } from "./json_tree.js";
import { notify, telling } from "./notices.js";
import { insidesOf } from "./subgraphs.js";

const PAGE = 50;
const SELECT = ["checkpoint_id", "parent_checkpoint_id", "metadata", "created_at", "next", "tasks"];

export function historyPanel({ session, run, sendFrom }) {
  const list = el("ol", { class: "timeline" });
  const detail = el("div", { class: "checkpoint", "aria-live": "polite" });
  const more = button("Older", () => telling(() => load(false)), { class: "quiet", hidden: true });
  const node = el(
    "div",
    { class: "history" },
    el("h2", {}, "History"),
    el("p", { class: "hint" }, "Choose a checkpoint to look at it; tick two to compare them."),
    list,
    more,
    detail,
  );
  const base = `/threads/${session.threadId}`;
  let states = [];
  let ticked = [];
  let newest = null;
  let looking = null;

  async function load(anew) {
    const before = anew ? null : (states.at(-1)?.checkpoint_id ?? null);
    const page = await post(`${base}/history`, { limit: PAGE, before, select: SELECT });
    states = anew ? page : [...states, ...page];
    more.hidden = page.length < PAGE;
    draw();
  }

  function draw() {
    list.replaceChildren(...states.map(item));
  }

  function item(state) {
    const { checkpoint_id: id, metadata = {}, next = [] } = state;
    const tick = el("input", {
      type: "checkbox",
      checked: ticked.includes(id),
      "aria-label": `Compare step ${metadata?.step}`,
      on: { change: () => tickOff(id) },
    });
    const words = next.length ? `next: ${next.join(", ")}` : "end";
    const forked = metadata?.source === "fork" || metadata?.source === "update" ? ` · ${metadata.source}` : "";
    return el(
      "li",
      { class: looking === id ? "current" : null },
      tick,
      button(
        [el("strong", {}, `Step ${metadata?.step ?? "?"}`), ` · ${words}${forked} · `, timeAgo(state.created_at)],
        () => telling(() => look(id)),
        { class: "quiet", "data-checkpoint": id },
      ),
    );
  }

  function tickOff(id) {
    ticked = ticked.includes(id) ? ticked.filter((one) => one !== id) : [...ticked, id].slice(-2);
    draw();
    if (ticked.length === 2) telling(compare);
  }

  async function compare() {
    const [older, newer] = await Promise.all([...ticked].sort().map((id) => get(`${base}/state/${id}`)));
    const found = differences(older.values, newer.values);
    detail.replaceChildren(
      el("h3", {}, `Step ${older.metadata?.step} compared with step ${newer.metadata?.step}`),
      found.length ? el("ul", { class: "diff" }, found.map(change)) : el("p", {}, "The two states are the same."),
    );
  }

  function change({ path, before, after }) {
    const kind = before === undefined ? "added" : after === undefined ? "removed" : "changed";
    return el(
      "li",
      { class: kind },
      el("p", {}, el("span", { class: `badge ${kind}` }, kind), " ", el("code", {}, path || "the whole state")),
      before === undefined ? null : el("del", {}, jsonTree(before, "before")),
      after === undefined ? null : el("ins", {}, jsonTree(after, "after")),
    );
  }

  async function look(id) {
    const state = await get(`${base}/state/${id}`);
    looking = id;
    draw();
    detail.replaceChildren(
      el("h3", {}, `Step ${state.metadata?.step}`),
      el("p", { class: "hint" }, el("code", {}, id)),
      el(
        "div",
        { class: "actions" },
        button("Write from here", () => sendFrom(id)),
        button("Go on from here", () => telling(() => run({ input: null, checkpoint_id: id })), {
          disabled: !state.next.length,
        }),
        button("Fork", () => telling(() => fork(id))),
        button("Change the state", () => detail.append(stateForm(id, state))),
      ),
      ...Object.entries(state.values ?? {}).map(([key, value]) => jsonTree(value, key)),
      ...insidesOf(session.threadId, state),
    );
  }

  async function fork(id) {
    await session.updateState({ checkpoint_id: id, as_node: "__copy__", values: null });
    notify("The thread now goes on from a copy of that checkpoint.", "good");
    await load(true);
  }

  function stateForm(id, state) {
    detail.querySelector("form")?.remove();
    const values = el("textarea", { rows: 6, spellcheck: "false", value: "{\n  \n}" });
    const asNode = el("input", { type: "text", value: "", placeholder: state.next?.[0] ? "as the step before" : "" });
    const submit = async (event) => {
      event.preventDefault();
      let update;
      try {
        update = JSON.parse(values.value);
      } catch (error) {
        notify(`The values are no JSON (${error.message}). Correct them, then save again.`);
        return;
      }
      const done = await telling(async () => {
        await session.updateState({
          checkpoint_id: id,
          values: update,
          ...(asNode.value ? { as_node: asNode.value } : {}),
        });
        return true;
      });
      if (done) await telling(() => load(true));
    };
    return el(
      "form",
      { class: "change", on: { submit } },
      labelled(
        "Values to write, as JSON",
        values,
        "Written as a node's update: lists of messages are added to, not replaced.",
      ),
      labelled("As node (empty: the last one that ran)", asNode),
      el("button", { type: "submit", class: "primary" }, "Save as a new checkpoint"),
    );
  }

  function update() {
    const now = session.state?.checkpoint_id ?? null;
    if (newest === now && states.length) return;
    newest = now;
    telling(() => load(true));
  }

  return { node, update };
}
