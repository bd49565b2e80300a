// A new thread: it is made when the first message is sent, so that looking leaves nothing behind.

import { post } from "./api.js";
import { composer } from "./composer.js";
import { el } from "./dom.js";

/** `started(threadId, assistantId, input)` is called once the thread is there. */
export function newPage(started) {
  const write = composer({
    send: async (assistantId, input) => {
      const thread = await post("/threads", {});
      await started(thread.thread_id, assistantId, input);
    },
    stop: async () => {},
  });
  const node = el(
    "div",
    { class: "start" },
    el("h1", {}, "New thread"),
    el("p", { class: "hint" }, "Choose a graph or assistant, and write."),
    write.node,
  );
  return { node, close: () => {} };
}
