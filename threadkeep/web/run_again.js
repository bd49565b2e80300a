// A run once more, from its start or from one of its steps, with another model, other instructions or another input.

import { post } from "./api.js";
import { schemasOf } from "./assistants_data.js";
import { button, el, labelled } from "./dom.js";
import { telling } from "./notices.js";
import { schemaForm } from "./schema_form.js";
import { humanMessage, textOf } from "./transcript.js";

const MOST = 1000;

/**
 * The checkpoint that a step of the run (its first, when `step` is null) began from, as the body of a new run:
 * `{checkpoint_id, input}`, or `command` where the run began by answering a question. Throws when it is gone.
 */
export async function startingPoint(run, step) {
  const states = await post(`/threads/${run.thread_id}/history`, {
    metadata: { run_id: run.run_id },
    limit: MOST,
    select: ["checkpoint_id", "parent_checkpoint_id", "metadata"],
  });
  const first = states.at(-1);
  const before = step === null ? null : states.find((state) => state.metadata?.step === step - 1);
  if (before) return { checkpoint_id: before.checkpoint_id, input: null };
  const fresh = step === null && first?.metadata?.source === "input";
  if (fresh) return { checkpoint_id: first.checkpoint_id, input: null };
  const begins = first && (step === null || first.metadata?.step >= step);
  if (!begins || !first.parent_checkpoint_id)
    throw new Error("The checkpoint that this began from is not kept, so it cannot be run again from here.");
  const answered = run.kwargs?.command;
  return { checkpoint_id: first.parent_checkpoint_id, ...(answered ? { command: answered } : { input: null }) };
}

/** The form; `go(body)` starts the run. `span`, with its `step`, is where to go again from; null for the whole run. */
export function runAgainForm(run, span, step, go) {
  const place = el("div", {}, el("p", { class: "hint" }, "Looking at what can be changed …"));
  const words = span ? `Run again from ${span.kind} ${span.name}` : "Run again from the start";
  const node = el("section", { class: "again", "aria-label": words }, el("h3", {}, words), place);
  telling(async () => place.replaceChildren(await filled()));

  async function filled() {
    const [from, schemas] = await Promise.all([startingPoint(run, step), schemasOf(run.assistant_id)]);
    const newer = schemas.context_schema?.properties;
    const schema = newer ? schemas.context_schema : schemas.config_schema;
    const settings = schema?.properties ? schemaForm(schema, given(schema, newer)) : null;
    const input = from.command || step !== null ? null : inputField(run.kwargs?.input);
    const submit = (event) => {
      event.preventDefault();
      telling(async () => {
        const chosen = settings?.read() ?? {};
        const configurable = { ...who(), ...(newer ? {} : chosen) };
        const context = newer ? { context: chosen } : {};
        await go({ assistant_id: run.assistant_id, ...from, ...input?.read(), ...context, config: { configurable } });
      });
    };
    if (!settings && !input)
      return el("p", {}, "This graph declares no context, so there is no model or prompt to choose from here.");
    return el(
      "form",
      { class: "change", on: { submit } },
      el("p", { class: "hint" }, "A fork: what was there stays in the history."),
      input?.node ?? null,
      settings
        ? el("details", { open: true }, el("summary", {}, "Model, instructions and other settings"), settings.node)
        : el("p", { class: "hint" }, "This graph declares no context: only its input can be changed."),
      el(
        "div",
        { class: "actions" },
        el("button", { type: "submit", class: "primary" }, "Run again"),
        button("Cancel", () => node.remove()),
      ),
    );
  }

  function given(schema, newer) {
    const values = Object.entries((newer ? run.kwargs?.context : run.kwargs?.config?.configurable) ?? {});
    return Object.fromEntries(values.filter(([name]) => name in schema.properties));
  }

  // For whom the run was, as the graphs remember things by user.
  function who() {
    const user = run.kwargs?.config?.configurable?.user_id;
    return user ? { user_id: user } : {};
  }

  return node;
}

// What the run was sent, to be changed; what is left as it was is not sent anew.
function inputField(input) {
  if (input === null || input === undefined) return null;
  const last = Array.isArray(input.messages) ? input.messages.at(-1) : null;
  const isText = last && typeof last === "object" && typeof textOf(last) === "string";
  const before = isText ? textOf(last) : JSON.stringify(input, null, 2);
  const field = el("textarea", { rows: 3, value: before, spellcheck: isText ? null : "false" });
  const read = () => {
    if (field.value === before) return {};
    if (isText) return { input: { ...input, messages: [...input.messages.slice(0, -1), humanMessage(field.value)] } };
    return { input: JSON.parse(field.value) };
  };
  return { node: labelled(isText ? "Message of this run" : "Input of this run, as JSON", field), read };
}
