// The page of one thread: its head, the chat, and beside it the panel that was chosen.

import { post, request } from "./api.js";
import { composer } from "./composer.js";
import { button, el, oncePerFrame } from "./dom.js";
import { interruptPanel } from "./interrupts.js";
import { messageLog } from "./messages.js";
import { notify, telling } from "./notices.js";
import { PANELS, panelOf } from "./panels.js";
import { Session } from "./session.js";
import { titleOf } from "./threads.js";
import { branchBefore } from "./time_travel.js";
import { humanMessage } from "./transcript.js";

/** `{node, show(panel), close()}`; `app.threadsChanged()` is told what the list should know. */
export function threadPage(threadId, app) {
  const session = new Session(threadId);
  const title = el("h1", {}, "Thread");
  const badge = el("span", { class: "badge" });
  const status = el("p", { class: "status", role: "status" });
  const tabs = el("nav", { class: "tabs", "aria-label": "Views of the thread" });
  const side = el("section", { class: "side" });
  const log = messageLog({
    edit: (message, text) => telling(() => edit(message, text)),
    again: (message) => telling(() => again(message)),
  });
  const asks = interruptPanel((command) => run(command ? { command } : { input: null }));
  const write = composer({ send, stop: () => session.stop(), chosen: (id) => (assistantId = id) });
  const chat = el("section", { class: "chat", "aria-label": "Chat" }, log.node, asks.node, status, write.node);
  const node = el(
    "div",
    { class: "thread" },
    el("a", { class: "back", href: "#/" }, "All threads"),
    head(),
    tabs,
    el("div", { class: "columns" }, chat, side),
  );
  let panel = null;
  let shown = "chat";
  let assistantId = null;

  function head() {
    const actions = el(
      "div",
      { class: "actions" },
      button("Rename", rename),
      button("Copy", () => telling(copy)),
      button("Delete", remove, { class: "danger" }),
    );
    return el("header", { class: "thread-head" }, title, badge, actions);
  }

  const draw = oncePerFrame(() => {
    if (session.thread) {
      const name = titleOf({ ...session.thread, values: session.values });
      if (title.textContent !== name && !title.querySelector("input")) title.textContent = name;
      document.title = `${name} · Threadkeep`;
    }
    const state = session.busy ? "busy" : (session.thread?.status ?? "");
    badge.textContent = state;
    badge.className = `badge ${state}`;
    log.update(session.messages, session.busy);
    asks.update(session.interrupts, session.busy ? [] : stoppedBefore());
    assistantId ??= session.thread?.metadata?.assistant_id ?? null;
    write.update({ busy: session.busy, assistantId });
    const words = !session.connected
      ? "The connection is cut. Trying again …"
      : session.busy
        ? "Working …"
        : session.error
          ? `The run failed: ${session.error}`
          : "";
    if (status.textContent !== words) status.textContent = words;
    status.classList.toggle("failed", Boolean(session.error) && !session.busy);
    drawTabs();
    panel?.update();
  });

  function stoppedBefore() {
    return session.thread?.status === "interrupted" && !session.interrupts.length ? (session.state?.next ?? []) : [];
  }

  function drawTabs() {
    const names = Object.keys(PANELS).filter((name) => PANELS[name].fits(session.values));
    const signature = JSON.stringify([names, shown]);
    if (tabs.dataset.shown === signature) return;
    tabs.dataset.shown = signature;
    const link = (name, words) =>
      el("a", { href: `#/t/${threadId}/${name}`, "aria-current": name === shown ? "page" : null }, words);
    tabs.replaceChildren(link("chat", "Chat"), ...names.map((name) => link(name, PANELS[name].title)));
  }

  function show(name) {
    shown = PANELS[name] ? name : "chat";
    node.dataset.panel = shown;
    panel?.close?.();
    panel = panelOf(shown, {
      session,
      run,
      sendFrom: (id) => write.sendFrom(id),
      assistantId: () => assistantId ?? write.assistantId,
    });
    side.replaceChildren(...(panel ? [panel.node] : []));
    draw();
  }

  async function run(what) {
    await session.start(assistantId ?? write.assistantId, what);
    app.threadsChanged();
  }

  async function send(assistant, input, checkpointId) {
    assistantId = assistant;
    await run({ input, ...(checkpointId ? { checkpoint_id: checkpointId } : {}) });
  }

  async function edit(message, text) {
    const checkpoint = await branchBefore(threadId, message.id);
    await run({ input: { messages: [humanMessage(text)] }, ...checkpoint });
  }

  async function again(message) {
    await run({ input: null, ...(await branchBefore(threadId, message.id)) });
  }

  function rename() {
    const field = el("input", { type: "text", value: title.textContent, "aria-label": "Name of the thread" });
    const form = el("form", { class: "rename", on: { submit: done } }, field, el("button", { type: "submit" }, "Save"));
    async function done(event) {
      event.preventDefault();
      await telling(() => session.rename(field.value.trim()));
      title.replaceChildren();
      draw();
      app.threadsChanged();
    }
    title.replaceChildren(form);
    field.select();
  }

  async function copy() {
    const made = await post(`/threads/${threadId}/copy`);
    if (session.thread?.metadata?.title) {
      await request("PATCH", `/threads/${made.thread_id}`, {
        metadata: { title: `${session.thread.metadata.title} (copy)` },
      });
    }
    app.threadsChanged();
    location.hash = `#/t/${made.thread_id}`;
  }

  function remove() {
    if (!confirm("Delete this thread with its whole history? This cannot be undone.")) return;
    telling(async () => {
      await request("DELETE", `/threads/${threadId}`);
      app.threadsChanged();
      location.hash = "#/";
    });
  }

  session.addEventListener("change", draw);
  session.addEventListener("ended", () => app.threadsChanged());
  const opened = session.open().catch((error) => notify(`The thread cannot be opened: ${error.message}`));
  return {
    node,
    show,
    noticed: (thread) => session.noticed(thread).catch(() => {}),
    close: () => (session.close(), panel?.close?.()),
    opened,
    start: (assistant, input) => ((assistantId = assistant), run({ input })),
  };
}
