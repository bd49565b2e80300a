// The list of threads beside every page: found, filtered by status, and fresh without asking.

import { post } from "./api.js";
import { button, el, timeAgo } from "./dom.js";

const PAGE = 50;
const FRESH_MS = 3000;
const TYPING_MS = 250;
const SELECT = ["thread_id", "status", "updated_at", "metadata"]; // the server has these at hand
const EXTRACT = { first: "values.messages[0].content" };
const STATUSES = ["idle", "busy", "interrupted", "error"];

/** What a thread is called: its title, else how its conversation begins. */
export function titleOf(thread) {
  const first = plain(thread.extracted?.first ?? thread.values?.messages?.[0]?.content);
  return thread.metadata?.title || first.slice(0, 80) || "Empty thread";
}

function plain(content) {
  if (typeof content === "string") return content.replaceAll(/\s+/g, " ").trim();
  if (Array.isArray(content)) return plain(content.map((block) => block?.text ?? "").join(" "));
  return "";
}

export class ThreadList {
  /** `looked(threads)` is called with what each look at the server finds. */
  constructor(node, looked) {
    this.looked = looked;
    this.texts = new Map(); // thread id -> {at, extracted}: read anew only when the thread has moved on
    this.search = el("input", {
      type: "search",
      placeholder: "Search",
      "aria-label": "Search threads",
      on: { input: () => this.searched() },
    });
    const options = [el("option", { value: "" }, "any status"), ...STATUSES.map((status) => el("option", {}, status))];
    this.status = el("select", { "aria-label": "Status", on: { change: () => this.load() } }, options);
    this.items = el("ul", { class: "threads" });
    this.more = button("More", () => ((this.limit += PAGE), this.load()), { class: "quiet", hidden: true });
    this.note = el("p", { class: "note", role: "status" });
    this.limit = PAGE;
    this.threads = [];
    this.current = null;
    node.append(
      el("a", { class: "new", href: "#/" }, "New thread"),
      el("div", { class: "filters" }, this.search, this.status),
      this.items,
      this.more,
      this.note,
    );
    setInterval(() => document.hidden || this.load(), FRESH_MS);
  }

  show(threadId) {
    this.current = threadId;
    this.draw();
  }

  // The server is asked once a person has stopped typing.
  searched() {
    this.limit = PAGE;
    clearTimeout(this.typing);
    this.typing = setTimeout(() => this.load(), TYPING_MS);
  }

  async load() {
    const body = { limit: this.limit, sort_by: "updated_at", sort_order: "desc", select: SELECT };
    const words = this.search.value.trim();
    if (this.status.value) body.status = this.status.value;
    if (words) body.text = words;
    const asked = (this.asked = JSON.stringify(body));
    try {
      const found = await post("/threads/search", body);
      await this.readTexts(found);
      if (asked !== this.asked) return; // something else is looked for by now
      this.threads = found.map((thread) => ({ ...thread, extracted: this.texts.get(thread.thread_id)?.extracted }));
      this.failure = "";
      this.looked(found);
    } catch (error) {
      this.failure = error.message; // said beside the list; the next look may succeed
    }
    this.draw();
  }

  // How a conversation begins stands in its state, which costs the server a read for each thread.
  async readTexts(found) {
    const stale = found.filter((thread) => this.texts.get(thread.thread_id)?.at !== thread.updated_at);
    if (!stale.length) return;
    const ids = stale.map((thread) => thread.thread_id);
    const read = await post("/threads/search", {
      ids,
      limit: ids.length,
      select: ["thread_id", "updated_at"],
      extract: EXTRACT,
    });
    for (const { thread_id: id, updated_at: at, extracted } of read) this.texts.set(id, { at, extracted });
  }

  draw() {
    const found = this.threads;
    const signature = JSON.stringify([found, this.current, Math.floor(Date.now() / 30_000)]);
    if (signature !== this.signature) this.items.replaceChildren(...found.map((thread) => this.item(thread)));
    this.signature = signature;
    this.more.hidden = this.threads.length < this.limit;
    const asked = this.search.value.trim() || this.status.value;
    const none = asked ? "No thread matches." : "No thread yet. Send a message to start one.";
    const note = this.failure || (found.length ? "" : none);
    if (this.note.textContent !== note) this.note.textContent = note;
  }

  item(thread) {
    const current = thread.thread_id === this.current;
    return el(
      "li",
      {},
      el(
        "a",
        { href: `#/t/${thread.thread_id}`, "aria-current": current ? "page" : null },
        el("span", { class: "title" }, titleOf(thread)),
        el(
          "span",
          { class: "about" },
          el("span", { class: `badge ${thread.status}` }, thread.status),
          " ",
          thread.metadata?.graph_id ?? "",
          " · ",
          timeAgo(thread.updated_at),
        ),
      ),
    );
  }
}
