// Server-sent events from a fetch stream: EventSource can send no headers, and so no key.

/** The frames of an answer as `{event, data, id}`, data parsed as JSON. Throws when nothing comes for `silentMs`. */
export async function* frames(answer, silentMs) {
  const reader = answer.body.getReader();
  const decoder = new TextDecoder();
  let text = "";
  try {
    for (;;) {
      const { done, value } = await within(reader.read(), silentMs);
      if (done) return;
      text += decoder.decode(value, { stream: true });
      // A CR at the very end may be half of a CRLF.
      const whole = text.endsWith("\r") ? text.length - 1 : text.length;
      const blocks = text.slice(0, whole).replaceAll("\r\n", "\n").split("\n\n");
      text = blocks.pop() + text.slice(whole);
      for (const block of blocks) {
        const frame = parsed(block);
        if (frame) yield frame;
      }
    }
  } finally {
    reader.cancel().catch(() => {});
  }
}

function parsed(block) {
  const frame = { event: "message", data: "", id: null };
  let lines = 0;
  for (const line of block.split("\n")) {
    const colon = line.indexOf(":");
    if (colon <= 0) continue; // a comment: the server's heartbeat
    const [name, value] = [line.slice(0, colon), line.slice(colon + 1).replace(/^ /, "")];
    if (name === "data") frame.data += (lines++ ? "\n" : "") + value;
    else if (name === "event" || name === "id") frame[name] = value;
  }
  if (!lines) return null;
  return { ...frame, data: frame.data === "" ? null : JSON.parse(frame.data) };
}

function within(promise, milliseconds) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error("silent")), milliseconds);
  });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}
