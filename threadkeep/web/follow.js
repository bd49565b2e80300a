// Following one run to its end, over cut connections and restarts of the server.

import { ApiError, call } from "./api.js";
import { frames } from "./sse.js";

const SILENT_MS = 60_000; // the server shows a sign of life every few seconds
const LONGEST_PAUSE_MS = 4000;
const GONE = new Set([401, 403, 404]); // the run went with its thread, or is not ours any more

/** Pauses between tries: 250 ms, doubled each time. */
function pause(tries, signal) {
  const milliseconds = Math.min(LONGEST_PAUSE_MS, 250 * 2 ** tries);
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, milliseconds);
    signal.addEventListener("abort", () => (clearTimeout(timer), resolve()), { once: true });
  });
}

/**
 * The run's frames after `lastId` ("0": all of them), each once, until its `end` or until `signal`.
 * `onConnection(true | false)` tells whether the stream is connected.
 */
export async function* follow(threadId, runId, { lastId, signal, onConnection }) {
  let tries = 0;
  while (!signal.aborted) {
    try {
      const headers = lastId === null ? {} : { "last-event-id": lastId };
      const answer = await call("GET", `/threads/${threadId}/runs/${runId}/stream`, { headers, signal });
      onConnection(true);
      for await (const frame of frames(answer, SILENT_MS)) {
        tries = 0;
        if (frame.id !== null) lastId = frame.id;
        yield frame;
        if (frame.event === "end") return;
      }
    } catch (error) {
      if (signal.aborted) return;
      if (error instanceof ApiError && GONE.has(error.status)) throw error;
      // Any other refusal means that the place is no longer kept: go on with what is still to come.
      if (error instanceof ApiError && error.status >= 400 && error.status < 500 && error.status !== 429) lastId = null;
    }
    if (signal.aborted) return;
    onConnection(false);
    await pause(tries++, signal);
  }
}
