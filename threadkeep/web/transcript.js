// Messages while they grow: chunks are put together as LangChain does it, until the state has the whole message.

/** A person's message with an id of its own, by which it is known again in the state. */
export function humanMessage(text) {
  return { type: "human", content: text, id: crypto.randomUUID?.() ?? `page-${Date.now()}-${Math.random()}` };
}

/** `partial` (or nothing yet) with one more chunk. */
export function withChunk(partial, chunk) {
  const kind = chunk.type.replace("MessageChunk", "").toLowerCase();
  if (!partial || !chunk.type.endsWith("Chunk")) {
    return { ...chunk, type: kind, content: chunk.content ?? "", tool_calls: calls([], chunk), growing: true };
  }
  return { ...partial, content: joined(partial.content, chunk.content), tool_calls: calls(partial.tool_calls, chunk) };
}

function joined(before, more) {
  if (typeof before === "string" && typeof more === "string") return before + more;
  return [...asBlocks(before), ...asBlocks(more)];
}

function asBlocks(content) {
  if (typeof content === "string") return content ? [{ type: "text", text: content }] : [];
  return content ?? [];
}

function calls(before, chunk) {
  const found = before.map((one) => ({ ...one }));
  for (const piece of chunk.tool_call_chunks ?? []) {
    const same = found.find((one) => one.index === piece.index && piece.index !== null);
    if (same) same.text += piece.args ?? "";
    else found.push({ index: piece.index, id: piece.id, name: piece.name, text: piece.args ?? "" });
  }
  if (!found.length && chunk.tool_calls?.length) return chunk.tool_calls;
  return found.map((one) => ("text" in one ? { ...one, args: argsOf(one.text) } : one));
}

function argsOf(text) {
  try {
    return JSON.parse(text);
  } catch {
    return text; // still growing
  }
}

/** The text of a message, whatever blocks it is made of. */
export function textOf(message) {
  const content = message.content ?? "";
  if (typeof content === "string") return content;
  return content.map((block) => (typeof block === "string" ? block : (block.text ?? ""))).join("");
}

/** The blocks of a message that are no text: images, files and whatever providers add. */
export function otherBlocks(message) {
  return Array.isArray(message.content)
    ? message.content.filter((block) => block?.text === undefined && typeof block === "object")
    : [];
}

/** What is shown: the state's messages, then those that grow and are not in it yet. */
export function shownMessages(values, partials, sent) {
  const kept = Array.isArray(values?.messages) ? values.messages : [];
  const ids = new Set(kept.map((message) => message.id));
  const growing = [...sent, ...partials.values()].filter((message) => !ids.has(message.id));
  return [...kept, ...growing];
}
