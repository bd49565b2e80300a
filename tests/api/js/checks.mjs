// What a program that uses the JavaScript SDK does, one function a habit. `node checks.mjs URL NAME` runs one and
// prints nothing when it holds; a failed assertion ends with code 1 and says which.
import assert from "node:assert/strict";
import { createServer, request } from "node:http";
import { Client } from "@langchain/langgraph-sdk";
import { StreamController } from "@langchain/langgraph-sdk/stream";
import { WebSocket } from "ws";

const [url, name] = process.argv.slice(2);
const client = new Client({ apiUrl: url, apiKey: null });
const hi = { messages: [{ role: "user", content: "hi" }] };

async function collect(stream) {
  const parts = [];
  for await (const part of stream) parts.push(part);
  return parts;
}

// A proxy that lets so many bytes of a stream through and then cuts the connection, once.
async function cuttingProxy(bytes) {
  let cuts = 0;
  const server = createServer((incoming, outgoing) => {
    const target = request(url + incoming.url, { method: incoming.method, headers: incoming.headers }, (answer) => {
      outgoing.writeHead(answer.statusCode, answer.headers);
      const stream = (answer.headers["content-type"] ?? "").includes("event-stream");
      let sent = 0;
      answer.on("data", (chunk) => {
        sent += chunk.length;
        outgoing.write(chunk);
        if (stream && cuts === 0 && sent > bytes) {
          cuts += 1;
          outgoing.destroy();
          answer.destroy();
        }
      });
      answer.on("end", () => outgoing.end());
      answer.on("error", () => outgoing.destroy());
    });
    outgoing.on("close", () => target.destroy()); // a stream of a thread ends when its reader goes
    incoming.pipe(target);
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = `http://127.0.0.1:${server.address().port}`;
  return { address, cuts: () => cuts, close: () => (server.closeAllConnections(), server.close()) };
}

async function followsAThread(transport) {
  const webSocketFactory = (address) => new WebSocket(address);
  const thread = client.threads.stream({ assistantId: "announcing", transport, webSocketFactory });
  const calls = collect(thread.toolCalls);
  const progress = thread.extensions.progress;
  const started = await thread.run.start({ input: { messages: [{ role: "user", content: "go" }] } });
  assert.deepEqual(await progress, { share: 0.5 });
  const [call] = await calls;
  assert.equal(call.name, "count");
  assert.equal((await thread.output).messages.at(-1).content, "counted to 2");
  const { tree } = await thread.agent.getTree({ run_id: started.run_id });
  assert.equal(tree.status, "completed");
  const { values } = await thread.state.get({ namespace: [] });
  assert.equal(values.messages.length, 3);
  const { checkpoints } = await thread.state.listCheckpoints({ limit: 2 });
  assert.equal(checkpoints.length, 2);
  await assert.rejects(thread.input.inject({ namespace: [], message: { role: "user", content: "hi" } }), {
    name: "ProtocolError",
  });
  await thread.close();

  const asking = client.threads.stream({ assistantId: "asking", transport, webSocketFactory });
  const asked = new Promise((resolve) => asking.onEvent((event) => event.method === "input.requested" && resolve(event)));
  await asking.run.start({ input: { topic: "tea" } });
  await asked;
  const [{ interruptId, namespace, payload }] = asking.interrupts;
  assert.deepEqual(payload, { question: "first about tea?" });
  const answered = new Promise((resolve) =>
    asking.onEvent((event) => event.method === "input.answered" && resolve(event.params.data)),
  );
  await asking.input.respond({ namespace, interrupt_id: interruptId, response: "green" });
  assert.deepEqual(await answered, { interrupt_ids: [interruptId] });
  await asking.close();
}

// A submit resolves when its run has ended; the last events may come a moment later, by another connection.
async function until(controller, holds) {
  if (holds(controller.rootStore.getSnapshot())) return;
  await new Promise((resolve) => {
    const leave = controller.rootStore.subscribe(() => {
      if (!holds(controller.rootStore.getSnapshot())) return;
      leave();
      resolve();
    });
  });
}

const checks = {
  async streams() {
    const thread = await client.threads.create();
    let created;
    const parts = await collect(
      client.runs.stream(thread.thread_id, "talkative", {
        input: { messages: [{ role: "user", content: "one two" }] },
        streamMode: ["values", "messages-tuple", "custom", "updates"],
        streamSubgraphs: true,
        streamResumable: true,
        onRunCreated: (run) => (created = run),
      }),
    );
    const events = parts.map((part) => part.event);
    assert.equal(events[0], "metadata");
    assert.deepEqual(new Set(events.slice(1)), new Set(["values", "messages", "custom", "updates", "end"]));
    assert.equal(created.run_id, parts[0].data.run_id);
    assert.equal(created.thread_id, thread.thread_id);
    const replayed = await collect(
      client.runs.joinStream(thread.thread_id, created.run_id, { lastEventId: "-1" }),
    );
    assert.deepEqual(replayed.map((part) => part.event), events);
    const stateless = await collect(client.runs.stream(null, "steps", { input: { note: "x" }, streamMode: "updates" }));
    assert.equal(stateless.filter((part) => part.event === "updates").length, 3);
  },

  async wait() {
    const thread = await client.threads.create();
    const values = await client.runs.wait(thread.thread_id, "echo", { input: hi });
    assert.equal(values.messages.at(-1).content, "echo: hi");
    await assert.rejects(client.runs.wait(null, "failing", { input: { how: "raise" } }), /boom on purpose/);
    const run = await client.runs.create(thread.thread_id, "slow", { input: { steps: 1000, seconds: 0.05 } });
    await client.runs.cancel(thread.thread_id, run.run_id, true);
    assert.equal((await client.runs.get(thread.thread_id, run.run_id)).status, "interrupted");
    const quick = await client.runs.create(thread.thread_id, "echo", { input: hi });
    assert.equal((await client.runs.join(thread.thread_id, quick.run_id)).messages.at(-1).content, "echo: hi");
  },

  async interrupts() {
    const thread = await client.threads.create();
    const asked = await client.runs.wait(thread.thread_id, "asking", { input: { topic: "tea" } });
    assert.deepEqual(asked.__interrupt__[0].value, { question: "first about tea?" });
    const state = await client.threads.getState(thread.thread_id);
    assert.deepEqual(state.next, ["ask"]);
    await client.runs.wait(thread.thread_id, "asking", { input: null, command: { resume: "green" } });
    const done = await client.runs.wait(thread.thread_id, "asking", { command: { resume: "black" } });
    assert.deepEqual([done.first, done.second], ["green", "black"]);
    assert.equal((await client.threads.get(thread.thread_id)).status, "idle");
  },

  async reconnect() {
    const proxy = await cuttingProxy(600);
    const through = new Client({ apiUrl: proxy.address, apiKey: null });
    const thread = await through.threads.create();
    const parts = await collect(
      through.runs.stream(thread.thread_id, "slow", {
        input: { steps: 20, seconds: 0.02 },
        streamMode: "values",
        streamResumable: true,
      }),
    );
    proxy.close();
    assert.equal(proxy.cuts(), 1);
    const ids = parts.map((part) => Number(part.id));
    assert.deepEqual(ids, ids.map((_, place) => place + 1));
    assert.equal(parts.at(-1).event, "end");
    assert.equal(parts.at(-2).data.done.length, 20);
  },

  async threads() {
    const mark = crypto.randomUUID();
    const thread = await client.threads.create({ metadata: { mark }, graphId: "steps", ttl: 60 });
    await client.runs.wait(thread.thread_id, "steps", { input: { note: "x" } });
    const found = await client.threads.search({
      metadata: { mark },
      limit: 5,
      sortBy: "updated_at",
      select: ["thread_id", "status"],
    });
    assert.deepEqual(found, [{ thread_id: thread.thread_id, status: "idle" }]);
    assert.equal(await client.threads.count({ metadata: { mark } }), 1);
    const history = await client.threads.getHistory(thread.thread_id, { limit: 2, before: undefined });
    assert.equal(history.length, 2);
    const older = await client.threads.getHistory(thread.thread_id, { limit: 1, before: history[0] });
    assert.equal(older[0].checkpoint.checkpoint_id, history[1].checkpoint.checkpoint_id);
    const forked = await client.threads.updateState(thread.thread_id, {
      values: { note: "y" },
      checkpoint: history[1].checkpoint,
    });
    assert.equal((await client.threads.getState(thread.thread_id, forked.checkpoint)).values.note, "y");
    assert.equal((await client.threads.update(thread.thread_id, { metadata: { more: 1 } })).metadata.more, 1);
    await client.threads.delete(thread.thread_id);
    await assert.rejects(client.threads.get(thread.thread_id), /404/);
  },

  async assistants() {
    const mark = crypto.randomUUID();
    const made = await client.assistants.create({ graphId: "configured", context: { tone: "warm" }, metadata: { mark } });
    assert.equal((await client.runs.wait(null, made.assistant_id, { input: {} })).tone, "warm");
    const updated = await client.assistants.update(made.assistant_id, { name: "Two" });
    assert.equal(updated.version, 2);
    assert.equal((await client.assistants.setLatest(made.assistant_id, 1)).version, 1);
    assert.equal((await client.assistants.getVersions(made.assistant_id)).length, 2);
    assert.equal((await client.assistants.search({ metadata: { mark } })).length, 1);
    assert.ok((await client.assistants.getGraph("nested", { xray: true })).nodes.length > 3);
    assert.ok((await client.assistants.getSchemas(made.assistant_id)).state_schema);
    await client.assistants.delete(made.assistant_id);
  },

  async threadStream() {
    await followsAThread("sse");
  },

  async threadSocket() {
    await followsAThread("websocket");
  },

  // What @langchain/react and its siblings are made of.
  async controller() {
    const { thread_id: threadId } = await client.threads.create();
    const open = () => new StreamController({ client, assistantId: "announcing", threadId });
    const controller = open();
    controller.activate();
    await controller.hydrate(threadId);
    for (const text of ["one", "two"]) {
      await controller.submit({ messages: [{ type: "human", content: text }] });
      await until(controller, ({ values, isLoading }) => values.messages?.at(-1).content === "counted to 2" && !isLoading);
      assert.equal(controller.rootStore.getSnapshot().error, undefined);
    }
    const { messages, toolCalls } = controller.rootStore.getSnapshot();
    assert.deepEqual(messages.map((message) => message.type), ["human", "ai", "tool", "human", "ai", "tool"]);
    assert.deepEqual(toolCalls.map((call) => call.status), ["finished", "finished"]);
    const forkable = controller.messageMetadataStore.getSnapshot().get(messages[3].id);
    assert.ok(forkable.parentCheckpointId);
    await controller.submit({ messages: [{ type: "human", content: "other" }] }, { forkFrom: forkable.parentCheckpointId });
    const said = ({ values }) => values.messages.filter((message) => message.type === "human").map((message) => message.content);
    await until(controller, (snapshot) => said(snapshot).join() === "one,other" && snapshot.values.messages.length === 6);
    await controller.dispose();

    const again = open();
    again.activate();
    await again.hydrate(threadId);
    assert.equal(again.rootStore.getSnapshot().messages.length, 6);
    await again.dispose();
  },

  async controllerAsks() {
    const { thread_id: threadId } = await client.threads.create();
    const controller = new StreamController({ client, assistantId: "nested", threadId });
    controller.activate();
    await controller.hydrate(threadId);
    await controller.submit({ text: "sure?" });
    await until(controller, ({ interrupts }) => interrupts.length === 1);
    const [asked] = controller.rootStore.getSnapshot().interrupts;
    assert.equal(asked.value, "really?");
    assert.deepEqual([...controller.subgraphByNodeStore.getSnapshot().keys()], ["sub"]);
    await controller.respond("no", { interruptId: asked.id });
    await until(controller, ({ values, interrupts }) => values.text === "inner sure? no" && interrupts.length === 0);
    await controller.dispose();
  },

  async controllerStops() {
    const { thread_id: threadId } = await client.threads.create();
    const controller = new StreamController({ client, assistantId: "slow", threadId });
    controller.activate();
    await controller.hydrate(threadId);
    const submitted = controller.submit({ steps: 1000 });
    await until(controller, ({ values }) => values.done?.length > 0);
    await controller.stop();
    await submitted;
    const { isLoading, error } = controller.rootStore.getSnapshot();
    assert.deepEqual([isLoading, error], [false, undefined]);
    const [{ run_id: runId }] = await client.runs.list(threadId);
    await client.runs.join(threadId, runId);
    assert.equal((await client.runs.get(threadId, runId)).status, "interrupted");
    await controller.dispose();
  },

  async threadReconnect() {
    const proxy = await cuttingProxy(3000);
    const through = new Client({ apiUrl: proxy.address, apiKey: null });
    const thread = through.threads.stream({ assistantId: "talkative", maxReconnectAttempts: 5 });
    const words = Array.from({ length: 40 }, (_, place) => `w${place}`).join(" ");
    const messages = collect(thread.messages);
    await thread.run.start({ input: { messages: [{ role: "user", content: words }] } });
    assert.deepEqual(await Promise.all((await messages).map((message) => message.text)), [words]);
    assert.equal((await thread.output).messages.at(-1).content, words);
    assert.ok(proxy.cuts() > 0);
    await thread.close();
    proxy.close();
  },

  async store() {
    const namespace = ["js", crypto.randomUUID()];
    await client.store.putItem(namespace, "k", { v: 1 });
    assert.deepEqual((await client.store.getItem(namespace, "k")).value, { v: 1 });
    assert.equal((await client.store.searchItems(namespace, { filter: { v: 1 } })).items.length, 1);
    assert.deepEqual((await client.store.listNamespaces({ prefix: namespace })).namespaces, [namespace]);
    await client.store.deleteItem(namespace, "k");
    assert.equal(await client.store.getItem(namespace, "k"), null);
  },

  async crons() {
    const metadata = { mark: crypto.randomUUID() };
    const { thread_id } = await client.threads.create();
    const asked = { schedule: "0 0 1 1 *", input: hi, metadata, timezone: "Asia/Tokyo" };
    const made = await client.crons.create("echo", asked);
    const bound = await client.crons.createForThread(thread_id, "echo", asked);
    assert.equal(bound.thread_id, thread_id);
    assert.deepEqual(made.payload.input, hi);
    assert.equal((await client.crons.update(made.cron_id, { enabled: false })).next_run_date, null);
    const found = await client.crons.search({ metadata, enabled: false });
    assert.deepEqual(found.map((cron) => cron.cron_id), [made.cron_id]);
    assert.equal(await client.crons.count({ metadata }), 2);
    await client.crons.delete(made.cron_id);
    await client.crons.delete(bound.cron_id);
    assert.equal(await client.crons.count({ metadata }), 0);
  },
};

await checks[name]();
