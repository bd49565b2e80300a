// The assistants that the server has, and what a run of each takes.

import { get, post } from "./api.js";

/** All assistants: first the graphs' own ones, in the order in which the server names its graphs. */
export async function allAssistants() {
  const [found, info] = await Promise.all([
    post("/assistants/search", { limit: 1000, sort_by: "name", sort_order: "asc" }),
    get("/info").catch(() => ({})),
  ]);
  const place = (one) => (isSystem(one) ? (info.graphs ?? []).indexOf(one.graph_id) : Infinity);
  return found.sort((a, b) => (place(a) === place(b) ? 0 : place(a) - place(b)));
}

export function isSystem(assistant) {
  return assistant.metadata?.created_by === "system";
}

export function nameOf(assistant) {
  return isSystem(assistant) ? assistant.graph_id : `${assistant.name} (${assistant.graph_id})`;
}

const schemas = new Map();

/** The JSON schemas of an assistant's graph, read once. */
export function schemasOf(assistantId) {
  if (!schemas.has(assistantId)) {
    const asked = get(`/assistants/${assistantId}/schemas`);
    asked.catch(() => schemas.delete(assistantId));
    schemas.set(assistantId, asked);
  }
  return schemas.get(assistantId);
}

/** Whether a message is an input for it; else the input is asked for as JSON. */
export async function takesMessages(assistantId) {
  const { input_schema: schema } = await schemasOf(assistantId);
  return !schema?.properties || "messages" in schema.properties;
}
