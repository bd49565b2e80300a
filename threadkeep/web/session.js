// One open thread: its state, the run it is following, and what can be done to it. Views listen for "change".

import { ApiError, get, persistently, post, request } from "./api.js";
import { follow } from "./follow.js";
import { nodesAfter } from "./nodes.js";
import { overlaid } from "./progress.js";
import { shownMessages, withChunk } from "./transcript.js";
import { asUser } from "./user.js";

const MODES = ["values", "messages-tuple", "tasks", "custom"];
const ACTIVE = ["running", "pending"];

export class Session extends EventTarget {
  constructor(threadId) {
    super();
    this.threadId = threadId;
    this.thread = null;
    this.state = null; // the newest checkpoint, as GET /state has it
    this.values = {};
    this.partials = new Map(); // message id -> what has come of it
    this.sent = []; // messages of ours that no state has yet
    this.nodes = {}; // node name -> "running" | "done" | "failed", of the newest run
    this.run = null; // the run that is followed
    this.connected = true;
    this.error = null;
    this.abort = new AbortController();
  }

  get busy() {
    return this.run !== null;
  }

  get messages() {
    return shownMessages(this.values, this.partials, this.sent);
  }

  /** What the thread waits for a person to say; empty while a run works. */
  get interrupts() {
    return this.busy ? [] : (this.state?.interrupts ?? []);
  }

  changed() {
    this.dispatchEvent(new Event("change"));
  }

  close() {
    this.abort.abort();
  }

  /** Reads the thread, and joins the run that works on it, if there is one. */
  async open() {
    await this.refresh();
    await this.attach();
  }

  /** What the list of threads says of this one: others may work on it too. */
  async noticed(thread) {
    if (this.busy || !this.thread || this.abort.signal.aborted) return;
    if (thread.status === "busy") await this.attach();
    else if (thread.updated_at > this.thread.updated_at) await this.refresh();
  }

  async refresh() {
    const [thread, state] = await Promise.all([
      get(`/threads/${this.threadId}`),
      get(`/threads/${this.threadId}/state`),
    ]);
    this.thread = thread;
    this.error = thread.status === "error" ? (thread.error?.message ?? "The server does not say why.") : null;
    this.state = state;
    this.values = state.values ?? {};
    this.partials.clear();
    this.changed();
  }

  async attach() {
    const runs = await get(`/threads/${this.threadId}/runs?limit=20&select=run_id&select=status&select=created_at`);
    const active = runs.filter((run) => ACTIVE.includes(run.status)).reverse();
    const next = active.find((run) => run.status === "running") ?? active[0];
    if (next) this.followRun(next.run_id);
    else if (!runs.length || !Object.keys(this.nodes).length) this.nodes = remembered(this.threadId)?.nodes ?? {};
    this.changed();
  }

  /** Starts a run; `what` holds input, command, checkpoint_id as the API has them. The run is followed. */
  async start(assistantId, what) {
    this.error = null;
    const key = crypto.randomUUID?.() ?? `${Date.now()}-${Math.random()}`;
    const messages = what.input?.messages ?? [];
    this.sent.push(...messages);
    this.changed();
    try {
      const body = { assistant_id: assistantId, stream_mode: MODES, stream_resumable: true, ...asUser(), ...what };
      // With one key the server makes one run of it, however often it is asked.
      const headers = { "idempotency-key": key };
      const run = await persistently(() => post(`/threads/${this.threadId}/runs`, body, { headers }));
      if (!this.busy) this.followRun(run.run_id);
    } catch (error) {
      this.sent = this.sent.filter((one) => !messages.includes(one));
      this.changed();
      throw error;
    }
  }

  async stop() {
    if (!this.run) return;
    try {
      await post(`/threads/${this.threadId}/runs/${this.run.id}/cancel`);
    } catch (error) {
      if (!(error instanceof ApiError && error.status === 404)) throw error; // it has ended meanwhile
    }
  }

  async updateState(body) {
    await post(`/threads/${this.threadId}/state`, body);
    await this.refresh();
  }

  async rename(title) {
    this.thread = await request("PATCH", `/threads/${this.threadId}`, { metadata: { title } });
    this.changed();
  }

  followRun(runId) {
    const saved = remembered(this.threadId);
    const known = saved?.runId === runId ? saved : { lastId: "0", nodes: {} };
    this.run = { id: runId, status: "running" };
    this.nodes = known.nodes;
    this.changed();
    this.#watch(runId, known.lastId).catch((error) => {
      if (this.abort.signal.aborted) return;
      this.run = null;
      this.error = error.message;
      this.changed();
    });
  }

  async #watch(runId, lastId) {
    const onConnection = (connected) => {
      if (this.connected === connected) return;
      this.connected = connected;
      this.changed();
    };
    for await (const frame of follow(this.threadId, runId, { lastId, signal: this.abort.signal, onConnection })) {
      this.#take(frame, runId);
      this.changed();
    }
    if (this.abort.signal.aborted) return;
    this.connected = true;
    await this.#ended(runId);
  }

  #take({ event, data, id }, runId) {
    if (event === "values") {
      const { __interrupt__: _asked, ...values } = data;
      this.values = values;
      this.partials.clear();
      const kept = new Set((values.messages ?? []).map((message) => message.id));
      this.sent = this.sent.filter((message) => !kept.has(message.id));
      if (id !== null) remember(this.threadId, { runId, lastId: id, nodes: this.nodes });
    } else if (event === "messages" && Array.isArray(data)) {
      const [chunk] = data;
      this.partials.set(chunk.id, withChunk(this.partials.get(chunk.id), chunk));
    } else if (event === "metadata" && data.attempt > 1) {
      this.partials.clear(); // the server went down in between; the super-step starts over
    } else if (event === "custom" && data?.type === "discard") {
      this.partials.delete(data.message_id);
    } else if (event === "custom") {
      this.values = overlaid(this.values, data);
    } else if (event === "tasks") {
      this.nodes = nodesAfter(this.nodes, data);
    } else if (event === "error") {
      this.error = data?.message ?? String(data);
    }
  }

  async #ended(runId) {
    remember(this.threadId, { runId, lastId: "0", nodes: this.nodes });
    await this.refresh();
    this.run = null;
    await this.attach(); // another run may have waited, with a message that no state has yet
    if (!this.busy) this.sent = [];
    this.changed();
    this.dispatchEvent(new Event("ended"));
  }
}

// Where this page was in a run: a reload goes on from there.
function remember(threadId, place) {
  sessionStorage.setItem(`threadkeep.follow.${threadId}`, JSON.stringify(place));
}

function remembered(threadId) {
  return JSON.parse(sessionStorage.getItem(`threadkeep.follow.${threadId}`) ?? "null");
}
